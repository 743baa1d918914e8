"""COHFACE: `1/0/data.avi` with `1/0/data.hdf5`, whose array `pulse` is at 256 Hz from the first frame.

Source: Heusch, Anjos, Marcel, "A reproducible study on remote heart rate measurement", arXiv 1709.00962, 2017.
"""

from __future__ import annotations

import re
from functools import partial

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.matlab import hdf5_reference
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording

PULSE_HZ = 256.0
VIDEO, LABELS = "data.avi", "data.hdf5"
read_reference = partial(hdf5_reference, names=("pulse",), hz=PULSE_HZ)


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder <subject>/<session> with a data.avi or a data.hdf5."""
    found = []
    for path in (folder.path for folder in folders if {VIDEO, LABELS} & set(folder.files)):
        subject, session = names = path.resolve().parts[-2:]
        if all(re.fullmatch(r"[0-9]+", name) for name in names):
            name = f"{subject}_{session}"
            found.append(video_recording("cohface", name, subject, [path / VIDEO], path / LABELS, read_reference))
    return found


LAYOUT = Layout("COHFACE: <subject>/<session>/data.avi and data.hdf5", collect)
