"""From face frames to clips of a fixed number of frames on a uniform time grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rppg_graph.pulse.filters import MAX_GAP_SECONDS, runs_in_time

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


def clip_tensor(video: np.ndarray | Tensor) -> Tensor:
    """uint8 frames (…, T, S, S, 3) to what a network takes: (…, 3, T, S, S) float32 in [0, 1]."""
    return torch.as_tensor(video).movedim(-1, -4).float().div_(255)


Key = int | tuple[int, int]  # a clip, or a clip and the epoch whose augmentation it gets


def with_epoch(key: Key) -> tuple[int, int]:
    """The clip and its epoch; for a key without one, as an ordinary ``DataLoader`` has it, torch's generator draws."""
    return key if isinstance(key, tuple) else (int(key), int(torch.randint(2**31, ())))


class ClipDataset(Dataset):
    """Clips of cached recordings with their reference pulse, for training, all on a grid of one frame rate.

    A clip is taken every ``stride`` points of the grid wherever a stretch of frames with a face and a reference pulse,
    without a hole of more than ``MAX_GAP_SECONDS``, holds all of it; ``left_out`` counts the others. Between frames
    both video and pulse are interpolated, as :class:`ClipCutter` does it.

    Args:
        recordings: with a reference pulse.
        clip_frames, stride: frames of a clip, frames from one to the next.
        augment: makes clips of ``clip_frames`` from up to ``augment.source_frames`` frames; None: clips as they are.
        seed: of the augmentations; the same clip in another epoch is augmented otherwise.
        fps: of the grid; the median of the recordings' rates if None.
    """

    def __init__(
        self,
        recordings: Sequence[CachedRecording],
        clip_frames: int,
        stride: int,
        augment: Augment | None = None,
        seed: int = 0,
        fps: float | None = None,
    ) -> None:
        self.recordings, self.augment, self.seed = list(recordings), augment, seed
        rates = [recording.fps for recording in self.recordings]
        self.fps = float(np.median(rates)) if fps is None and rates else fps
        source_frames = clip_frames if augment is None else augment.source_frames
        self.clips: list[tuple[int, int, int]] = []  # (recording, first point of the grid, point after the last)
        self.usable: list[np.ndarray] = []  # of each recording, the frames with a face and a reference pulse
        self.left_out = 0
        for number, recording in enumerate(self.recordings):
            self.usable.append(np.flatnonzero(recording.face & np.isfinite(recording.pulse)))
            usable = recording.seconds[self.usable[-1]]
            parts = [usable[run] for run in runs_in_time(usable) if run.stop - run.start > 1]
            ends = [(np.ceil(part[0] * self.fps - ON_GRID), np.floor(part[-1] * self.fps + ON_GRID)) for part in parts]
            segments = [(int(first), int(last) + 1) for first, last in ends]  # in points of the grid
            points = int(recording.seconds[-1] * self.fps + ON_GRID) + 1
            for start in range(0, points - clip_frames + 1, stride):
                end = next((end for first, end in segments if first <= start < end), start)
                stop = min(start + source_frames, end)
                if stop - start >= clip_frames:
                    self.clips.append((number, start, stop))
                else:
                    self.left_out += 1

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """The clip ``key = (index, epoch)``: video (3, T, S, S) float32 in [0, 1], pulse (T,) float32, z-scored."""
        index, epoch = with_epoch(key)
        number, start, stop = self.clips[index]
        recording, grid = self.recordings[number], np.arange(start, stop) / self.fps
        usable = self.usable[number]
        seconds = recording.seconds[usable]
        first, last = np.searchsorted(seconds, grid[0], "right") - 1, np.searchsorted(seconds, grid[-1])
        needed = usable[max(first, 0) : last + 1]  # from the frame before the grid to the one after it
        video = torch.as_tensor(frames_at(recording.frames[needed], recording.seconds[needed], grid))
        known = np.isfinite(recording.pulse)
        pulse = np.interp(grid, recording.seconds[known], recording.pulse[known])
        pulse = torch.as_tensor(pulse, dtype=torch.float32)
        if self.augment is None:
            video = clip_tensor(video)
        else:
            state = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1)
            generator = torch.Generator().manual_seed(int(state[0]))
            video, pulse = self.augment(video.movedim(-1, 0), pulse, generator)
        return video.contiguous(), (pulse - pulse.mean()) / pulse.std().clamp_min(1e-6)

    def named(self, key: tuple[int, int]) -> str:
        """The recording of a clip and its seconds there."""
        number, start, stop = self.clips[key[0]]
        return f"{self.recordings[number].name} ({start / self.fps:.1f} to {stop / self.fps:.1f} s)"
