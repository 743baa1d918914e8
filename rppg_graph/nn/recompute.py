"""Activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, x: Tensor, *arguments: object) -> Tensor:
    """``module(x, *arguments)`` for a fraction of the memory and one more forward pass (Chen et al., arXiv 1604.06174).

    Values, gradients and batch-norm statistics are those of the plain call: the second pass draws the same dropout and
    leaves the running statistics alone.
    """
    if not torch.is_grad_enabled():
        return module(x, *arguments)
    passes = (nullcontext(), _statistics_kept(module))
    return checkpoint(module, x, *arguments, use_reentrant=False, context_fn=lambda: passes)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """With a momentum of 0 the running statistics are written as they were; the count of batches is put back."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)
