"""Grouped squeeze-excite: channels weighed by what the whole frame holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION, GROUPS = 16, 2


class GroupedSqueezeExcite(nn.Module):
    """Weigh the channels by a gate computed from their averages, in two groups (STREAM-Net; SENet, arXiv 1709.01507).

    ``y = x · sigmoid(Conv 1×1 (ReLU(Conv 1×1 (mean_{H,W} x))))``

    Args:
        channels: C, a multiple of 16.

    Shapes:
        (N, C, H, W) → (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // REDUCTION, 1, groups=GROUPS)
        self.excite = nn.Conv2d(channels // REDUCTION, channels, 1, groups=GROUPS)

    def forward(self, x: Tensor) -> Tensor:
        average = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(average))))
