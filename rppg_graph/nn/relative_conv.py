"""Graph convolutions of STGNet that look at a neighbourhood through one statistic: its mean or its maximum."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing


class RelativeConv(MessagePassing):
    """A node beside what its neighbourhood differs by, through a grouped linear map (STGNet, graph convolution).

    ``d_i = ⊕_j (x_j − x_i) = (⊕_j x_j) − x_i`` for ⊕ the mean or the maximum, so no edge-sized tensor is needed;
    ``y_i = W [x_i0, d_i0, x_i1, d_i1, …] + b`` with W block-diagonal in ``groups`` blocks.

    Args:
        in_channels, out_channels: C and C'; 2·C and C' are multiples of ``groups``.
        groups: blocks of W.

    Shapes:
        x (M, C), edge_index (2, E) from neighbour to node → (M, C').
    """

    SUPPORTS_FUSED_EDGE_INDEX = True
    reduce: str  # ⊕, set by the two classes below

    def __init__(self, in_channels: int, out_channels: int, groups: int = 4) -> None:
        super().__init__(aggr=self.reduce)
        if 2 * in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide 2·in_channels={2 * in_channels} and {out_channels=}")
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups, out_channels // groups, 2 * in_channels // groups))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal weights over the inputs of a group, zero bias, as released."""
        for block in self.weight:
            nn.init.kaiming_normal_(block)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, edge_index: EdgeIndex | Tensor) -> Tensor:
        relative = self.propagate(edge_index, x=x) - x  # (M, C)
        pairs = torch.stack((x, relative), dim=-1).view(-1, self.groups, self.weight.shape[2])  # (M, groups, 2·C/groups)
        return torch.einsum("mgi,goi->mgo", pairs, self.weight).reshape(len(x), -1) + self.bias  # (M, C')

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def message_and_aggregate(self, edge_index: EdgeIndex, x: Tensor) -> Tensor:
        return edge_index.matmul(x, x.new_ones(edge_index.shape[1]), reduce=self.reduce, transpose=True)


class AverageRelativeConv(RelativeConv):
    """⊕ = mean: the graph convolution of the published STGNet."""

    reduce = "mean"


class MaxRelativeConv(RelativeConv):
    """⊕ = max, element by element: the max-relative convolution of the same family."""

    reduce = "max"
