"""Which clips a step sees: the same in a resumed run, and with any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch.utils.data import Sampler

from rppg_graph.training.distributed import ALONE, Ranks


class StepSampler(Sampler):
    """The keys (clip, epoch) of each part of a batch, for steps ``first_step … steps``.

    Every epoch has its own permutation of the clips, drawn from the seed, and clip number ``step · batch + i`` of that
    order is the i-th of its step: a resumed run sees the clips that an undisturbed run would have seen, with any number
    of processes, each of which takes its share of every batch.

    Args:
        clips: how many there are.
        batch: clips of a step, of all processes together.
        parts: that a process's share of a batch is computed in, one after the other.
        ranks: which share.
    """

    def __init__(
        self, clips: int, batch: int, first_step: int, steps: int, seed: int, parts: int = 1, of: Ranks = ALONE
    ) -> None:
        self.clips, self.batch, self.first_step, self.steps, self.seed = clips, batch, first_step, steps, seed
        self.parts, self.ranks = parts, of

    def __len__(self) -> int:
        return self.parts * (self.steps - self.first_step)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        share = self.batch // self.ranks.world
        for step in range(self.first_step, self.steps):
            keys = self.keys(step)[self.ranks.rank * share :][:share]
            for first in range(0, share, share // self.parts):
                yield keys[first : first + share // self.parts]

    def keys(self, step: int) -> list[tuple[int, int]]:
        """The keys of a step's whole batch."""
        places = (divmod(number, self.clips) for number in range(step * self.batch, (step + 1) * self.batch))
        return [(_order(self.clips, self.seed, epoch)[place], epoch) for epoch, place in places]


@lru_cache(maxsize=2)
def _order(clips: int, seed: int, epoch: int) -> list[int]:
    return torch.randperm(clips, generator=torch.Generator().manual_seed(1_000_003 * seed + epoch)).tolist()
