"""What DeepPhys and its family see of a clip: the normalised frame difference and the standardised frame."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-6  # divisor, far below what 8-bit frames give: a black pixel or a clip without change gives 0, not NaN


def normalise_frames(video: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise each clip by itself (Chen and McDuff, "DeepPhys", ECCV 2018, section 3; STREAM-Net).

    ``d_t = (c_{t+1} − c_t) / (c_{t+1} + c_t)``, over its deviation in the clip, the last difference 0;
    ``s_t = (c_t − mean) / deviation``, both taken over the whole clip.

    Args:
        video: (B, 3, T, H, W) in [0, 1].

    Returns:
        difference and standardised frame, each (B, T, 3, H, W), channels last in memory.
    """
    frames = video.permute(0, 2, 3, 4, 1).contiguous()  # (B, T, H, W, 3)
    over_clip = (1, 2, 3, 4)
    current, following = frames[:, :-1], frames[:, 1:]
    difference = (following - current) / (following + current).clamp_min(SMALLEST)
    difference = difference / difference.std(over_clip, correction=0, keepdim=True).clamp_min(SMALLEST)
    standardised = frames - frames.mean(over_clip, keepdim=True)
    standardised = standardised / frames.std(over_clip, correction=0, keepdim=True).clamp_min(SMALLEST)
    difference = F.pad(difference, (0, 0, 0, 0, 0, 0, 0, 1))  # (B, T, H, W, 3)
    return difference.movedim(-1, 2), standardised.movedim(-1, 2)
