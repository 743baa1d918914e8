"""From the last feature map to the blood volume pulse."""

from __future__ import annotations

from torch import Tensor, nn

from rppg_graph.nn.dropout import check_drop_rate


class BVPHead(nn.Module):
    """Upsample time to the clip's frames, average over space, one value a frame (STGNet, BVP head).

    Three times ``ELU(BN(ConvTranspose3d 4×1×1 stride 2×1×1 (x)))``, average pool to (T, 1, 1), ``Conv3d 1³``.

    Args:
        channels: C of the feature map.
        dropout: rate of an additional dropout before the last convolution; 0 as published.

    Shapes:
        feature map (B, C, T', H', W') and the clip's frames T → BVP (B, T).
    """

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_drop_rate("head_dropout", dropout)
        self.upsample = nn.Sequential()
        for _ in range(3):  # each doubles time
            conv = nn.ConvTranspose3d(channels, channels, (4, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0))
            self.upsample.append(nn.Sequential(conv, nn.BatchNorm3d(channels), nn.ELU()))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Conv1d(channels, 1, 1)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        x = self.upsample(x).mean(dim=(3, 4))  # (B, C, 8·T')
        if x.shape[2] != frames:
            x = nn.functional.adaptive_avg_pool1d(x, frames)  # (B, C, T)
        return self.out(self.dropout(x)).squeeze(1)  # (B, T)
