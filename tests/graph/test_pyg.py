"""PyG's own objects: feature maps as batches that can be taken apart, and neighbours as a transform."""

import itertools

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose, ToUndirected

from rppg_graph.errors import InputError
from rppg_graph.graph.feature_map import feature_map_to_graph
from rppg_graph.graph.knn_graph import KNNGraph


@pytest.fixture
def feature_map() -> torch.Tensor:
    return torch.randn(3, 5, 2, 4, 3, generator=torch.Generator().manual_seed(0))


def test_a_node_is_a_patch_at_its_place(feature_map):
    batch = feature_map_to_graph(feature_map)
    assert batch.validate()
    assert batch.num_graphs == 3
    assert batch.ptr.tolist() == [0, 24, 48, 72]
    nodes = itertools.product(range(3), range(2), range(4), range(3))
    for node, (clip, t, row, column) in enumerate(nodes):
        assert torch.equal(batch.x[node], feature_map[clip, :, t, row, column])
        assert batch.pos[node].tolist() == [t, row, column]
        assert batch.batch[node] == clip


def test_a_batch_is_taken_apart_and_put_together(feature_map):
    batch = feature_map_to_graph(feature_map)
    graphs = batch.to_data_list()
    for clip, graph in enumerate(graphs):
        expected = feature_map[clip].flatten(1).T
        for same in (graph, batch[clip], batch.get_example(clip)):
            assert torch.equal(same.x, expected)
            assert torch.equal(same.pos, batch.pos[:24])
    loaded = next(iter(DataLoader(graphs, batch_size=3)))
    assert torch.equal(loaded.x, batch.x)
    assert torch.equal(loaded.ptr, batch.ptr)


def test_gradients_reach_the_feature_map(feature_map):
    weights = torch.randn(72, 5)
    feature_map.requires_grad_()
    (feature_map_to_graph(feature_map).x * weights).sum().backward()
    assert torch.equal(feature_map.grad, weights.view(3, 2, 4, 3, 5).permute(0, 4, 1, 2, 3))


def nearest_by_loops(points: torch.Tensor, k: int, cosine: bool, loop: bool) -> set[tuple[int, int]]:
    """Edges (neighbour, node) as PyG's ``KNNGraph`` defines them, node by node in Python."""
    edges = set()
    for i, a in enumerate(points.double()):

        def apart(j: int, a: torch.Tensor = a) -> float:
            b = points[j].double()
            return float(1 - a @ b / (a.norm() * b.norm())) if cosine else float((a - b).norm())

        others = [j for j in range(len(points)) if loop or j != i]
        edges |= {(j, i) for j in sorted(others, key=apart)[:k]}
    return edges


def edges_of(graph: Data) -> set[tuple[int, int]]:
    return set(map(tuple, graph.edge_index.as_tensor().T.tolist()))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("of", ["x", "pos"])
def test_the_transform_finds_the_nearest_of_each_graph(of, metric, loop):
    draw = torch.Generator().manual_seed(1)
    graphs = [Data(x=torch.randn(n, 6, generator=draw), pos=torch.randn(n, 3, generator=draw)) for n in (9, 14, 11)]
    transform = KNNGraph(4, metric=metric, loop=loop, of=of)
    batch = transform(Batch.from_data_list(graphs))
    assert batch.edge_index.validate().is_sorted_by_col
    first = 0
    for number, graph in enumerate(graphs):
        expected = nearest_by_loops(graph[of], 4, metric == "cosine", loop)
        assert edges_of(transform(graph)) == expected
        assert edges_of(batch[number]) == expected
        assert {(j + first, i + first) for j, i in expected} <= edges_of(batch)
        first += graph.num_nodes
    assert graphs[0].edge_index is None  # the graph given is not changed


def test_the_transform_beside_others_and_on_a_batch_vector():
    x, batch = torch.randn(20, 4), torch.arange(2).repeat_interleave(10)
    graph = KNNGraph(3)(Data(x=x, batch=batch, edge_attr=torch.ones(1)))
    assert graph.edge_attr is None
    sources, targets = graph.edge_index
    assert torch.equal(batch[sources], batch[targets])
    undirected = Compose([KNNGraph(3), ToUndirected()])(Data(x=x))
    assert undirected.is_undirected()
    assert repr(KNNGraph(3)) == "KNNGraph(3, metric='cosine', loop=False, of='x')"


def test_more_neighbours_than_nodes_are_refused():
    with pytest.raises(InputError, match="the smallest graph has 4"):
        KNNGraph(5)(Data(x=torch.randn(5, 2)))
