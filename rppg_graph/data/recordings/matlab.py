"""Arrays in HDF5 files, MATLAB's v7.3 files among them, with their errors named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, uniform_seconds
from rppg_graph.data.recordings.recording import Reference
from rppg_graph.data.recordings.sources import Frames, frames_to_uint8
from rppg_graph.errors import InputError
from rppg_graph.files import refuse_lfs_pointer

FRAMES_AT_ONCE = 16


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file open for reading; anything that goes wrong in the block names the file.

    Raises:
        InputError: missing, not HDF5, cut off.
    """
    refuse_lfs_pointer(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: cannot be read as HDF5 ({error}). {LEAVE_OUT}") from error


def array_named(file: h5py.File, names: tuple[str, ...], path: Path) -> h5py.Dataset:
    """The first of the names that is a dataset of numbers in the file.

    Raises:
        InputError: none is.
    """
    for name in names:
        if isinstance(file.get(name), h5py.Dataset) and file[name].dtype.kind in "fiu":
            return file[name]
    held = ", ".join(sorted(file)) or "nothing"
    raise InputError(f"{path}: no array {' or '.join(names)} (it holds: {held}). {LEAVE_OUT}")


def check_video_shape(shape: tuple[int, ...], path: Path) -> None:
    """Raises InputError unless the shape is (T, H, W, 3) with nothing of size 0."""
    if len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise InputError(f"{path}: the video has the shape {shape}, wanted frames × height × width × 3. {LEAVE_OUT}")


def hdf5_frames(path: Path, names: tuple[str, ...], fps: float) -> Frames:
    """The frames of a v7.3 array, whose axes HDF5 sees reversed: (3, W, H, T); a few in memory at a time."""
    with open_hdf5(path) as file:
        video, brightest = array_named(file, names, path), None
        check_video_shape(video.shape[::-1], path)
        for first in range(0, video.shape[3], FRAMES_AT_ONCE):
            block = video[..., first : first + FRAMES_AT_ONCE].transpose(3, 2, 1, 0)  # (t, H, W, 3)
            brightest = float(np.nanmax(block)) if brightest is None else brightest
            for i, frame in enumerate(frames_to_uint8(block, brightest, path, first)):
                yield (first + i) / fps, frame


def hdf5_seconds(path: Path, names: tuple[str, ...], fps: float) -> np.ndarray:
    """(T,) times of the frames of `hdf5_frames`."""
    with open_hdf5(path) as file:
        shape = array_named(file, names, path).shape[::-1]
    check_video_shape(shape, path)
    return uniform_seconds(shape[0], fps)


def hdf5_reference(path: Path, names: tuple[str, ...], hz: float) -> Reference:
    """A pulse at a constant rate from the first frame on.

    Raises:
        InputError: no HDF5 file, no such array, or what make_reference refuses.
    """
    with open_hdf5(path) as file:
        pulse = array_named(file, names, path)[()].reshape(-1)
    return make_reference(path, uniform_seconds(len(pulse), hz), pulse)
