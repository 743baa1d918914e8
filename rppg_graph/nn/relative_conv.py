"""Graph convolutions of STGNet that look at a neighbourhood through one statistic: mean, maximum or attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from rppg_graph.graph.aggregate import gathered, neighbour_max, neighbour_mean
from rppg_graph.graph.edges import CompleteGraph


class RelativeConv(MessagePassing):
    r"""A node beside what its neighbourhood differs by, through a grouped linear map (STGNet, graph convolution).

    .. math::
        \mathbf{d}_i = \bigoplus_{j \in \mathcal{N}(i)} (\mathbf{x}_j - \mathbf{x}_i)
        = \Big( \bigoplus_{j \in \mathcal{N}(i)} \mathbf{x}_j \Big) - \mathbf{x}_i, \qquad
        \mathbf{y}_i = \mathbf{W} \, [x_{i0}, d_{i0}, x_{i1}, d_{i1}, \dots] + \mathbf{b}

    for ⊕ the mean, the maximum or a weighted mean; W is block-diagonal in ``groups`` blocks.

    Args:
        in_channels, out_channels: C and C'; 2·C and C' are multiples of ``groups``.
        groups: blocks of W.

    Shapes:
        - neighbour lists: x (B, N, C), neighbours (B, N, K) counted within each graph → (B, N, C'); or a
          ``CompleteGraph`` in their place.
        - edges: x (M, C) or, bipartite, ((M, C), (M', C)), with any edge index (2, E) from neighbour to node
          → (M, C') or (M', C'), by gathering and scattering. A node without neighbours has ⊕ = 0.
    """

    # ⊕, set by the classes below:
    scatter: str  # of messages, a name of PyG
    over_neighbours: Callable[[Tensor, Tensor], Tensor]  # of x (B, N, C) over neighbours (B, N, K) → (B, N, C)
    over_all: Callable[[Tensor], Tensor]  # of x (B, N, C) over all nodes → (B, N or 1, C)

    def __init__(self, in_channels: int, out_channels: int, groups: int = 4) -> None:
        super().__init__(aggr=self.scatter)
        if 2 * in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide 2·in_channels={2 * in_channels} and {out_channels=}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.weight = nn.Parameter(torch.empty(groups, out_channels // groups, 2 * in_channels // groups))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal weights over the inputs of a group, zero bias, as released."""
        for block in self.weight:
            nn.init.kaiming_normal_(block)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor | tuple[Tensor, Tensor], edge_index: Tensor | EdgeIndex | CompleteGraph) -> Tensor:
        if isinstance(edge_index, CompleteGraph):
            clips = x.unflatten(0, (edge_index.clips, -1)) if x.dim() == 2 else x  # (B, N, C)
            reduced = self.over_all(clips).expand_as(clips).reshape(x.shape)
        elif edge_index.dim() == 3:
            reduced = self.over_neighbours(x, edge_index)
        else:
            sources, x = (x, x) if isinstance(x, Tensor) else x
            if isinstance(edge_index, EdgeIndex):
                edge_index = edge_index.as_tensor()  # its pointers may lack the last nodes
            reduced = self.propagate(edge_index, x=(sources, x), size=(len(sources), len(x)))
        return F.linear(torch.cat((x, reduced - x), dim=-1), self.matrix(), self.bias)

    def matrix(self) -> Tensor:
        """W (C', 2·C) for inputs [x, d]: its blocks in place, zeros elsewhere. One product beats four small ones."""
        blocks = torch.block_diag(*self.weight)  # (C', 2·C) for inputs [x_0, d_0, x_1, d_1, …]
        return torch.cat((blocks[:, 0::2], blocks[:, 1::2]), dim=1)

    @torch.no_grad()
    def with_norm(self, norm: nn.BatchNorm1d) -> RelativeConv:
        """This layer, which from now on does what ``norm`` did behind it, in evaluation mode; see ``nn.folding``."""
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (C',)
        self.bias.copy_((self.bias - norm.running_mean) * scale + norm.bias)
        self.weight.mul_(scale.view(*self.weight.shape[:2], 1))
        return self

    def message(self, x_j: Tensor) -> Tensor:
        return x_j


class AverageRelativeConv(RelativeConv):
    """⊕ = mean: the graph convolution of the published STGNet; no edge-sized tensor."""

    scatter = "mean"
    over_neighbours = staticmethod(neighbour_mean)

    @staticmethod
    def over_all(x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)


class MaxRelativeConv(RelativeConv):
    """⊕ = max, element by element: the max-relative convolution of the same family; no edge-sized tensor."""

    scatter = "max"
    over_neighbours = staticmethod(neighbour_max)

    @staticmethod
    def over_all(x: Tensor) -> Tensor:
        return x.amax(1, keepdim=True)


class AttentionRelativeConv(RelativeConv):
    r"""⊕ = mean weighted by how alike two nodes are, without parameters of its own (dot-product attention).

    .. math::
        \bigoplus_j \mathbf{x}_j = \sum_j a_{ij} \mathbf{x}_j, \qquad
        a_{ij} = \mathrm{softmax}_j \, \mathbf{x}_i^\top \mathbf{x}_j / \sqrt{C}

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.1, over the neighbours alone.
    """

    scatter = "sum"

    @staticmethod
    def over_neighbours(x: Tensor, neighbours: Tensor) -> Tensor:
        values = gathered(x, neighbours)  # (B, N, K, C)
        return F.scaled_dot_product_attention(x.unsqueeze(2), values, values).squeeze(2)

    @staticmethod
    def over_all(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)

    def message(self, x_i: Tensor, x_j: Tensor, index: Tensor, size_i: int) -> Tensor:
        alike = (x_i * x_j).sum(-1) / math.sqrt(self.in_channels)
        return softmax(alike, index, num_nodes=size_i)[:, None] * x_j
