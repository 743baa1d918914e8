"""VIPL-HR: `p1/v1/source1/video.avi` with `wave.csv`, `gt_HR.csv` and, but for the phone (source2), `time.txt`.

wave.csv is the oximeter's pulse under a header, about 60 a second, from the first frame to the last; time.txt
the milliseconds of each frame, for the file's own 25 fps are not true. gt_HR.csv, a heart rate once a second, is not
read, since the pulse has it. source4 is near infrared, without a colour, and is passed over.

Source: Niu et al., "RhythmNet: end-to-end heart rate estimation from face via spatial-temporal representation", IEEE
Transactions on Image Processing 29, 2020.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import make_reference, number, read_csv
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import frame_clock

VIDEO, WAVE, RATES, TIMES = "video.avi", "wave.csv", "gt_HR.csv", "time.txt"
INFRARED = "source4"


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder with a wave.csv or gt_HR.csv, but for those of the infrared camera."""
    found = []
    for path in (folder.path for folder in folders if {WAVE, RATES} & set(folder.files)):
        if path.name != INFRARED:
            person, scene, source = path.resolve().parts[-3:]
            name, files = f"{person}_{scene}_{source}", ([path / VIDEO], path / WAVE, read_reference, path / TIMES)
            found.append(video_recording("vipl-hr", name, person, *files, clock=read_times, by_frame=True))
    return found


def read_times(path: Path) -> np.ndarray | None:
    """(T,) times of the frames, from the milliseconds of a time.txt; None where there is none."""
    if not path.is_file():
        return None
    times = [number(row[0], path, f"row {i + 1}") / 1000 for i, row in enumerate(read_csv(path))]
    return frame_clock(path, times)


def read_reference(path: Path, frame_seconds: np.ndarray) -> Reference:
    """The column of a wave.csv, spread evenly over the times (T,) of the frames.

    Raises:
        InputError: a value that is no number, or what make_reference refuses.
    """
    rows = read_csv(path)[1:]
    pulse = [number(row[0], path, f"row {i + 2}") for i, row in enumerate(rows)]
    return make_reference(path, np.linspace(0, frame_seconds[-1], len(pulse)), pulse, place=lambda i: f"row {i + 2}")


LAYOUT = Layout("VIPL-HR: p<n>/v<n>/source<n>/video.avi, wave.csv and, with a camera's own times, time.txt", collect)
