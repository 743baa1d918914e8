"""A pair of STGNets for inference, in plain tensor operations."""

from __future__ import annotations

from torch import Tensor, nn

from rppg_graph.export.dense_stgnet import DenseSTGNet
from rppg_graph.models.stgnet_pair import STGNetPair, mean_of_waves


class DenseSTGNetPair(nn.Module):
    """A trained pair for clips of one length and size; arguments, shapes and errors as of ``DenseSTGNet``."""

    def __init__(self, model: STGNetPair, clip_frames: int, size: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(DenseSTGNet(member, clip_frames, size) for member in model.members)

    def forward(self, video: Tensor) -> Tensor:
        return mean_of_waves(member(video) for member in self.members)
