"""Neighbour lists as PyG edges."""

import torch

from rppg_graph.graph.edges import neighbours_to_edge_index


def test_edges_run_from_neighbour_to_node_sorted_by_node():
    edges = neighbours_to_edge_index(torch.tensor([[2, 0], [1, 2], [0, 1]])).validate()
    assert edges.as_tensor().tolist() == [[2, 0, 1, 2, 0, 1], [0, 0, 1, 1, 2, 2]]
    assert edges.is_sorted_by_col
    assert edges.sparse_size() == (3, 3)


def test_no_nodes():
    assert neighbours_to_edge_index(torch.empty(0, 4, dtype=torch.int64)).validate().shape == (2, 0)
