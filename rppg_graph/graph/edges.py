"""Neighbour lists as a PyG ``EdgeIndex`` that message passing can use without an edge-sized tensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from rppg_graph.graph.compiled import compiled


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
    nodes, k = neighbours.shape
    targets = torch.arange(nodes, device=neighbours.device).repeat_interleave(k)
    edges = torch.stack((neighbours.reshape(-1), targets))  # (2, M·K)
    return EdgeIndex(edges, sparse_size=(nodes, nodes), sort_order="col")


def transposed(edges: EdgeIndex) -> tuple[Tensor, Tensor]:
    """The nodes that each node is a neighbour of, for a backward pass: made when first asked for, kept with the edges.

    Args:
        edges: (2, E), sorted by target.

    Returns:
        pointers (M + 1,) and targets (E,): node j is a neighbour of ``targets[pointers[j]:pointers[j + 1]]``, rising.
    """
    if edges.device.type != "cpu":
        return edges.get_csr()[0]  # which PyG keeps
    index = edges.as_tensor()
    kept = getattr(edges, "_rppg_transposed", None)
    if kept is None or kept[0] != (index.data_ptr(), index._version):
        pointers = np.zeros(edges.get_sparse_size(0) + 1, np.int64)
        targets = np.empty(index.shape[1], np.int64)
        _transpose(edges.get_csc()[0][0].numpy(), index[0].numpy(), pointers, targets)
        made = torch.from_numpy(pointers), torch.from_numpy(targets)
        kept = edges._rppg_transposed = (index.data_ptr(), index._version), made
    return kept[1]


@compiled
def _transpose(target_pointers, sources, pointers, targets):
    """A counting sort by source; it is stable, and takes a quarter of the time of PyG's general one."""
    for edge in range(sources.size):
        pointers[sources[edge] + 1] += 1
    for node in range(pointers.size - 1):
        pointers[node + 1] += pointers[node]
    place = pointers[:-1].copy()
    for target in range(target_pointers.size - 1):
        for edge in range(target_pointers[target], target_pointers[target + 1]):
            source = sources[edge]
            targets[place[source]] = target
            place[source] += 1
