"""The check of what a network is fed."""

from __future__ import annotations

import torch
from torch import Tensor

from rppg_graph.errors import InputError


def check_video(video: Tensor, *, least_frames: int, size: int | None = None) -> None:
    """Refuse what a network would turn into nonsense.

    Args:
        video: to be (B, 3, T, H, W), floating point, RGB in [0, 1].
        least_frames: the smallest T.
        size: the H = W that the network is built for; None for any.

    Raises:
        InputError: naming the argument, the value seen and what is allowed.
    """
    if video.ndim != 5 or video.shape[1] != 3:
        raise InputError(f"video of shape {tuple(video.shape)}: must be (B, 3, T, H, W), three channels, red first")
    if not video.is_floating_point():
        raise InputError(f"video of type {video.dtype}: must be floating point in [0, 1]; divide uint8 frames by 255")
    frames, height, width = video.shape[2:]
    if size is not None and (height, width) != (size, size):
        raise InputError(
            f"video of {width}×{height} pixels: the network is built for {size}×{size}; "
            f"crop the face to size={size} or build the network with another size"
        )
    if frames < least_frames:
        raise InputError(f"video of {frames} frames: the network needs at least {least_frames}")
    if torch.compiler.is_compiling():  # a trace knows no values
        return
    if video.is_cuda:  # the device stops itself, nobody waits for it
        torch._assert_async(((video >= 0) & (video <= 1)).all(), "video with values outside [0, 1], or not finite")
        return
    low, high = (float(value) for value in video.detach().aminmax()) if video.numel() else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # also true of NaN
        raise InputError(f"video with values from {low:g} to {high:g}: must be finite and in [0, 1]")
