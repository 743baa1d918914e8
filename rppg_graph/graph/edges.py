"""Neighbour lists as PyG edges, for graph convolutions that want edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch_geometric import EdgeIndex


class CompleteGraph(NamedTuple):
    """Stands for the edges of ``clips`` equally large graphs in which every node is everybody's neighbour, its own too.

    A mean or maximum over all nodes needs no edges; ``nn.relative_conv`` takes it in place of an edge index.
    """

    clips: int


def neighbours_to_edge_index(neighbours: Tensor) -> EdgeIndex:
    """Edges from every neighbour j (row 0, source) to its node i (row 1, target), sorted by target.

    Args:
        neighbours: (M, K) int64, global node indices.

    Returns:
        ``EdgeIndex`` of shape (2, M·K) with ``sort_order="col"`` and sparse size (M, M).
    """
    from torch_geometric import EdgeIndex  # PyG takes seconds to load, and a formula's report needs no edges

    nodes, k = neighbours.shape
    targets = torch.arange(nodes, device=neighbours.device).repeat_interleave(k)
    edges = torch.stack((neighbours.reshape(-1), targets))  # (2, M·K)
    return EdgeIndex(edges, sparse_size=(nodes, nodes), sort_order="col")
