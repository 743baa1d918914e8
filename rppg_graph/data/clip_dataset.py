"""Clips of cached recordings as tensors, with their pulse: what a network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rppg_graph.data.clips import ON_GRID, frames_at
from rppg_graph.pulse.filters import runs_in_time

if TYPE_CHECKING:
    from rppg_graph.data.augment import Augment
    from rppg_graph.data.cache import CachedRecording


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
        self, recordings: Sequence[CachedRecording], clip_frames: int, stride: int, augment: Augment | None = None,
        seed: int = 0, fps: float | None = None,
    ) -> None:  # fmt: skip
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
