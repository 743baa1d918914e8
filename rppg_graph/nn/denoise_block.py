"""The denoise block: positional embedding, nearest neighbours, message passing, MLP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch

from rppg_graph.graph.edges import neighbours_to_edge_index
from rppg_graph.graph.knn import knn
from rppg_graph.nn.drop_path import DropPath
from rppg_graph.nn.graph_conv import GRAPH_CONVS


class DenoiseBlock(nn.Module):
    """Every patch is mixed with the patches that look alike, anywhere in the clip (STGNet, denoise block).

    ``x ← x + P``; edges from the k nearest neighbours of x; ``h = GELU(BN(conv(x, edges)))``;
    ``s = GELU(BN(W₁ h))``; ``y = s + DropPath(GELU(BN(W₂ s)))``. There is no residual around the convolution.

    Args:
        channels: C.
        grid: (T, H, W) of the feature map that the positional embedding P is sized for.
        k: neighbours of a node, the node itself among them when ``loop``; a smaller graph uses all its nodes.
        conv: a name of ``graph_conv.GRAPH_CONVS``.
        loop: whether a node is its own neighbour.
        drop_path: rate of DropPath.
        backend: a name of ``knn.BACKENDS`` or ``auto``.

    Shapes:
        a batch of B graphs with nodes x (B·N, C) → nodes (B·N, C).
    """

    def __init__(
        self, channels: int, grid: tuple[int, int, int], k: int, *, conv: str = "average_relative", loop: bool = True,
        drop_path: float = 0.25, backend: str = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        self.grid, self.k, self.loop, self.backend = grid, k, loop, backend
        self.position = nn.Parameter(torch.zeros(grid[0] * grid[1] * grid[2], channels))  # (N, C)
        self.conv = GRAPH_CONVS[conv](channels, 2 * channels)
        self.conv_norm = nn.BatchNorm1d(2 * channels)
        self.shrink = nn.Sequential(nn.Linear(2 * channels, channels), nn.BatchNorm1d(channels), nn.GELU())
        self.mlp = nn.Sequential(nn.Linear(channels, channels), nn.BatchNorm1d(channels), nn.GELU())
        self.drop_path = DropPath(drop_path)

    def forward(self, graph: Batch) -> Tensor:
        clips = graph.ptr.numel() - 1
        x = graph.x.view(clips, -1, graph.x.shape[1]) + self.positions(graph.grid)  # (B, N, C)
        x = x.view(graph.x.shape)  # (B·N, C)
        h = F.gelu(self.conv_norm(self.conv(x, self.edges(x, graph.batch, clips))))
        s = self.shrink(h)
        return s + self.drop_path(self.mlp(s).view(clips, -1, s.shape[1])).view(s.shape)

    def edges(self, x: Tensor, batch: Tensor, clips: int) -> EdgeIndex:
        """Edges from the nearest neighbours of x (B·N, C); without the node itself at most N − 1 are to be had."""
        nodes = len(x) // clips
        k = min(self.k, nodes if self.loop else nodes - 1)
        return neighbours_to_edge_index(knn(x, k, batch=batch, loop=self.loop, backend=self.backend))

    def positions(self, grid: tuple[int, int, int]) -> Tensor:
        """The positional embedding (N, C), interpolated in time and space where the clip is not of the built size."""
        if grid == self.grid:
            return self.position
        volume = self.position.T.reshape(1, -1, *self.grid)  # (1, C, T, H, W)
        return F.interpolate(volume, size=grid, mode="trilinear").flatten(2)[0].T  # (N, C)
