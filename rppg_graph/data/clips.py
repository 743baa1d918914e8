"""From face frames to clips of a fixed number of frames on a uniform time grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rppg_graph.pulse.filters import MAX_GAP_SECONDS

if TYPE_CHECKING:
    from rppg_graph.data.face import FaceFrame

ON_GRID = 0.1  # of a frame period: closer to a frame than this, the frame is taken as it is


class Clip(NamedTuple):
    """T frames on the grid ``seconds = index / fps``: ``start`` is the first index, ``video`` (T, S, S, 3) uint8."""

    start: int
    video: np.ndarray


def frames_at(frames: np.ndarray, seconds: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Frames at the times of a grid, interpolated linearly between the two neighbours in time.

    Args:
        frames: (F, S, S, 3) uint8 at rising ``seconds`` (F,), F ≥ 2.
        grid: (T,) seconds, inside the range of ``seconds``.

    Returns:
        (T, S, S, 3) uint8. A grid point within a tenth of a frame period of a frame is that frame, unblended.
    """
    right = np.clip(np.searchsorted(seconds, grid), 1, len(seconds) - 1)
    weight = (grid - seconds[right - 1]) / (seconds[right] - seconds[right - 1])
    out = frames[np.where(weight < 0.5, right - 1, right)]
    blend = np.flatnonzero(np.minimum(weight, 1 - weight) > ON_GRID)
    w = weight[blend, None, None, None].astype(np.float32)
    out[blend] = np.rint((1 - w) * frames[right[blend] - 1] + w * frames[right[blend]]).astype(np.uint8)
    return out


def cut_clips(face_frames: Iterable[FaceFrame], fps: float, clip_frames: int, stride: int) -> Iterator[Clip]:
    """Cut a stream of face frames into overlapping clips, see ``ClipCutter``."""
    cutter = ClipCutter(fps, clip_frames, stride)
    for frame in face_frames:
        yield from cutter.push(frame)
    yield from cutter.finish()


class ClipCutter:
    """Cuts face frames into overlapping clips as they come, holding no more than one clip and a stride in memory.

    A segment without a hole of more than ``MAX_GAP_SECONDS`` gives a clip every ``stride`` grid points and a last one
    that ends with it; a segment shorter than a clip gives none.
    """

    def __init__(self, fps: float, clip_frames: int, stride: int) -> None:
        self.fps, self.clip_frames, self.stride = fps, clip_frames, stride
        self._begin()

    def _begin(self) -> None:
        self._seconds: list[float] = []
        self._crops: list[np.ndarray] = []
        self._start: int | None = None  # of the next clip
        self._last_start: int | None = None

    def push(self, frame: FaceFrame) -> list[Clip]:
        """The clips that this frame completes; frames without a usable face are passed over."""
        if frame.crop is None:
            return []
        clips = []
        if self._seconds and frame.seconds - self._seconds[-1] > MAX_GAP_SECONDS:
            clips = self.finish()
        self._seconds.append(frame.seconds)
        self._crops.append(frame.crop)
        if self._start is None:
            self._start = int(np.ceil(frame.seconds * self.fps - ON_GRID))
        end = (self._start + self.clip_frames - 1 - ON_GRID) / self.fps
        if frame.seconds >= end and len(self._seconds) > 1:
            clips.append(self._clip(self._start))
            self._last_start, self._start = self._start, self._start + self.stride
            # What the next clip does not need is forgotten, but for what a last clip, ending with the segment, may.
            keep = max(0, int(np.searchsorted(self._seconds, self._last_start / self.fps)) - 1)
            del self._seconds[:keep], self._crops[:keep]
        return clips

    def finish(self) -> list[Clip]:
        """The last clip of the segment, which ends here; the next frame begins another."""
        clips = []
        if self._last_start is not None:
            end_start = int(np.floor(self._seconds[-1] * self.fps + ON_GRID)) - self.clip_frames + 1
            if end_start > self._last_start:
                clips = [self._clip(end_start)]
        self._begin()
        return clips

    def _clip(self, start: int) -> Clip:
        grid = (start + np.arange(self.clip_frames)) / self.fps
        return Clip(start, frames_at(np.stack(self._crops), np.asarray(self._seconds), grid))
