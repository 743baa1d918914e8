"""SCAMPS: `P000001.mat` (v7.3), synthetic: `RawFrames` or `Xsub` (its square centre) and `d_ppg`, 30 frames a second.

HDF5 shows MATLAB's axes reversed, so the video is (3, W, H, T) in the file; values are in [0, 1]. One pulse sample a
frame. Each file is another avatar, so each is its own subject.

Source: McDuff et al., "SCAMPS: synthetics for camera measurement of physiological signals", NeurIPS 2022.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import make_reference, uniform_seconds
from rppg_graph.data.recordings.matlab import array_named, check_video_shape, open_hdf5, stream_transposed
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import Frames

FPS = 30.0
VIDEO = ("RawFrames", "Xsub")


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each P<six digits>.mat."""
    found = []
    for path in (path for folder in folders for path in folder.matching(r"P[0-9]{6}\.mat")):
        parts = (partial(read, path) for read in (_frames, read_reference, _seconds))
        found.append(Recording(path.stem, path.stem, "scamps", (path,), *parts))
    return found


def _frames(path: Path) -> Frames:
    with open_hdf5(path) as file:
        yield from stream_transposed(array_named(file, VIDEO, path), FPS, path)


def _seconds(path: Path) -> np.ndarray:
    with open_hdf5(path) as file:
        shape = array_named(file, VIDEO, path).shape
    check_video_shape(shape[::-1], path)
    return uniform_seconds(shape[3], FPS)


def read_reference(path: Path) -> Reference:
    """The array `d_ppg`.

    Raises:
        InputError: no HDF5 file, no such array, or what make_reference refuses.
    """
    with open_hdf5(path) as file:
        pulse = array_named(file, ("d_ppg",), path)[()].reshape(-1)
    return make_reference(path, uniform_seconds(len(pulse), FPS), pulse)


LAYOUT = Layout("SCAMPS: P<six digits>.mat with RawFrames or Xsub, and d_ppg", collect)
