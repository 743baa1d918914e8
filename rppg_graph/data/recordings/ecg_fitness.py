"""ECG-Fitness: `00/01/c920-1.avi` and `c920-2.avi` with `00/01/c920.csv` and `00/01/viatom-raw.csv`.

c920.csv has one row a frame, its milliseconds first. viatom-raw.csv, under a header, has one row a sample of the ECG:
milliseconds on the same clock, ECG, heart rate by the ECG in bpm, another signal, and that by the oximeter (-1: none).
The heart rate by the ECG is read, that of the oximeter where there is none. The ECG is not: it is no pulse wave.

Source: Špetlík et al., "Visual heart rate estimation with convolutional neural network", BMVC, 2018.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_csv
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import frame_clock
from rppg_graph.errors import InputError

VIDEOS, TIMES, LABELS = ("c920-1.avi", "c920-2.avi"), "c920.csv", "viatom-raw.csv"
ECG_RATE, OXIMETER_RATE = 2, 4  # columns of viatom-raw.csv


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each c920-<n>.avi, and for each viatom-raw.csv without one."""
    found = []
    for folder in folders:
        videos = [name for name in folder.files if name in VIDEOS] or list(VIDEOS[:1])
        if {*VIDEOS, LABELS} & set(folder.files):
            person, session = folder.path.resolve().parts[-2:]
            for video in (folder.path / video for video in videos):
                name, times = f"{person}_{session}_{video.stem}", folder.path / TIMES
                files = [video], folder.path / LABELS, partial(read_reference, times=times), times
                found.append(video_recording("ecg-fitness", name, person, *files, clock=read_times))
    return found


def read_times(path: Path) -> np.ndarray:
    """(T,) times of the frames, from the milliseconds of a c920.csv."""
    times = _milliseconds(path)
    return frame_clock(path, (times - times[:1]) / 1000)


def _milliseconds(path: Path) -> np.ndarray:
    return np.array([number(row[0], path, f"row {i + 1}") for i, row in enumerate(read_csv(path))])


def read_reference(path: Path, times: Path) -> Reference:
    """The heart rate of a viatom-raw.csv, 0 s being the first frame's time in `times` (c920.csv).

    Raises:
        InputError: a row with fewer than three values, no frames in `times`, or what make_reference refuses.
    """
    first = _milliseconds(times)[:1]
    if not len(first):
        raise InputError(f"{times}: no times of frames in it. {LEAVE_OUT}")
    rows = []
    for i, row in enumerate(read_csv(path)[1:]):
        if len(row) <= ECG_RATE:
            wanted = "milliseconds, ECG and heart rate are wanted"
            raise InputError(f"{path}: row {i + 2} has {len(row)} values; {wanted}. {LEAVE_OUT}")
        rows.append([number(text, path, f"row {i + 2}") for text in row[: OXIMETER_RATE + 1]])
    columns = list(zip(*rows, strict=False)) or [()] * (ECG_RATE + 1)
    used = OXIMETER_RATE if len(columns) > OXIMETER_RATE and np.max(columns[ECG_RATE]) <= 0 else ECG_RATE
    seconds = (np.array(columns[0]) - first) / 1000
    return make_reference(path, seconds, bpm=columns[used], place=lambda i: f"row {i + 2}")


LAYOUT = Layout("ECG-Fitness: <person>/<session>/c920-<n>.avi, c920.csv and viatom-raw.csv", collect)
