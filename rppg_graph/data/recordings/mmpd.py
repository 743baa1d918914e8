"""MMPD: `subject1/p1_0.mat` with `video` (T, H, W, 3), double in [0, 1] or uint8, and `GT_ppg`, 30 frames a second.

`GT_ppg` covers the video from end to end, in most files with one sample a frame. The files are MATLAB's v5, which no
library reads in parts: the whole array is in memory while frames are read. Files saved as v7.3 are streamed.

Source: Tang et al., "MMPD: multi-domain mobile video physiology dataset", EMBC 2023.
"""

from __future__ import annotations

import re
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, uniform_seconds
from rppg_graph.data.recordings.matlab import array_named, check_video_shape, hdf5_frames, hdf5_seconds, open_hdf5
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import MOST_FRAMES_APART, Frames, frames_to_uint8
from rppg_graph.errors import InputError
from rppg_graph.files import refuse_lfs_pointer

FPS = 30.0
# What scipy.io lets out for files that are cut off or no MAT files at all.
MAT_ERRORS = (MatReadError, OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error, MemoryError)


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each p<subject>_<n>.mat."""
    found = []
    for path in (path for folder in folders for path in folder.matching(r"p[0-9]+_[0-9]+\.mat")):
        parts = (partial(read, path) for read in (_frames, read_reference, _seconds))
        found.append(Recording(path.stem, re.match(r"p([0-9]+)", path.stem).group(1), "mmpd", (path,), *parts))
    return found


def _frames(path: Path) -> Frames:
    if h5py.is_hdf5(path):
        yield from hdf5_frames(path, ("video",), FPS)
        return
    video = _load(path, "video")
    check_video_shape(video.shape, path)
    brightest = float(np.nanmax(video[0]))
    for i in range(len(video)):
        yield i / FPS, frames_to_uint8(video[i : i + 1], brightest, path, i)[0]


def _load(path: Path, name: str) -> np.ndarray:
    refuse_lfs_pointer(path)
    try:
        array = scipy.io.loadmat(path, variable_names=[name])[name]
    except KeyError:
        raise InputError(f"{path}: no array {name} in it. {LEAVE_OUT}") from None
    except MAT_ERRORS as error:
        raise InputError(f"{path}: cannot be read as a MATLAB file ({error}). {LEAVE_OUT}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: {name} holds {array.dtype}, not numbers. {LEAVE_OUT}")
    return array


def _seconds(path: Path) -> np.ndarray:
    if h5py.is_hdf5(path):
        return hdf5_seconds(path, ("video",), FPS)
    refuse_lfs_pointer(path)
    try:
        shape = {name: shape for name, shape, _ in scipy.io.whosmat(path)}.get("video", ())
    except MAT_ERRORS as error:
        raise InputError(f"{path}: cannot be read as a MATLAB file ({error}). {LEAVE_OUT}") from error
    check_video_shape(shape, path)
    return uniform_seconds(shape[0], FPS)


def read_reference(path: Path) -> Reference:
    """The array `GT_ppg`: sample i at frame i, or spread over the video where it has not one a frame.

    Raises:
        InputError: no MATLAB file, no such array, or what make_reference refuses.
    """
    if h5py.is_hdf5(path):
        with open_hdf5(path) as file:
            pulse = array_named(file, ("GT_ppg",), path)[()].reshape(-1)
    else:
        pulse = _load(path, "GT_ppg").reshape(-1)
    frames = len(_seconds(path))
    one_a_frame = abs(len(pulse) - frames) <= MOST_FRAMES_APART
    return make_reference(path, uniform_seconds(len(pulse), FPS if one_a_frame else FPS * len(pulse) / frames), pulse)


LAYOUT = Layout("MMPD: subject<n>/p<n>_<m>.mat with video and GT_ppg", collect)
