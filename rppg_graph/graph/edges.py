"""Neighbour lists as a PyG ``EdgeIndex`` that message passing can use without an edge-sized tensor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric import EdgeIndex


def neighbours_to_edge_index(neighbours: Tensor) -> EdgeIndex:
    """Edges from every neighbour j (row 0, source) to its node i (row 1, target), sorted by target.

    Args:
        neighbours: (M, K) int64, global node indices.

    Returns:
        ``EdgeIndex`` of shape (2, M·K) with ``sort_order="col"`` and sparse size (M, M).
    """
    nodes, k = neighbours.shape
    targets = torch.arange(nodes, device=neighbours.device).repeat_interleave(k)
    edges = torch.stack((neighbours.reshape(-1), targets))  # (2, M·K)
    return EdgeIndex(edges, sparse_size=(nodes, nodes), sort_order="col")
