"""UBFC-Phys: `s1/vid_s1_T1.avi` with `s1/bvp_s1_T1.csv`, one pulse value a line at 64 Hz from the first frame on.

Source: Meziati Sabour et al., "UBFC-Phys: a multimodal database for psychophysiological studies of social stress",
IEEE Transactions on Affective Computing, 2021 (the sensor is an Empatica E4).
"""

from __future__ import annotations

import re
from pathlib import Path

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_csv, uniform_seconds
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.errors import InputError

PULSE_HZ = 64.0
FILE = r"(?:vid_(s[0-9]+_T[0-9]+)\.avi|bvp_(s[0-9]+_T[0-9]+)\.csv)"


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each vid_s<n>_T<n>.avi or bvp_s<n>_T<n>.csv."""
    found = []
    for folder in folders:
        matches = [re.fullmatch(FILE, name) for name in folder.files]
        names = {match.group(1) or match.group(2) for match in matches if match}
        for name in sorted(names):
            video, labels = folder.path / f"vid_{name}.avi", folder.path / f"bvp_{name}.csv"
            found.append(video_recording("ubfc-phys", name, name.split("_")[0], [video], labels, read_reference))
    return found


def read_reference(path: Path) -> Reference:
    """The single column of a bvp_s<n>_T<n>.csv.

    Raises:
        InputError: a line with more than one value, or what make_reference refuses.
    """
    pulse = []
    for i, row in enumerate(read_csv(path)):
        if len(row) != 1:
            raise InputError(f"{path}: row {i + 1} has {len(row)} values; one is wanted. {LEAVE_OUT}")
        pulse.append(number(row[0], path, f"row {i + 1}"))
    return make_reference(path, uniform_seconds(len(pulse), PULSE_HZ), pulse, place=lambda i: f"row {i + 1}")


LAYOUT = Layout("UBFC-Phys: s<n>/vid_s<n>_T<n>.avi and s<n>/bvp_s<n>_T<n>.csv", collect)
