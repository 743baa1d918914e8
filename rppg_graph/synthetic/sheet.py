"""What the presets look like: a contact sheet and a video of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from rppg_graph.data.video import write_video
from rppg_graph.errors import InputError
from rppg_graph.files import appearing_folder
from rppg_graph.synthetic.generate import generate
from rppg_graph.synthetic.photo import find_portraits
from rppg_graph.synthetic.presets import PRESETS
from rppg_graph.synthetic.recording import SyntheticRecording

SHEET_PEOPLE, VIDEO_PEOPLE = 6, 3
FRAME_SECONDS = 2.0  # into the recording, where motion has set in and the encoder has settled
VIDEO_CRF = 18.0  # fine enough to show what the preset's own codec did


def show_presets(
    out: str | Path, *, seed: int = 0, seconds: float = 6.0, fps: float = 30.0, portraits: str | Path | None = None
) -> list[Path]:
    """Write a contact sheet PRESET.png and a video PRESET.mp4 of every preset into a new or empty folder.

    Args:
        seconds, fps: of the videos; portraits: as for `write_dataset`.

    Raises:
        InputError: the folder holds something or cannot be written, or what `find_portraits` or `generate` refuses.
    """
    heads = find_portraits(portraits) if portraits is not None else []
    with appearing_folder(Path(out)) as folder:
        for preset in PRESETS:
            contact_sheet(folder / f"{preset}.png", preset, seed=seed, heads=heads)
            preset_video(folder / f"{preset}.mp4", preset, seed=seed, seconds=seconds, fps=fps, heads=heads)
    return sorted(Path(out).iterdir())


def contact_sheet(
    path: str | Path, *presets: str, people: int = SHEET_PEOPLE, seed: int = 0, width: int = 240,
    heads: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write a PNG with one row a preset (none named: each) and one person a column.

    Args:
        people: columns; width: of one picture in pixels; heads: portraits in place of what the preset draws.

    Raises:
        InputError: unknown preset, or the file cannot be written.
    """
    rows = []
    for preset in presets or PRESETS:
        recordings = _people(preset, people, seed, FRAME_SECONDS + 1, 15.0, heads)
        pictures = []
        for recording in recordings:
            frame = next(islice(recording.frames(), int(FRAME_SECONDS * recording.parameters["fps"]), None))
            size = width, width * frame.shape[0] // frame.shape[1]
            pictures.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        cv2.putText(pictures[0], preset, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(np.hstack(pictures))
    data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])[1]
    try:
        Path(path).write_bytes(data.tobytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    return Path(path)


def preset_video(
    path: str | Path, preset: str, *, people: int = VIDEO_PEOPLE, seed: int = 0, seconds: float = 6.0,
    fps: float = 30.0, heads: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write a video of several people of a preset side by side; arguments as for `contact_sheet`.

    Raises:
        InputError: unknown preset, or the file cannot be written.
    """
    recordings = _people(preset, people, seed, seconds, fps, heads)
    # cameras that drop frames end early, and the picture with them
    frames = (np.hstack(row) for row in zip(*(recording.frames() for recording in recordings), strict=False))
    return write_video(path, frames, fps, crf=VIDEO_CRF)


def _people(
    preset: str, people: int, seed: int, seconds: float, fps: float, heads: Sequence[str]
) -> list[SyntheticRecording]:
    chosen = [{"head": heads[person % len(heads)]} if heads else {} for person in range(people)]
    return [generate(preset, seed + person, seconds=seconds, fps=fps, **head) for person, head in enumerate(chosen)]
