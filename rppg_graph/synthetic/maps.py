"""People as clips to train a map network on: simulated ones, never the same twice, and clips of rendered ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rppg_graph.data.cached_recording import CachedRecording
from rppg_graph.data.clip_dataset import Key, with_epoch
from rppg_graph.data.traces import GRID, patch_colours
from rppg_graph.synthetic.traces import simulate_people

SPEED = (0.75, 1.33)  # at which a rendered person is played: another heart, another head


class RenderedMap(NamedTuple):
    """Colours of a rendered person: seconds (T,), patches (T, GRID², 3) float32 of 0 to 255, pulse (T,)."""

    seconds: np.ndarray
    patches: np.ndarray
    pulse: np.ndarray

    @staticmethod
    def of(recording: CachedRecording) -> RenderedMap:
        patches = np.stack([patch_colours(crop) for crop in recording.frames])
        return RenderedMap(recording.seconds, patches, recording.pulse.astype(np.float32))

    def clip(self, rng: np.random.Generator, frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
        """A stretch (3, frames, GRID²) of it with its pulse (frames,), at a random speed, mirrored or not."""
        longest = self.seconds[-1] - self.seconds[0]
        speed = min(np.exp(rng.uniform(*np.log(SPEED))), longest * fps / (frames - 1))
        span = (frames - 1) / fps * speed
        times = self.seconds[0] + rng.uniform(0, longest - span) + np.linspace(0, span, frames)
        after = np.searchsorted(self.seconds, times).clip(1, len(self.seconds) - 1)
        share = (times - self.seconds[after - 1]) / (self.seconds[after] - self.seconds[after - 1])
        share = share.astype(np.float32)[:, None, None]
        patches = self.patches[after - 1] * (1 - share) + self.patches[after] * share
        if rng.random() < 0.5:
            patches = patches.reshape(frames, GRID, GRID, 3)[:, :, ::-1].reshape(patches.shape)
        return patches.transpose(2, 0, 1).copy(), np.interp(times, self.seconds, self.pulse).astype(np.float32)


class SimulatedMaps(Dataset):
    """Maps of simulated people with their pulse, and of rendered ones among them.

    Args:
        people: how many there are in an epoch; those of another epoch are others.
        frames, fps: of a clip.
        seed: same seed, same people.
        no_pulse: share of simulated people without a pulse.
        rendered: people of whom some clips are.
        rendered_share: of all clips that those are.
    """

    left_out = 0  # every person is a clip

    def __init__(
        self, people: int, frames: int, fps: float = 30.0, seed: int = 0, no_pulse: float = 0.0,
        rendered: Sequence[RenderedMap] = (), rendered_share: float = 0.0,
    ) -> None:  # fmt: skip
        self.people, self.frames, self.fps, self.seed, self.no_pulse = people, frames, fps, seed, no_pulse
        self.rendered, self.rendered_share = rendered, rendered_share

    def __len__(self) -> int:
        return self.people

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """The person ``key = (index, epoch)``: map (3, T, P) of 0 to 255, pulse (T,), both float32."""
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[tuple[Tensor, Tensor]]:
        """The people of a batch, drawn together: a tenth of the time that they take one by one."""
        keys = [with_epoch(key) for key in keys]
        rng = np.random.default_rng([self.seed, *(number for key in keys for number in key)])
        share = self.rendered_share  # of all people that are rendered, taken in any order or one by one
        rendered = sum(int((index + 1) * share) > int(index * share) for index, _ in keys)
        clips = [
            self.rendered[rng.integers(len(self.rendered))].clip(rng, self.frames, self.fps) for _ in range(rendered)
        ]
        if rendered < len(keys):
            drawn = simulate_people(rng, len(keys) - rendered, self.frames, self.fps, self.no_pulse)
            clips += zip(drawn.patches.transpose(0, 3, 1, 2), drawn.pulse, strict=True)
        return [(torch.tensor(patches), torch.tensor(pulse)) for patches, pulse in clips]

    def named(self, key: tuple[int, int]) -> str:
        """A person's number and epoch."""
        return f"simulated person {key[0]} of epoch {key[1]}"
