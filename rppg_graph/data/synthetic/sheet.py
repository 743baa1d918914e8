"""A contact sheet: what the presets look like."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from rppg_graph.data.synthetic.generate import generate
from rppg_graph.data.synthetic.parameters import PRESETS
from rppg_graph.errors import InputError

FRAME_SECONDS = 2.0  # into the recording, where motion has set in and the encoder has settled


def contact_sheet(path: str | Path, *presets: str, people: int = 6, seed: int = 0, width: int = 240) -> Path:
    """Write a PNG with one row a preset (none named: each) and one person a column.

    Args:
        people: columns; width: of one picture in pixels.

    Raises:
        InputError: unknown preset, or the file cannot be written.
    """
    rows = []
    for preset in presets or PRESETS:
        pictures = [_picture(preset, seed + person, width) for person in range(people)]
        cv2.putText(pictures[0], preset, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(np.hstack(pictures))
    data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])[1]
    try:
        Path(path).write_bytes(data.tobytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    return Path(path)


def _picture(preset: str, seed: int, width: int) -> np.ndarray:
    fps = 15.0
    recording = generate(preset, seed, seconds=FRAME_SECONDS + 1, fps=fps)
    frame = next(islice(recording.frames(), int(FRAME_SECONDS * fps), None))
    return cv2.resize(frame, (width, width * frame.shape[0] // frame.shape[1]), interpolation=cv2.INTER_AREA)
