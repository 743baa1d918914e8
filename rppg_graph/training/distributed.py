"""Several processes that train one network: torch's DistributedDataParallel, as ``torchrun`` starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rppg_graph.errors import InputError

ARRIVAL = timedelta(hours=24)  # of all processes at the first step: one may have the data of its machine to prepare
ANSWER = timedelta(minutes=1)  # of a process in a step; one that is silent for longer is dead


class Ranks(NamedTuple):
    """Which of how many processes this is; ``local`` counts those of its machine, and names its GPU."""

    rank: int = 0
    world: int = 1
    local: int = 0


ALONE = Ranks()


def ranks() -> Ranks:
    """What ``torchrun`` says of this process."""
    if not dist.is_torchelastic_launched():
        return ALONE
    return Ranks(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


@contextmanager
def together(of: Ranks, device: str) -> Iterator[dist.ProcessGroup | None]:
    """The group of the processes that train, None for one alone.

    Raises:
        InputError: another process of the group ended.
    """
    if of.world == 1:
        yield None
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=ARRIVAL)
    try:
        dist.barrier()
        yield dist.new_group(timeout=ANSWER)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(word in str(error) for word in ("gloo", "peer", "NCCL")):
            raise
        raise InputError(
            f"process {of.rank} of {of.world} ends because another one ended, whose message says why "
            f"({str(error).splitlines()[0][:100]}); go on with --resume"
        ) from error
    finally:
        dist.destroy_process_group()


def parallel(model: nn.Module, group: dist.ProcessGroup | None, device: str) -> nn.Module:
    """A network whose gradients are the mean over the group's processes; itself for one process alone."""
    if group is None:
        return model
    gpus = [torch.device(device)] if device.startswith("cuda") else None
    return DistributedDataParallel(model, device_ids=gpus, process_group=group)


def sums(values: Sequence[float], group: dist.ProcessGroup | None, device: str) -> list[float]:
    """Each value's sum over the group's processes, in float64."""
    if group is None:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(total, group=group)
    return total.tolist()
