"""Graph convolutions of STGNet that look at a neighbourhood through one statistic: its mean or its maximum."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing

from rppg_graph.graph.aggregate import AGGREGATIONS
from rppg_graph.graph.edges import CompleteGraph


class RelativeConv(MessagePassing):
    """A node beside what its neighbourhood differs by, through a grouped linear map (STGNet, graph convolution).

    ``d_i = ⊕_j (x_j − x_i) = (⊕_j x_j) − x_i`` for ⊕ the mean or the maximum, so no edge-sized tensor is needed;
    ``y_i = W [x_i0, d_i0, x_i1, d_i1, …] + b`` with W block-diagonal in ``groups`` blocks.

    Args:
        in_channels, out_channels: C and C'; 2·C and C' are multiples of ``groups``.
        groups: blocks of W.

    Shapes:
        x (M, C), edge_index (2, E) from neighbour to node → (M, C'). An ``EdgeIndex`` sorted by node is aggregated by
        ``graph.aggregate``; any other edge index by gathering and scattering, which takes a tensor of E·C; a
        ``CompleteGraph`` by one statistic for each clip.
    """

    SUPPORTS_FUSED_EDGE_INDEX = True
    reduce: str  # ⊕, set by the two classes below
    over_all: Callable[..., Tensor]  # ⊕ of a dense tensor

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

    def forward(self, x: Tensor, edge_index: EdgeIndex | Tensor | CompleteGraph) -> Tensor:
        if isinstance(edge_index, CompleteGraph):
            relative = self.relative_to_all(x.view(edge_index.clips, -1, x.shape[1])).view(x.shape)  # (M, C)
        else:
            relative = self.propagate(edge_index, x=x) - x  # (M, C)
        return F.linear(torch.cat((x, relative), dim=1), self.matrix(), self.bias)  # (M, C')

    def matrix(self) -> Tensor:
        """W (C', 2·C) for inputs [x, d]: its blocks in place, zeros elsewhere. One product beats four small ones."""
        blocks = torch.block_diag(*self.weight)  # (C', 2·C) for inputs [x_0, d_0, x_1, d_1, …]
        return torch.cat((blocks[:, 0::2], blocks[:, 1::2]), dim=1)

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def message_and_aggregate(self, edge_index: EdgeIndex, x: Tensor) -> Tensor:
        if edge_index.sparse_size() != (len(x), len(x)):  # not said, so that its last node may be missing
            size = (len(x), len(x))
            edge_index = EdgeIndex(edge_index.as_tensor(), sparse_size=size, sort_order=edge_index.sort_order)
        return AGGREGATIONS[self.reduce](x, edge_index)

    def relative_to_all(self, x: Tensor) -> Tensor:
        """``(⊕_j x_j) − x_i`` over all nodes j of a clip: (B, N, C) → (B, N, C)."""
        return type(self).over_all(x, dim=1, keepdim=True) - x


class AverageRelativeConv(RelativeConv):
    """⊕ = mean: the graph convolution of the published STGNet."""

    reduce = "mean"
    over_all = torch.mean


class MaxRelativeConv(RelativeConv):
    """⊕ = max, element by element: the max-relative convolution of the same family."""

    reduce = "max"
    over_all = torch.amax
