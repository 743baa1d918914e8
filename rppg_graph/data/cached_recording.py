"""One recording in the cache: a folder of face crops with all that training and evaluation need beside them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.data.face import DEFAULT_DETECTOR
from rppg_graph.errors import InputError

FORMAT_VERSION = 4  # goes up with any change of the files' form, of how a crop is computed or a reference is read
FRAMES_FILE, RECORDING_FILE, SHEET_FILE = "frames.npy", "recording.json", "contact_sheet.png"


@dataclass(frozen=True)
class CropSettings:
    """How faces are cut out (arguments of `data.face.FaceCropper`); a change rebuilds the cache."""

    size: int = 64
    detector: str = DEFAULT_DETECTOR
    policy: str = "fail"


@dataclass(frozen=True, eq=False)
class CachedRecording:
    """The face crops of one recording, with its reference at the frames' own timestamps.

    Args:
        folder: where it lies.
        name, subject, layout: those of the `Recording` that it was made from.
        seconds: (T,) float64 times from the first frame on.
        face: (T,) bool; False where there is no crop (the frame is black).
        boxes: (T, 4) float64 x, y, w, h of the crop in the upright frame, in pixels; NaN without a crop.
        pulse: (T,) float64 reference pulse, NaN where the reference does not reach; None without one.
        bpm: (T,) float64 heart rate by the device, likewise.
        detection_rate: share of the frames in which the face was found.
        notes: what was odd or repaired while reading, one sentence each.
        faults: why the reference is not to be believed (`alignment.reference_faults`); none where it is.
    """

    folder: Path
    name: str
    subject: str
    layout: str
    seconds: np.ndarray
    face: np.ndarray
    boxes: np.ndarray
    pulse: np.ndarray | None
    bpm: np.ndarray | None
    detection_rate: float
    notes: tuple[str, ...]
    faults: tuple[str, ...] = ()

    @property
    def frames(self) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB, memory-mapped anew each time: a map that is kept keeps what was read of it."""
        return np.load(self.folder / FRAMES_FILE, mmap_mode="r")

    @property
    def fps(self) -> float:
        """Frames per second, by the mean of their distances without holes (over twice the median).

        The median itself is no rate: a camera's log in steps of 8 ms has 33 and 41 ms, and a median of 24 or 30 fps.
        """
        steps = np.diff(self.seconds)
        return float(1.0 / steps[steps <= 2 * np.median(steps)].mean())


def recording_to_json(recording: CachedRecording, settings: CropSettings, source: dict[str, str]) -> str:
    """The text of recording.json; NaN becomes null."""
    content = {
        "format_version": FORMAT_VERSION,
        "settings": asdict(settings),
        "source": source,
        "name": recording.name,
        "subject": recording.subject,
        "layout": recording.layout,
        "frames": len(recording.seconds),
        "detection_rate": recording.detection_rate,
        "notes": list(recording.notes),
        "faults": list(recording.faults),
        "seconds": recording.seconds.tolist(),
        "face": recording.face.tolist(),
        "boxes": [None if np.isnan(box[0]) else box.round(2).tolist() for box in recording.boxes],
        "pulse": _nullable(recording.pulse),
        "bpm": _nullable(recording.bpm),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """The content of a whole folder's recording.json; None where anything is missing, cut off or of another format."""
    try:
        content = json.loads((folder / RECORDING_FILE).read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            return None
        with (folder / FRAMES_FILE).open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            header_and_pixels = file.tell() + content["frames"] * content["settings"]["size"] ** 2 * 3
            return content if os.fstat(file.fileno()).st_size == header_and_pixels else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read_recording(folder: Path) -> CachedRecording:
    """The recording of a cache folder.

    Raises:
        InputError: the folder is not a whole recording of this format version.
    """
    content = read_metadata(folder)
    if content is None:
        raise InputError(f"{folder}: not a whole recording of the cache; run preprocess again")
    return CachedRecording(
        folder=folder,
        name=content["name"],
        subject=content["subject"],
        layout=content["layout"],
        seconds=np.array(content["seconds"], dtype=np.float64),
        face=np.array(content["face"], dtype=bool),
        boxes=np.array([box or [np.nan] * 4 for box in content["boxes"]], dtype=np.float64).reshape(-1, 4),
        pulse=_array(content["pulse"]),
        bpm=_array(content["bpm"]),
        detection_rate=content["detection_rate"],
        notes=tuple(content["notes"]),
        faults=tuple(content["faults"]),
    )


def _nullable(values: np.ndarray | None) -> list[float | None] | None:
    return None if values is None else [value if np.isfinite(value) else None for value in values.tolist()]


def _array(values: list[float | None] | None) -> np.ndarray | None:
    return None if values is None else np.array(values, dtype=np.float64)
