"""The attention mask of STGNet and the masked convolution built on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASK_AXES: dict[str, tuple[int, int]] = {
    "time-height": (2, 3),  # what the released code does: a 4-D layer applied to a 5-D tensor
    "height-width": (3, 4),  # the spatial mask that the paper draws
}


def attention_mask(gate: Tensor, axes: tuple[int, int]) -> Tensor:
    """Normalise a gate so that it sums to half the size of the plane: ``mask(g) = 0.5 · g / mean(g)``.

    Args:
        gate: (B, C, T, H, W), positive.
        axes: the two dimensions that the mean is taken over (see ``MASK_AXES``).

    Returns:
        (B, C, T, H, W) mask, one per channel.
    """
    return 0.5 * gate / gate.mean(dim=axes, keepdim=True)


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
        self.gate = nn.Conv3d(in_channels, in_channels, (1, 5, 5), padding=(0, 2, 2))
        self.conv = nn.Conv3d(in_channels, out_channels, 3, stride, padding=1)

    def mask(self, x: Tensor) -> Tensor:
        """The mask alone, (B, C, T, H, W), for a look at where the network looks."""
        return attention_mask(torch.sigmoid(self.gate(x)), self.axes)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x * self.mask(x)))
