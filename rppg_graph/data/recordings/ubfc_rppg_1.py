"""UBFC-rPPG, DATASET_1: `5-gt/vid.avi` with `5-gt/gtdump.xmp`.

gtdump.xmp is comma-separated without a header, at about 62 Hz: milliseconds, device heart rate in bpm, SpO2, pulse. The
first time is subtracted, so the first sample belongs to the first frame. The videos are named vid.avi or vid-<n>.avi.

Source: as for DATASET_2 (ubfc_rppg.py).
"""

from __future__ import annotations

from pathlib import Path

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_csv
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.errors import InputError

LABELS = "gtdump.xmp"
COLUMNS = ("milliseconds", "heart rate", "SpO2", "pulse")


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder with a gtdump.xmp."""
    found = []
    for folder in (folder for folder in folders if LABELS in folder.files):
        name, labels = folder.path.resolve().name, folder.path / LABELS
        videos = folder.matching(r"vid.*\.(avi|mp4)") or [folder.path / "vid.avi"]
        subject = name.removesuffix("-gt")
        found.append(video_recording("ubfc-rppg-1", name, subject, videos, labels, read_reference))
    return found


def read_reference(path: Path) -> Reference:
    """The rows of a gtdump.xmp.

    Raises:
        InputError: a row that has not four values, or what make_reference refuses.
    """
    rows = read_csv(path)
    values = []
    for i, row in enumerate(rows):
        if len(row) != len(COLUMNS):
            raise InputError(
                f"{path}: row {i + 1} has {len(row)} values; four are wanted ({', '.join(COLUMNS)}). {LEAVE_OUT}"
            )
        cells = zip(row, COLUMNS, strict=True)
        values.append([number(text, path, f"row {i + 1}, column {name}") for text, name in cells])
    seconds = [(row[0] - values[0][0]) / 1000 for row in values]
    pulse, bpm = [row[3] for row in values], [row[1] for row in values]
    return make_reference(path, seconds, pulse, bpm, place=lambda i: f"row {i + 1}", seven_bits=True)


LAYOUT = Layout("UBFC-rPPG DATASET_1: <name>/vid.avi and <name>/gtdump.xmp", collect)
