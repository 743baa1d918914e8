"""The stem of STGNet: raw frames and their differences to a feature map of patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rppg_graph.nn.attention_mask import MaskedConv3d


class DiffBlock(nn.Module):
    """Frames beside their normalised temporal differences (STGNet, Diff block).

    ``d_t = x_{t+1} − x_t``, 0 for the last frame; ``y = [x, BatchNorm(d)]``

    Shapes:
        (B, 3, T, H, W) → (B, 6, T, H, W).
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        difference = torch.diff(x, dim=2, append=x[:, :, -1:])
        return torch.cat((x, self.norm(difference)), dim=1)


class ConvBlock(nn.Sequential):
    """``GELU(BatchNorm(Conv3d 3³ stride s (x)))``: (B, C, T, H, W) → (B, C', T/s, H/s, W/s)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int | tuple[int, int, int] = 1) -> None:
        super().__init__(
            nn.Conv3d(in_channels, out_channels, 3, stride, padding=1), nn.BatchNorm3d(out_channels), nn.GELU()
        )


class Stem(nn.Sequential):
    """Three convolution levels with self-attention between them (STGNet, stem).

    Args:
        mask_axes: a name of ``attention_mask.MASK_AXES``.

    Shapes:
        (B, 3, T, H, W) → (B, 64, T/4, H/8, W/8).
    """

    def __init__(self, mask_axes: str = "height-width") -> None:
        super().__init__(
            DiffBlock(),
            ConvBlock(6, 16, stride=2),
            MaskedConv3d(16, 16, mask_axes=mask_axes),
            ConvBlock(16, 16),
            ConvBlock(16, 32, stride=(1, 2, 2)),
            MaskedConv3d(32, 32, mask_axes=mask_axes),
            ConvBlock(32, 32),
            ConvBlock(32, 64, stride=2),
            ConvBlock(64, 64),
        )
