"""Neighbour lists as PyG edges."""

from __future__ import annotations

import pytest
import torch
from torch_geometric import EdgeIndex

from rppg_graph.graph.edges import neighbours_to_edge_index, transposed


def test_edges_run_from_neighbour_to_node_sorted_by_node():
    edges = neighbours_to_edge_index(torch.tensor([[2, 0], [1, 2], [0, 1]])).validate()
    assert edges.as_tensor().tolist() == [[2, 0, 1, 2, 0, 1], [0, 0, 1, 1, 2, 2]]
    assert edges.is_sorted_by_col
    assert edges.sparse_size() == (3, 3)


def test_no_nodes():
    assert neighbours_to_edge_index(torch.empty(0, 4, dtype=torch.int64)).validate().shape == (2, 0)


@pytest.mark.parametrize(("nodes", "number"), [(1, 1), (9, 40), (300, 20), (50, 0)])
def test_transposed_is_pygs_own(nodes, number):
    index = torch.randint(0, nodes, (2, number), generator=torch.Generator().manual_seed(nodes))
    index = index[:, index[1].argsort(stable=True)]
    edges = EdgeIndex(index, sparse_size=(nodes, nodes), sort_order="col")
    (pointers, targets), _ = edges.get_csr()
    ours = transposed(edges)
    assert torch.equal(ours[0], pointers)
    assert [sorted(part.tolist()) for part in ours[1].tensor_split(pointers[1:-1])] == [
        part.tolist() for part in ours[1].tensor_split(pointers[1:-1])
    ]
    assert torch.equal(ours[1].sort().values, targets.sort().values)
    matrix = torch.zeros(nodes, nodes).index_put((index[0], index[1]), torch.ones(number), accumulate=True)
    counted = torch.zeros(nodes, nodes)
    for node, part in enumerate(ours[1].tensor_split(ours[0][1:-1])):
        counted[node] += torch.bincount(part, minlength=nodes)
    assert torch.equal(counted, matrix)


def test_transposed_is_made_again_when_the_edges_change():
    edges = neighbours_to_edge_index(torch.tensor([[1], [0], [2]]))
    assert transposed(edges)[1].tolist() == [1, 0, 2]
    assert transposed(edges) is transposed(edges)
    edges.as_tensor()[0].copy_(torch.tensor([2, 1, 0]))
    assert transposed(edges)[1].tolist() == [2, 1, 0]
