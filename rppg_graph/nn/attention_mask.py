"""The attention mask of STGNet and the masked convolution built on it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rppg_graph.nn.convolution import Conv3d
from rppg_graph.nn.tanh import tanh

MASK_AXES: dict[str, tuple[int, int]] = {
    "time-height": (2, 3),  # what the released code does: a 4-D layer applied to a 5-D tensor
    "height-width": (3, 4),  # the spatial mask that the paper draws
}
LARGEST_AT_LEAST = -30.0  # of a plane's logits; below, sigmoid(z) = exp(z) to 1e-13, and a shift changes no mask


def over_planes(reduction: Callable[..., Tensor], x: Tensor, axes: tuple[int, int], **options: object) -> Tensor:
    """``reduction(x, dim=axes, keepdim=True)``, on the CPU one axis after the other, with channels last as they lie.

    A reduction over both axes at once takes one value at a time there, where one axis is taken in whole vectors.

    Args:
        reduction: ``torch.amax`` or ``torch.sum``, with ``options``.
        x: (B, C, …).
    """
    if not x.is_cpu:
        return reduction(x, dim=axes, keepdim=True, **options)
    x = x.movedim(1, -1)
    for axis in axes:
        x = reduction(x, dim=axis - 1, keepdim=True, **options)
    return x.movedim(-1, 1)


def gate_of(logits: Tensor, axes: tuple[int, int]) -> Tensor:
    """``sigmoid(logits)`` but for a factor a plane where the whole plane is nearly closed, so that no plane is zero.

    A mask, and its gradient, do not depend on that factor; without it, float32 rounds the gates of a plane below
    logits of -104 to zero, and the mask is 0 / 0.
    """
    shift = LARGEST_AT_LEAST - over_planes(torch.amax, logits.detach(), axes)
    return (logits + shift.clamp_min(0)).sigmoid_()


def attention_mask(gate: Tensor, axes: tuple[int, int]) -> Tensor:
    """Normalise a gate so that it sums to half the size of the plane: ``mask(g) = 0.5 · g / mean(g)``.

    Args:
        gate: (B, C, T, H, W), positive.
        axes: the two dimensions that the mean is taken over (see ``MASK_AXES``).

    Returns:
        (B, C, T, H, W) mask, one per channel.
    """
    return 0.5 * gate / gate.mean(dim=axes, keepdim=True)


def masked(x: Tensor, logits: Tensor, axes: tuple[int, int]) -> Tensor:
    """``x · mask(sigmoid(logits))`` with :func:`attention_mask`, for a third of the memory traffic and of what is kept.

    Equal because the gradient is the formula's own: with ``g = sigmoid(logits)``, ``s = 0.5 / mean(g)`` and n values a
    plane, ``∂x = s·g·∂y`` and ``∂g = s·(x·∂y − Σ(g·x·∂y) / Σg)``, sums over the plane.

    Args:
        x, logits: (B, C, T, H, W).
        axes: as :func:`attention_mask`.
    """
    return _Masked.apply(x, logits, axes)


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, logits: Tensor, axes: tuple[int, int]) -> Tensor:
        gate = gate_of(logits, axes)
        wide = torch.promote_types(gate.dtype, torch.float32)
        plane = gate.shape[axes[0]] * gate.shape[axes[1]]
        scale = (0.5 * plane / over_planes(torch.sum, gate, axes, dtype=wide)).to(gate.dtype)
        ctx.save_for_backward(x, gate, scale)
        ctx.axes = axes
        return (x * scale).mul_(gate)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, gate, scale = ctx.saved_tensors
        plane = gate.shape[ctx.axes[0]] * gate.shape[ctx.axes[1]]
        grad = grad * scale
        of_gate = grad * x
        shared = over_planes(torch.sum, of_gate * gate, ctx.axes) * (scale * (2 / plane))  # Σ(g·x·∂y) / Σg
        of_gate -= shared
        return grad.mul_(gate), torch.ops.aten.sigmoid_backward(of_gate, gate), None


class MaskedConv3d(nn.Module):
    """Self-attention of STGNet: a convolution of what its own spatial gate lets pass (STGNet, stem and ROI selection).

    ``y = tanh(Conv3d 3³ stride s (x · mask(sigmoid(Conv3d 1×5×5 (x)))))``

    Args:
        in_channels, out_channels: C and C'.
        stride: of the second convolution, in T, H and W.
        mask_axes: a name of ``MASK_AXES``.

    Shapes:
        (B, C, T, H, W) → (B, C', T/s, H/s, W/s).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, mask_axes: str = "height-width") -> None:
        super().__init__()
        self.axes = MASK_AXES[mask_axes]
        self.gate = Conv3d(in_channels, in_channels, (1, 5, 5), padding=(0, 2, 2))
        self.conv = Conv3d(in_channels, out_channels, 3, stride, padding=1)

    def mask(self, x: Tensor) -> Tensor:
        """The mask alone, (B, C, T, H, W), for a look at where the network looks."""
        return attention_mask(gate_of(self.gate(x), self.axes), self.axes)

    def forward(self, x: Tensor) -> Tensor:
        return tanh(self.conv(masked(x, self.gate(x), self.axes)))
