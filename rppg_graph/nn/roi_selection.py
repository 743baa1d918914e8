"""ROI selection: which patches of the face go on."""

from __future__ import annotations

from torch import nn

from rppg_graph.nn.attention_mask import MaskedConv3d
from rppg_graph.nn.stem import ConvBlock


class ROISelection(nn.Sequential):
    """A convolution block and a masked convolution, strided where the stage shrinks (STGNet, ROI selection block).

    ``a = GELU(BN(Conv3d 3³ (x)))``; ``y = tanh(Conv3d 3³ stride s (a · mask(sigmoid(Conv3d 1×5×5 (a)))))``

    Shapes:
        (B, C, T, H, W) → (B, C, T/s, H/s, W/s).
    """

    def __init__(self, channels: int, stride: int = 1, mask_axes: str = "height-width") -> None:
        super().__init__(ConvBlock(channels, channels), MaskedConv3d(channels, channels, stride, mask_axes))
