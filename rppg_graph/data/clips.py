"""From face frames to clips of a fixed number of frames on a uniform time grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from rppg_graph.data.augment import Augment
    from rppg_graph.data.cache import CachedRecording
    from rppg_graph.data.face import FaceFrame

MAX_GAP_SECONDS = 0.5  # a longer hole in the face frames ends a segment; a shorter one is interpolated over
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
    """Cut a stream of face frames into overlapping clips, holding no more than one clip and a stride in memory.

    A segment without a hole of more than ``MAX_GAP_SECONDS`` gives a clip every ``stride`` grid points and a last one
    that ends with it; a segment shorter than a clip gives none.
    """
    for segment in _segments(face_frames):
        yield from _cut_segment(segment, fps, clip_frames, stride)


def _segments(face_frames: Iterable[FaceFrame]) -> Iterator[Iterator[FaceFrame]]:
    """Runs of frames with a face and no hole; each run is to be consumed before the next is asked for."""
    stream = iter(face_frames)
    pending: list[FaceFrame] = []  # the frame that ended a run and begins the next

    def run() -> Iterator[FaceFrame]:
        last = pending.pop()
        yield last
        for frame in stream:
            if frame.crop is None:
                continue
            if frame.seconds - last.seconds > MAX_GAP_SECONDS:
                pending.append(frame)
                return
            last = frame
            yield frame

    first = next((frame for frame in stream if frame.crop is not None), None)
    if first is not None:
        pending.append(first)
    while pending:
        yield run()


def _cut_segment(segment: Iterator[FaceFrame], fps: float, clip_frames: int, stride: int) -> Iterator[Clip]:
    seconds: list[float] = []
    crops: list[np.ndarray] = []
    start, last_start = None, None

    def clip(first: int) -> Clip:
        grid = (first + np.arange(clip_frames)) / fps
        return Clip(first, frames_at(np.stack(crops), np.asarray(seconds), grid))

    for frame in segment:
        seconds.append(frame.seconds)
        crops.append(frame.crop)
        if start is None:
            start = int(np.ceil(seconds[0] * fps - ON_GRID))
        if seconds[-1] >= (start + clip_frames - 1 - ON_GRID) / fps and len(seconds) > 1:
            yield clip(start)
            last_start, start = start, start + stride
            # What the next clip does not need is forgotten, but for what a last clip, ending with the segment, may.
            keep = max(0, int(np.searchsorted(seconds, last_start / fps)) - 1)
            del seconds[:keep], crops[:keep]
    if start is not None and last_start is not None:
        end_start = int(np.floor(seconds[-1] * fps + ON_GRID)) - clip_frames + 1
        if end_start > last_start:
            yield clip(end_start)


def clip_tensor(video: np.ndarray | Tensor) -> Tensor:
    """uint8 frames (…, T, S, S, 3) to what a network takes: (…, 3, T, S, S) float32 in [0, 1]."""
    return torch.as_tensor(video).movedim(-1, -4).float().div_(255)


class ClipDataset(Dataset):
    """Clips of cached recordings with their reference pulse, for training.

    A clip is taken every ``stride`` frames wherever all its frames have a face and a reference pulse and no two
    neighbours lie more than ``MAX_GAP_SECONDS`` apart; ``left_out`` counts the others.

    Args:
        recordings: with a reference pulse.
        clip_frames, stride: frames of a clip, frames from one to the next.
        augment: makes clips of ``clip_frames`` from up to ``augment.source_frames`` frames; None: clips as they are.
        seed: of the augmentations; the same clip in another epoch is augmented otherwise.
    """

    def __init__(
        self,
        recordings: Sequence[CachedRecording],
        clip_frames: int,
        stride: int,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.recordings, self.augment, self.seed = list(recordings), augment, seed
        source_frames = clip_frames if augment is None else augment.source_frames
        self.clips: list[tuple[int, int, int]] = []  # (recording, first frame, frame after the last)
        self.left_out = 0
        for number, recording in enumerate(self.recordings):
            ends = _run_ends(recording)
            for start in range(0, len(ends) - clip_frames + 1, stride):
                stop = min(start + source_frames, ends[start])
                if stop - start >= clip_frames:
                    self.clips.append((number, start, stop))
                else:
                    self.left_out += 1

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The clip ``key = (index, epoch)``: video (3, T, S, S) float32 in [0, 1], pulse (T,) float32, z-scored."""
        index, epoch = key
        number, start, stop = self.clips[index]
        recording = self.recordings[number]
        video = torch.as_tensor(np.array(recording.frames[start:stop]))
        pulse = torch.as_tensor(recording.pulse[start:stop], dtype=torch.float32)
        if self.augment is None:
            video = clip_tensor(video)
        else:
            state = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1)
            generator = torch.Generator().manual_seed(int(state[0]))
            video, pulse = self.augment(video.movedim(-1, 0), pulse, generator)
        return video.contiguous(), (pulse - pulse.mean()) / pulse.std().clamp_min(1e-6)


def _run_ends(recording: CachedRecording) -> np.ndarray:
    """For every frame, the frame after the run of usable frames that it stands in (itself where it is not usable)."""
    usable = recording.face & np.isfinite(recording.pulse)
    ends = np.arange(len(usable))
    for i in range(len(usable) - 1, -1, -1):
        if usable[i]:
            joined = i + 1 < len(usable) and recording.seconds[i + 1] - recording.seconds[i] <= MAX_GAP_SECONDS
            ends[i] = ends[i + 1] if joined and usable[i + 1] else i + 1
    return ends
