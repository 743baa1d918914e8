"""COHFACE: `1/0/data.avi` with `1/0/data.hdf5`, whose array `pulse` is at 256 Hz from the first frame.

Source: Heusch, Anjos, Marcel, "A reproducible study on remote heart rate measurement", arXiv 1709.00962, 2017.
"""

from __future__ import annotations

import re
from pathlib import Path

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import make_reference, uniform_seconds
from rppg_graph.data.recordings.matlab import array_named, open_hdf5
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference

PULSE_HZ = 256.0
VIDEO, LABELS = "data.avi", "data.hdf5"


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder <subject>/<session> with a data.avi or a data.hdf5."""
    found = []
    for path in (folder.path for folder in folders if {VIDEO, LABELS} & set(folder.files)):
        subject, session = names = path.resolve().parts[-2:]
        if all(re.fullmatch(r"[0-9]+", name) for name in names):
            name = f"{subject}_{session}"
            found.append(video_recording("cohface", name, subject, [path / VIDEO], path / LABELS, read_reference))
    return found


def read_reference(path: Path) -> Reference:
    """The array `pulse` of a data.hdf5.

    Raises:
        InputError: no HDF5 file, no such array, or what make_reference refuses.
    """
    with open_hdf5(path) as file:
        pulse = array_named(file, ("pulse",), path)[()].reshape(-1)
    return make_reference(path, uniform_seconds(len(pulse), PULSE_HZ), pulse)


LAYOUT = Layout("COHFACE: <subject>/<session>/data.avi and data.hdf5", collect)
