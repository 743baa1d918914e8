"""What a recording is, whatever layout it lies in on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rppg_graph.data.picture import Picture
from rppg_graph.data.recordings.folders import Folder


@dataclass(frozen=True, eq=False)
class Reference:
    """The contact sensor's side of a recording, on the clock of its frames (0 = the first frame).

    Args:
        seconds: (S,) float64, strictly rising; may start before 0 and end after the last frame.
        pulse: (S,) float64 pulse trace (BVP) in the sensor's own unit, or None where the dataset has none.
        bpm: (S,) float64 heart rate in beats per minute as the device (or a label) states it, or None; NaN where the
            device had no reading.
        notes: what was repaired while reading, one sentence each.
    """

    seconds: np.ndarray
    pulse: np.ndarray | None = None
    bpm: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One video of one subject, with its reference if it has one; nothing is read before it is asked for.

    A recording can be pickled, so that worker processes can read it.

    Args:
        name: unique within its root, e.g. "subject4", "07-02", "s1_T2".
        subject: who is in the video, as the dataset numbers them ("4", "07", "s1"); splits go by it.
        layout: the key of RECORDINGS that found it.
        files: every file that the frames and the reference come from, sorted (for the source hash).
        frames: yields (seconds from the first frame, RGB uint8 (H, W, 3) or a `picture.Picture` of it), streamed.
        reference: reads the reference; None where the recording has none.
        frame_seconds: (T,) float64 times of the frames without decoding them, or None if only `frames` can tell.

    `frames` and `reference` raise InputError when their files are missing or wrong: a recording with a part missing
    is found and named, never passed over.
    """

    name: str
    subject: str
    layout: str
    files: tuple[Path, ...]
    frames: Callable[[], Iterator[tuple[float, Picture | np.ndarray]]]
    reference: Callable[[], Reference | None]
    frame_seconds: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class Layout:
    """One way in which recordings lie on disk.

    Args:
        form: what it looks like, in one line; shown when no layout is recognised.
        collect: the recordings among the folders of a root ([] when the root is not in this layout).
    """

    form: str
    collect: Callable[[list[Folder]], list[Recording]]
