"""Mean and maximum over neighbours against gathering them: value, gradient, precision, determinism."""

from __future__ import annotations

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.utils import scatter

from rppg_graph.graph.aggregate import AGGREGATIONS, neighbour_max, neighbour_mean
from rppg_graph.graph.edges import neighbours_to_edge_index, transposed

GATHERED = {"mean": lambda values: values.mean(1), "max": lambda values: values.amax(1)}


@pytest.fixture(params=AGGREGATIONS)
def reduce(request) -> str:
    return request.param


def random_graph(nodes: int, k: int, channels: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(nodes * k)
    neighbours = torch.stack([torch.randperm(nodes, generator=generator)[:k] for _ in range(nodes)])
    return torch.randn(nodes, channels, generator=generator).to(dtype), neighbours


def ragged(nodes: int, edges: int) -> EdgeIndex:
    """Nodes without neighbours, edges that are named twice, nodes that are nobody's neighbour."""
    generator = torch.Generator().manual_seed(edges)
    index = torch.randint(0, nodes - 2, (2, edges), generator=generator)
    index = index[:, index[1].argsort(stable=True)]
    return EdgeIndex(index, sparse_size=(nodes, nodes), sort_order="col")


@pytest.mark.parametrize(("nodes", "k", "channels"), [(1, 1, 1), (50, 7, 3), (600, 64, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_those_of_gathering(reduce, dtype, nodes, k, channels):
    x, neighbours = random_graph(nodes, k, channels, dtype)
    weight = torch.randn(nodes, channels, dtype=dtype)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    value = AGGREGATIONS[reduce](ours, neighbours_to_edge_index(neighbours))
    expected = GATHERED[reduce](theirs[neighbours])
    torch.testing.assert_close(value, expected)
    (value * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradcheck(reduce):
    edges = ragged(9, 25)
    x = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: AGGREGATIONS[reduce](x, edges), x)


def test_nodes_without_neighbours_get_zero_as_in_pyg(reduce):
    edges = ragged(12, 15)
    x = torch.randn(12, 4) - 5
    source, target = edges.as_tensor()
    expected = scatter(x[source], target, dim_size=12, reduce=reduce)
    torch.testing.assert_close(AGGREGATIONS[reduce](x, edges), expected)
    assert (expected[-2:] == 0).all()


def test_no_edges_and_no_nodes(reduce):
    x = torch.randn(3, 2, requires_grad=True)
    none = EdgeIndex(torch.empty(2, 0, dtype=torch.int64), sparse_size=(3, 3), sort_order="col")
    value = AGGREGATIONS[reduce](x, none)
    assert (value == 0).all()
    value.sum().backward()
    assert (x.grad == 0).all()
    assert AGGREGATIONS[reduce](torch.empty(0, 2), neighbours_to_edge_index(torch.empty(0, 4).long())).shape == (0, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_at_most_twice_as_wrong_as_plain_torch(reduce, dtype):
    x, neighbours = random_graph(300, 64, 16, dtype)
    edges = neighbours_to_edge_index(neighbours)
    exact = GATHERED[reduce](x.double()[neighbours])
    value = AGGREGATIONS[reduce](x, neighbours_to_edge_index(neighbours))
    assert value.dtype == dtype
    plain = (GATHERED[reduce](x[neighbours]).double() - exact).abs().max()
    assert (value.double() - exact).abs().max() <= 2 * plain

    weight = torch.randn(300, 16, generator=torch.Generator().manual_seed(2))
    ours, plain, exact = (
        _gradient(x.to(kind), weight.to(kind), function)
        for function, kind in (
            (lambda x: AGGREGATIONS[reduce](x, edges), dtype),
            (lambda x: GATHERED[reduce](x[neighbours]), dtype),
            (lambda x: GATHERED[reduce](x[neighbours]), torch.float64),
        )
    )
    if reduce == "mean":  # amax shares a gradient among equals, of which half precision has many
        assert (ours - exact).abs().max() <= 2 * (plain - exact).abs().max()
    else:
        assert ours.sum().item() == pytest.approx(float(weight.to(dtype).double().sum()), abs=1)


def _gradient(x: torch.Tensor, weight: torch.Tensor, function) -> torch.Tensor:
    leaf = x.clone().requires_grad_()
    (function(leaf) * weight).sum().backward()
    return leaf.grad.double()


def test_of_equal_maxima_the_first_neighbour_gets_the_gradient():
    x = torch.tensor([[1.0], [5.0], [5.0]], requires_grad=True)
    neighbour_max(x, neighbours_to_edge_index(torch.tensor([[0, 2, 1]] * 3))).sum().backward()
    assert x.grad.tolist() == [[0], [0], [3]]


@pytest.mark.parametrize("threads", [1, 2])
def test_forward_and_backward_are_deterministic(reduce, threads):
    x, neighbours = random_graph(700, 32, 64, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        torch.set_num_threads(threads)
        for _ in range(5):
            leaf = x.clone().requires_grad_()
            value = AGGREGATIONS[reduce](leaf, neighbours_to_edge_index(neighbours))
            (value * x.sin()).sum().backward()
            results.append((value, leaf.grad))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for result in results[1:] for a, b in zip(result, results[0], strict=True))


def test_the_transposed_graph_is_sorted_once_and_only_for_a_gradient():
    x, neighbours = random_graph(40, 5, 4, torch.float32)
    edges = neighbours_to_edge_index(neighbours)
    neighbour_mean(x, edges)
    assert not hasattr(edges, "_rppg_transposed")
    leaf = x.requires_grad_()
    neighbour_mean(leaf, edges).sum().backward()
    kept = transposed(edges)[1]
    neighbour_mean(leaf, edges).sum().backward()
    assert transposed(edges)[1] is kept


def test_non_contiguous_input_and_gradient(reduce):
    x, neighbours = random_graph(30, 4, 6, torch.float64)
    leaf = x.T.contiguous().T.requires_grad_()
    value = AGGREGATIONS[reduce](leaf, neighbours_to_edge_index(neighbours))
    value.backward(torch.ones(6, 30, dtype=torch.float64).T)
    torch.testing.assert_close(value, GATHERED[reduce](x[neighbours]))
    assert leaf.grad.sum() == pytest.approx(180)
