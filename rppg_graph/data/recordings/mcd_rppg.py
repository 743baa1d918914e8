"""MCD-rPPG: `video/1020_USBVideo_before.avi` with a `.txt` of that name in `ppg_sync/` and one in `meta/`.

Three cameras film each of 600 people before and after exercise. ppg_sync has one line a frame: the pulse at its time,
and how far the sample was from it; meta has one line a frame: its number, date and time.

Source: Egorov et al., "Gaze into the heart: a multi-view video dataset for rPPG and health biomarkers estimation", ACM
Multimedia, 2025; https://huggingface.co/datasets/kyegorov/mcd_rppg.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_text
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import MOST_FRAMES_APART, frame_clock
from rppg_graph.errors import InputError

VIDEO = r"[0-9]+_[A-Za-z0-9]+_(before|after)\.avi"
PARTS = ("ppg_sync", "meta")


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each <person>_<camera>_<before or after>.avi in a folder video.

    Labels without a video are no recordings: few people fetch all the videos.
    """
    found = []
    for video in (path for folder in folders if folder.path.name == "video" for path in folder.matching(VIDEO)):
        name, (labels, times) = video.stem, (video.parents[1] / part / f"{video.stem}.txt" for part in PARTS)
        files = [video], labels, read_reference, times
        found.append(video_recording("mcd-rppg", name, name.split("_")[0], *files, clock=read_times, by_frame=True))
    return found


def read_times(path: Path) -> np.ndarray | None:
    """(T,) times of the frames by a file of meta/; None where there is none."""
    if not path.is_file():
        return None
    times = []
    for i, line in enumerate(read_text(path).split("\n")):
        if line.strip():
            try:
                times.append(datetime.fromisoformat(line.split(maxsplit=1)[1].strip()).replace(tzinfo=None))
            except (ValueError, IndexError) as error:
                raise InputError(f"{path}: line {i + 1}: {line[:40]!r} is no number and time. {LEAVE_OUT}") from error
    return frame_clock(path, [(time - times[0]).total_seconds() for time in times])


def read_reference(path: Path, seconds: np.ndarray) -> Reference:
    """The first column of a file of ppg_sync, value i at the time (T,) of frame i.

    Raises:
        InputError: over two samples more or fewer than frames, or what make_reference refuses.
    """
    rows = [line.split() for line in read_text(path).splitlines() if line.strip()]
    pulse = [number(row[0], path, f"line {i + 1}") for i, row in enumerate(rows)]
    if abs(len(pulse) - len(seconds)) > MOST_FRAMES_APART:
        raise InputError(f"{path}: {len(pulse)} samples for {len(seconds)} frames; one a frame is wanted. {LEAVE_OUT}")
    both = min(len(pulse), len(seconds))
    return make_reference(path, seconds[:both], pulse[:both], place=lambda i: f"line {i + 1}")


FORM = "MCD-rPPG: video/<person>_<camera>_<before or after>.avi, and a .txt of that name in ppg_sync/ and meta/"
LAYOUT = Layout(FORM, collect)
