"""What most layouts have in common: a recording is one video with one file of labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.recording import Recording, Reference
from rppg_graph.data.recordings.sources import on_clock, read_on_clock, the_video


def video_recording(
    layout: str, name: str, subject: str, videos: Sequence[Path], labels: Path,
    read_reference: Callable[..., Reference], times: Path | None = None,
    clock: Callable[[Path], np.ndarray | None] | None = None, by_frame: bool = False,
) -> Recording:  # fmt: skip
    """A recording that is one video with one file of labels.

    Args:
        layout, name, subject: as `Recording` has them.
        videos: where the video may lie, in one folder; one of them must be there.
        labels, read_reference: the file, and what reads it.
        times, clock: the file that has the frames' times, and what reads them; None for the video's own.
        by_frame: `read_reference` takes the frames' times (T,) too.
    """
    video = partial(the_video, videos[0].parent, tuple(path.name for path in videos))
    clocked = video, clock and partial(clock, times)
    frames, frame_seconds = partial(read_on_clock, *clocked), partial(on_clock, *clocked)
    files = tuple(sorted(path for path in {*videos, labels, times} - {None} if path.is_file()))
    reference = partial(read_reference, labels)
    if by_frame:
        reference = partial(_by_frame, read_reference, labels, frame_seconds)
    return Recording(name, subject, layout, files, frames, reference, frame_seconds)


def _by_frame(
    read_reference: Callable[..., Reference], labels: Path, frame_seconds: Callable[[], np.ndarray]
) -> Reference:
    return read_reference(labels, frame_seconds())
