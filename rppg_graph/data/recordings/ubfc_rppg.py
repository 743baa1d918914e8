"""UBFC-rPPG, DATASET_2: `subject4/vid.avi` (or `vid.mp4`) with `subject4/ground_truth.txt`.

ground_truth.txt has three rows, one value a frame: pulse, device heart rate in bpm, seconds. Value i belongs to frame
i. The seconds are the camera's own, uneven ones (the file spreads its frames evenly, up to a second beside them), so
the frames get them, counted from the first. The oximeter is a CMS50E, whose heart rate has seven bits.

Source: Bobbia et al., "Unsupervised skin tissue segmentation for remote photoplethysmography", Pattern Recognition
Letters, 2017.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_text
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import rising
from rppg_graph.data.video import write_video
from rppg_graph.errors import InputError

VIDEOS = ("vid.avi", "vid.mp4")
LABELS = "ground_truth.txt"
ROWS = ("pulse", "heart rate", "seconds")


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder with a ground_truth.txt, or named subject<number> with a vid.avi or vid.mp4."""
    found = []
    for folder in folders:
        named = re.fullmatch(r"subject[0-9]+", folder.path.name)
        if LABELS in folder.files or (named and set(VIDEOS) & set(folder.files)):
            name, labels = folder.path.resolve().name, folder.path / LABELS
            subject = re.search(r"subject([0-9]+)", name)
            subject, videos = subject.group(1) if subject else name, [folder.path / video for video in VIDEOS]
            files = videos, labels, read_reference, labels
            found.append(video_recording("ubfc-rppg", name, subject, *files, clock=read_times))
    return found


def read_times(labels: Path) -> np.ndarray | None:
    """(T,) times of the frames, those of the reference; None where it cannot be read."""
    try:
        return read_reference(labels).seconds
    except InputError:  # said when the reference is read; the video can be looked at without it
        return None


def read_reference(path: Path) -> Reference:
    """The three rows of a ground_truth.txt, the first time subtracted from all.

    Raises:
        InputError: another number of rows, rows of unequal length, or what make_reference refuses.
    """
    rows = [line.split() for line in read_text(path).splitlines() if line.strip()]
    if len(rows) != len(ROWS):
        raise InputError(f"{path}: {len(rows)} rows; three are wanted ({', '.join(ROWS)}). {LEAVE_OUT}")
    lengths = [len(row) for row in rows]
    if len(set(lengths)) != 1:
        raise InputError(
            f"{path}: rows of {lengths[0]}, {lengths[1]} and {lengths[2]} values; they must be equal. {LEAVE_OUT}"
        )
    pulse, bpm, seconds = (
        np.array([number(text, path, f"row {row + 1} ({name}), value {i + 1}") for i, text in enumerate(rows[row])])
        for row, name in enumerate(ROWS)
    )
    return make_reference(
        path, rising(seconds - seconds[0]), pulse, bpm, place=lambda i: f"value {i + 1} of each row", seven_bits=True
    )


def write(
    root: Path, name: str, frames: Iterable[np.ndarray], seconds: np.ndarray, reference: Reference, *,
    video: str = "vid.avi", **options,
) -> Path:  # fmt: skip
    """Write a recording as UBFC-rPPG DATASET_2 has it and return its folder.

    The reference is interpolated at the frames' times (one sample a frame); a heart rate that is unknown is written
    as 0. An AVI has a constant rate, the mean one of `seconds`; an MP4 keeps each frame's own time.

    Args:
        root: the dataset's folder; `root/name` is made.
        name: "subject<number>".
        frames: RGB uint8 (H, W, 3), consumed one by one.
        seconds: (T,) rising times of the frames.
        reference: needs a pulse.
        video: "vid.avi" or "vid.mp4".
        options: for data.video.write_video (codec, …).
    """
    seconds = np.asarray(seconds, dtype=np.float64)
    folder = Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    fps = (len(seconds) - 1) / (seconds[-1] - seconds[0])
    stamps = None if video.endswith(".avi") else seconds
    write_video(folder / video, frames, fps, seconds=stamps, **options)
    pulse = np.interp(seconds, reference.seconds, reference.pulse)
    bpm = np.zeros_like(seconds)
    if reference.bpm is not None:
        bpm = np.nan_to_num(np.interp(seconds, reference.seconds, reference.bpm))
    rows = ["".join(f"{value:16.7e}" for value in row) for row in (pulse, bpm, seconds)]
    (folder / LABELS).write_text("\n".join(rows) + "\n", encoding="ascii")
    return folder


LAYOUT = Layout("UBFC-rPPG DATASET_2: subject<n>/vid.avi (or vid.mp4) and subject<n>/ground_truth.txt", collect)
