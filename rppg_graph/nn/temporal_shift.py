"""The temporal shift: channels that look one frame ahead or back, at no cost in parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def temporal_shift_reference(x: Tensor, segment: int, wrap: bool) -> Tensor:
    """The definition of :func:`temporal_shift`, frame by frame."""
    third = x.shape[1] // 3
    frames = []
    for n in range(len(x)):
        start, place = n - n % segment, n % segment
        following, previous = x[start + (place + 1) % segment], x[start + (place - 1) % segment]
        if not wrap and place == segment - 1:
            following = torch.zeros_like(following)
        if not wrap and place == 0:
            previous = torch.zeros_like(previous)
        frames.append(torch.cat([following[:third], previous[third : 2 * third], x[n, 2 * third :]]))
    return torch.stack(frames)


def temporal_shift(x: Tensor, segment: int, wrap: bool) -> Tensor:
    """Shift a third of the channels one frame back in time, a third one ahead, inside segments (STREAM-Net; TSM).

    ``y_t = [x_{t+1}[: C/3], x_{t−1}[C/3 : 2C/3], x_t[2C/3 :]]``, with t ± 1 modulo the segment when wrapping, else with
    zeros beyond its ends. Equal to :func:`temporal_shift_reference`: every value is copied once, into its place.

    Args:
        x: (N, C, H, W), N consecutive frames, a multiple of the segment; the memory format is kept.
        segment: frames of a segment; a shift never leaves its segment, and so never its clip.
        wrap: whether the first and the last frame of a segment are neighbours.

    Returns:
        (N, C, H, W).
    """
    if x.shape[0] % segment:
        raise ValueError(f"temporal_shift: {len(x)} frames are no multiple of segment={segment}; pad them")
    return _Shift.apply(x, segment, wrap, 1)


class _Shift(torch.autograd.Function):
    """A shift by ``step`` frames (1 or −1); its transpose, the gradient, is the shift by −step."""

    @staticmethod
    def forward(ctx, x: Tensor, segment: int, wrap: bool, step: int) -> Tensor:
        ctx.settings = segment, wrap, -step
        third = x.shape[1] // 3
        source = x.unflatten(0, (-1, segment))  # (N/L, L, C, H, W)
        shifted = torch.empty_like(source)
        _take(shifted[:, :, :third], source[:, :, :third], step, wrap)
        _take(shifted[:, :, third : 2 * third], source[:, :, third : 2 * third], -step, wrap)
        shifted[:, :, 2 * third :] = source[:, :, 2 * third :]
        return shifted.flatten(0, 1)  # (N, C, H, W)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Shift.apply(gradient, *ctx.settings), None, None, None


def _take(target: Tensor, source: Tensor, step: int, wrap: bool) -> None:
    """``target[:, t] = source[:, t + step]`` for tensors (N/L, L, …)."""
    inner, outer, end, other = (slice(-1), slice(1, None), -1, 0) if step == 1 else (slice(1, None), slice(-1), 0, -1)
    target[:, inner] = source[:, outer]
    target[:, end] = source[:, other] if wrap else 0


class TemporalShift(nn.Module):
    """:func:`temporal_shift` as a layer: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, segment: int, wrap: bool) -> None:
        super().__init__()
        self.segment, self.wrap = segment, wrap

    def forward(self, x: Tensor) -> Tensor:
        return temporal_shift(x, self.segment, self.wrap)

    def extra_repr(self) -> str:
        return f"segment={self.segment}, wrap={self.wrap}"
