"""SCAMPS: `P000001.mat` (v7.3), synthetic: `RawFrames` or `Xsub` (its square centre) and `d_ppg`, 30 frames a second.

HDF5 shows MATLAB's axes reversed, so the video is (3, W, H, T) in the file; values are in [0, 1]. One pulse sample a
frame. Each file is another avatar, so each is its own subject.

Source: McDuff et al., "SCAMPS: synthetics for camera measurement of physiological signals", NeurIPS 2022.
"""

from __future__ import annotations

from functools import partial

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.matlab import hdf5_frames, hdf5_reference, hdf5_seconds
from rppg_graph.data.recordings.recording import Layout, Recording

FPS = 30.0
VIDEO = ("RawFrames", "Xsub")


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each P<six digits>.mat."""
    found = []
    for path in (path for folder in folders for path in folder.matching(r"P[0-9]{6}\.mat")):
        reads = (hdf5_frames, VIDEO), (hdf5_reference, ("d_ppg",)), (hdf5_seconds, VIDEO)
        parts = (partial(read, path, names, FPS) for read, names in reads)
        found.append(Recording(path.stem, path.stem, "scamps", (path,), *parts))
    return found


LAYOUT = Layout("SCAMPS: P<six digits>.mat with RawFrames or Xsub, and d_ppg", collect)
