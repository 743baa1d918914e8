"""Multi-scale feature enhancement: one feature map looked at with growing fields of view."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rppg_graph.nn.squeeze_excite import GroupedSqueezeExcite


class MultiScaleEnhancement(nn.Module):
    """A pyramid of dilated depth-wise convolutions, each fed by the one before (STREAM-Net; FPENet, arXiv 1909.08599).

    ``[x_0 … x_{S−1}] = ReLU(BN(Conv 1×1 (x)))``; ``y_s = ReLU(BN(depth-wise Conv 3×3 dilation d_s (x_s + y_{s−1})))``;
    ``y = ReLU(x + squeeze-excite(BN(Conv 1×1 ([y_0 … y_{S−1}]))))``.

    Args:
        channels: C, a multiple of 16 and of the number of scales.
        dilations: d_0 … d_{S−1}, one scale each.

    Shapes:
        (N, C, H, W) → (N, C, H, W).
    """

    def __init__(self, channels: int, dilations: Sequence[int] = (1, 2, 4, 8)) -> None:
        super().__init__()
        width, rest = divmod(channels, len(dilations))
        if rest:
            raise ValueError(f"dilations={tuple(dilations)}: {len(dilations)} scales do not divide {channels} channels")
        self.reduce = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.scales = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for dilation in dilations
        )
        self.merge = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.squeeze_excite = GroupedSqueezeExcite(channels)

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for chunk, scale in zip(self.reduce(x).chunk(len(self.scales), 1), self.scales, strict=True):
            outputs.append(scale(chunk + outputs[-1] if outputs else chunk))  # (N, C/S, H, W)
        return torch.relu(x + self.squeeze_excite(self.merge(torch.cat(outputs, 1))))
