"""Simulated people as clips to train a map network on: drawn when they are asked for, never the same twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rppg_graph.synthetic.traces import simulate_people


class SimulatedMaps(Dataset):
    """Maps of simulated people with their pulse.

    Args:
        people: how many there are in an epoch; those of another epoch are others.
        frames, fps: of a clip.
        seed: same seed, same people.
        no_pulse: share of people without a pulse.
    """

    left_out = 0  # every person is a clip

    def __init__(self, people: int, frames: int, fps: float = 30.0, seed: int = 0, no_pulse: float = 0.0) -> None:
        self.people, self.frames, self.fps, self.seed, self.no_pulse = people, frames, fps, seed, no_pulse

    def __len__(self) -> int:
        return self.people

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The person ``key = (index, epoch)``: map (3, T, P) of 0 to 255, pulse (T,), both float32."""
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> list[tuple[Tensor, Tensor]]:
        """The people of a batch, drawn together: a tenth of the time that they take one by one."""
        rng = np.random.default_rng([self.seed, *(number for key in keys for number in key)])
        drawn = simulate_people(rng, len(keys), self.frames, self.fps, self.no_pulse)
        maps = torch.from_numpy(drawn.patches).permute(0, 3, 1, 2).contiguous()  # (n, 3, T, P)
        return list(zip(maps, torch.from_numpy(drawn.pulse), strict=True))

    def named(self, key: tuple[int, int]) -> str:
        """A person's number and epoch."""
        return f"simulated person {key[0]} of epoch {key[1]}"
