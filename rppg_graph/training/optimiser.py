"""What moves the weights: the optimiser, its schedules, the precision of a step, and compilation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, float, int], LRScheduler]] = {
    "constant": lambda optimiser, rate, steps: ConstantLR(optimiser, 1.0),
    "one_cycle": lambda optimiser, rate, steps: OneCycleLR(optimiser, rate, total_steps=steps),
}

PRECISIONS: dict[str, Callable[[str], AbstractContextManager]] = {
    "float32": lambda device_type: nullcontext(),
    "bfloat16": lambda device_type: torch.autocast(device_type, torch.bfloat16),
}


def adamw(model: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """The optimiser of every network; fused, since a step of two million parameters one by one costs time on a CPU."""
    return torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)


def compiled(model: nn.Module, backend: str = "inductor") -> nn.Module:
    """The network as one piece of machine code for each shape that comes; on CUDA its launches become one as well."""
    launched_as_one = backend == "inductor" and next(model.parameters()).is_cuda
    return torch.compile(model, fullgraph=True, backend=backend, mode="reduce-overhead" if launched_as_one else None)


def to_train(model: nn.Module, freeze_batch_norm: bool) -> None:
    """Put a network in training mode, but for batch norms where these keep their statistics."""
    model.train()
    for module in model.modules() if freeze_batch_norm else ():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def state_of(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Its moments, of each parameter in turn, and its groups, as a checkpoint keeps them."""
    state = optimiser.state_dict()
    count = sum(len(group["params"]) for group in state["param_groups"])
    return {"moments": [state["state"].get(number, {}) for number in range(count)], "groups": state["param_groups"]}


def restore(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimiser its :func:`state_of`; older checkpoints have torch's own form, under ``optimiser``."""
    if "optimiser" in state:
        optimiser.load_state_dict(state["optimiser"])
    else:
        moments = {number: moment for number, moment in enumerate(state["moments"]) if moment}
        optimiser.load_state_dict({"state": moments, "param_groups": state["groups"]})


def move_to(schedule: LRScheduler, step: int) -> tuple[float, float]:
    """Have a schedule go on at a step, from 1 on; the learning rate that its optimiser had, and the one it has now.

    A schedule is a function of the step: of a run that is made longer, it is that of the longer run.
    """
    before = schedule.optimizer.param_groups[0]["lr"]
    schedule.load_state_dict({"last_epoch": step - 1, "_step_count": step + 1})
    schedule.step()
    return before, schedule.get_last_lr()[0]
