"""Batch norms merged into the linear operators before them, for inference."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NAMED = (("conv", "conv_norm"), ("time", "norm"))  # operator, and the norm that follows it
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def folded(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode that gives the same values without the batch norms that follow a linear operator.

    ``BN(W x + b) = (γ/σ) W x + (γ/σ)(b − μ) + β`` with the running mean μ and deviation σ. Equal up to rounding; the
    copy is not to be trained. Norms behind anything else, as that of STGNet's frame difference, stay.

    Args:
        model: pairs are found in every ``nn.Sequential``, and where a module has those that ``_NAMED`` names.
    """
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            for first, second in pairwise(range(len(module))):
                fused = _fused(module[first], module[second])
                if fused is not None:
                    module[first], module[second] = fused, nn.Identity()
        for operator, norm in _NAMED:
            if hasattr(module, operator) and hasattr(module, norm):
                fused = _fused(getattr(module, operator), getattr(module, norm))
                if fused is not None:
                    setattr(module, operator, fused)
                    setattr(module, norm, nn.Identity())
    return model


def _fused(operator: nn.Module, norm: nn.Module) -> nn.Module | None:
    """One module that does the work of two; None where they are no linear operator and batch norm."""
    if not isinstance(norm, _NORMS):
        return None
    if isinstance(operator, _CONVOLUTIONS + _TRANSPOSED):
        return fuse_conv_bn_eval(operator, norm, transpose=isinstance(operator, _TRANSPOSED))
    if isinstance(operator, nn.Linear):
        return fuse_linear_bn_eval(operator, norm)
    return operator.with_norm(norm) if hasattr(operator, "with_norm") else None  # PyG is not loaded to ask
