"""Lateral attention: where the appearance says that there is skin, the motion is let through."""

from __future__ import annotations

from torch import Tensor, nn

from rppg_graph.nn.attention_mask import attention_mask, gate_of


class LateralAttention(nn.Module):
    """A mask of one channel from the spatial branch for the temporal branch (STREAM-Net; DeepPhys, soft attention).

    ``a = 0.5 · g · H · W / Σ_{H,W} g`` with ``g = sigmoid(Conv 1×1 (x))``.

    Args:
        channels: C of the spatial branch.

    Shapes:
        (N, C, H, W) → (N, 1, H, W), with a mean of 0.5 over each frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return attention_mask(gate_of(self.conv(x), (2, 3)), (2, 3))
