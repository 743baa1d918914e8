"""Denoise blocks: neighbours, message passing, and what follows it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.graph.constructors import Grid, graph_constructor
from rppg_graph.graph.edges import CompleteGraph, neighbours_to_edge_index
from rppg_graph.graph.knn import to_global
from rppg_graph.nn.drop_path import DropPath
from rppg_graph.nn.graph_conv import GRAPH_CONVS
from rppg_graph.nn.relative_conv import RelativeConv
from rppg_graph.registry import choose

MOST_BLOCKS = 100  # of a network: a stranger's file may ask for thousands in a few bytes, which take minutes to build


def check_blocks(blocks: int) -> None:
    """Refuse a network of more than ``MOST_BLOCKS`` blocks; InputError."""
    if blocks > MOST_BLOCKS:
        raise InputError(f"a network of {blocks} blocks: {MOST_BLOCKS} are allowed at most")


class GraphMixing(nn.Module):
    """Every node is mixed with its neighbours: what the denoise blocks have in common.

    ``h = GELU(BN(conv(x, neighbours)))``; ``s = GELU(BN(W₁ h))``, on nodes x (B, N, C) of B clips.

    Args:
        channels: C.
        k: neighbours of a node, the node itself among them when ``loop``; a smaller graph uses all its nodes.
        graph: how the neighbours are chosen, a name of ``graph.constructors.GRAPHS``.
        graph_options: that constructor's own options.
        conv: a name of ``graph_conv.GRAPH_CONVS``.
        loop: whether a node is its own neighbour.
        backend: a name of ``graph.knn.BACKENDS`` or ``auto``.
    """

    def __init__(
        self, channels: int, k: int, *, conv: str = "average_relative", graph: str = "knn",
        graph_options: Mapping[str, object] | None = None, loop: bool = True, backend: str = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        self.k = k
        self.constructor = graph_constructor(graph, loop=loop, backend=backend, options=graph_options)
        self.conv = choose("conv", GRAPH_CONVS, conv)(channels, 2 * channels)
        self.conv_norm = nn.BatchNorm1d(2 * channels)
        self.shrink = nn.Sequential(nn.Linear(2 * channels, channels), nn.BatchNorm1d(channels), nn.GELU())
        if graph == "complete" and not isinstance(self.conv, RelativeConv):
            raise InputError(f"graph 'complete' has no edges for {conv=} to use: take one of the relative convolutions")

    def neighbours(self, x: Tensor, grid: Grid) -> Tensor | CompleteGraph:
        """Who is whose neighbour among nodes (B, N, C): (B, N, K), counted within each clip."""
        return self.constructor(x, self.k, grid)

    def mixed(self, x: Tensor, neighbours: Tensor | CompleteGraph) -> Tensor:
        """Message passing, (B, N, C) → s (B·N, C)."""
        return self.shrink(F.gelu(self.conv_norm(self.convolved(x, neighbours))))

    def convolved(self, x: Tensor, neighbours: Tensor | CompleteGraph) -> Tensor:
        """(B, N, C) → (B·N, 2·C): neighbour lists for our own convolutions, edges for PyG's."""
        if isinstance(self.conv, RelativeConv):
            return self.conv(x, neighbours).flatten(0, 1)
        return self.conv(x.flatten(0, 1), neighbours_to_edge_index(to_global(neighbours)))


class DenoiseBlock(GraphMixing):
    """Every patch is mixed with the patches that look alike, anywhere in the clip (STGNet, denoise block).

    ``x ← x + P``; the k nearest neighbours of x; s as :class:`GraphMixing`;
    ``y = s + DropPath(GELU(BN(W₂ s)))``. There is no residual around the convolution.

    Args:
        channels, k, **mixing: as for :class:`GraphMixing`.
        grid: (T, H, W) of the feature map that the positional embedding P is sized for.
        drop_path: rate of DropPath.

    Shapes:
        nodes x (B, N, C) of B clips on a grid (T, H, W) → (B, N, C). Neighbours (B, N, K) that are there already, as
        those of an earlier block of the stage, are used instead of being looked for.
    """

    def __init__(self, channels: int, grid: Grid, k: int, *, drop_path: float = 0.25, **mixing: object) -> None:
        super().__init__(channels, k, **mixing)
        self.grid = grid
        self.position = nn.Parameter(torch.zeros(grid[0] * grid[1] * grid[2], channels))  # (N, C)
        self.mlp = nn.Sequential(nn.Linear(channels, channels), nn.BatchNorm1d(channels), nn.GELU())
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid, neighbours: Tensor | CompleteGraph | None = None) -> Tensor:
        x = x + self.positions(grid)
        s = self.mixed(x, self.neighbours(x, grid) if neighbours is None else neighbours)
        return s.view(x.shape) + self.drop_path(self.mlp(s).view(x.shape))

    def positions(self, grid: Grid) -> Tensor:
        """The positional embedding P (N, C), interpolated in time and space where the clip is not of the built size."""
        if grid == self.grid:
            return self.position
        volume = self.position.T.reshape(1, -1, *self.grid)  # (1, C, T, H, W)
        return F.interpolate(volume, size=grid, mode="trilinear").flatten(2)[0].T  # (N, C)


class SegmentDenoise(GraphMixing):
    """A patch during a short segment is mixed with those that look alike, and the outcome added to what goes through.

    The traces' means over ``segment`` frames are the nodes; s as :class:`GraphMixing`; ``y = x + W₂ s``, between the
    segments by interpolation. Segments at the same phase of the pulse look alike, wherever and whenever they are: their
    mean has the pulse and less of the noise.

    Args:
        channels, k, **mixing: as for :class:`GraphMixing`.
        segment: frames of a node.

    Shapes:
        x (B, C, P, T) of P = g·g patches → (B, C, P, T). Neighbours as for :class:`DenoiseBlock`.
    """

    def __init__(self, channels: int, k: int, segment: int, **mixing: object) -> None:
        super().__init__(channels, k, **mixing)
        self.segment = segment
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, grid: Grid, neighbours: Tensor | CompleteGraph | None = None) -> Tensor:
        nodes = self.nodes(x)
        s = self.mixed(nodes, self.neighbours(nodes, grid) if neighbours is None else neighbours)
        y = self.out(s).view(len(x), grid[0], -1, x.shape[1]).permute(0, 3, 2, 1)  # (B, C, P, S)
        return x + F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)

    def nodes(self, x: Tensor) -> Tensor:
        """(B, C, P, T) → (B, N, C), N = S·P, a segment's patches side by side."""
        return F.avg_pool2d(x, (1, self.segment), ceil_mode=True).permute(0, 3, 2, 1).flatten(1, 2)
