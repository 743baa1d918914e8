"""The stem of STGNet: raw frames and their differences to a feature map of patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.nn.attention_mask import MaskedConv3d
from rppg_graph.nn.convolution import Conv3d

CHANNELS_LAST = torch.channels_last_3d
CHANNELS_AT_ONCE = {"cuda": 8}  # tensor cores read 16 bytes of bfloat16, from one voxel into the next where C is odd


def difference(x: Tensor) -> Tensor:
    """``x_{t+1} − x_t``, 0 for the last frame: (B, C, T, H, W) → the same."""
    return torch.diff(x, dim=2, append=x[:, :, -1:])


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
        return torch.cat((x, self.norm(difference(x))), dim=1)

    def normalised(self, x: Tensor) -> Tensor:
        """The normalised difference alone, before the batch norm's scale and shift: (B, C, T, H, W) → the same."""
        norm = self.norm
        if self.training:
            norm.num_batches_tracked += 1
        statistics = norm.running_mean, norm.running_var
        return F.batch_norm(difference(x), *statistics, None, None, self.training, norm.momentum, norm.eps)


class ConvBlock(nn.Sequential):
    """``GELU(BatchNorm(Conv3d 3³ stride s (x)))``: (B, C, T, H, W) → (B, C', T/s, H/s, W/s)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int | tuple[int, int, int] = 1) -> None:
        super().__init__(
            Conv3d(in_channels, out_channels, 3, stride, padding=1), nn.BatchNorm3d(out_channels), nn.GELU()
        )


def conv_of_difference(video: Tensor, block: DiffBlock, conv: nn.Conv3d) -> Tensor:
    """``conv(block(video))`` without the convolution's input gradient, which would cost more than all its rest.

    Equal because a convolution is linear in its input: the scale γ of the batch norm moves into the weights of the
    difference's channels, its shift β into the weights of a channel of ones, whose zero padding is the shift's own; and
    so β and γ get their gradients through weights. Where the video itself wants a gradient, the definition is used.

    Args:
        video: (B, 3, T, H, W).

    Returns:
        (B, C', T', H', W'), channels last in memory.
    """
    if video.requires_grad:
        return conv(block(video))
    norm, channels = block.norm, video.shape[1]
    spare = -(2 * channels + 1) % CHANNELS_AT_ONCE.get(video.device.type, 1)  # more ones, of weight 0
    shape, kind = (video.shape[0], 2 * channels + 1 + spare, *video.shape[2:]), video.device.type
    rounded = video.dtype == torch.float32 and torch.is_autocast_enabled(kind)  # what would be, is written so at once
    dtype = torch.get_autocast_dtype(kind) if rounded else video.dtype
    planes = torch.empty(shape, dtype=dtype, device=video.device, memory_format=CHANNELS_LAST)
    planes[:, :channels] = video
    planes[:, channels : 2 * channels] = block.normalised(video)
    planes[:, 2 * channels :] = 1.0
    frames, differences = conv.weight.split(channels, dim=1)
    scaled = differences * norm.weight.view(-1, 1, 1, 1)
    shift = (differences * norm.bias.view(-1, 1, 1, 1)).sum(dim=1, keepdim=True)
    unused = (shift.new_zeros(len(shift), spare, *shift.shape[2:]),) if spare else ()
    weight = torch.cat((frames, scaled, shift, *unused), dim=1)
    return F.conv3d(planes, weight, conv.bias, conv.stride, conv.padding)


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

    def forward(self, video: Tensor) -> Tensor:
        block, (conv, *rest), *layers = self
        x = conv_of_difference(video, block, conv)
        for layer in (*rest, *layers):
            x = layer(x)
        return x
