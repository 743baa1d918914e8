"""Mean and maximum over neighbours against gathering them: value, gradient, precision, determinism."""

import pytest
import torch

from rppg_graph.graph import mean_gradients
from rppg_graph.graph.aggregate import AGGREGATIONS, DECOMPOSITIONS, neighbour_max
from rppg_graph.graph.choices import CHOICES, FLOATS, fastest
from rppg_graph.graph.mean_gradients import MEAN_GRADIENTS, bfloat16_terms

REDUCED = {"mean": lambda values: values.mean(2), "max": lambda values: values.amax(2)}
OPERATORS = torch.ops.rppg_graph


@pytest.fixture(params=AGGREGATIONS)
def reduce(request) -> str:
    return request.param


def random_graph(
    nodes: int, k: int, channels: int, dtype: torch.dtype, clips: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(nodes * k)
    neighbours = torch.stack([torch.randperm(nodes, generator=generator)[:k] for _ in range(clips * nodes)])
    x = torch.randn(clips, nodes, channels, generator=generator).to(dtype)
    return x, neighbours.view(clips, nodes, k)


def gather(x: torch.Tensor, neighbours: torch.Tensor, reduce: str) -> torch.Tensor:
    return REDUCED[reduce](torch.stack([clip[rows] for clip, rows in zip(x, neighbours, strict=True)]))


@pytest.mark.parametrize(("nodes", "k", "channels"), [(1, 1, 1), (50, 7, 3), (300, 64, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_those_of_gathering(reduce, dtype, nodes, k, channels):
    x, neighbours = random_graph(nodes, k, channels, dtype)
    weight = torch.randn(x.shape, dtype=dtype)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    value, expected = AGGREGATIONS[reduce](ours, neighbours), gather(theirs, neighbours, reduce)
    torch.testing.assert_close(value, expected)
    (value * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("form", MEAN_GRADIENTS)
@pytest.mark.parametrize(("nodes", "k"), [(1, 1), (50, 7), (33, 33)])
def test_every_form_of_the_gradient_of_the_mean(form, nodes, k, monkeypatch):
    monkeypatch.setattr(mean_gradients, "ADJACENCY_VALUES", 2 * 33**2)  # three clips in two parts
    grad, neighbours = random_graph(nodes, k, 5, torch.float32, clips=3)
    x = torch.zeros_like(grad, dtype=torch.float64).requires_grad_()
    gather(x, neighbours, "mean").backward(grad.double())
    found = MEAN_GRADIENTS[form](grad, neighbours)
    torch.testing.assert_close(found.double(), x.grad, rtol=1e-6, atol=1e-6)


def test_three_terms_of_bfloat16_are_the_number_itself():
    x = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(3)) * 10.0 ** torch.arange(-9, 3, 2)
    assert torch.equal(bfloat16_terms(x).double().unflatten(2, (3, -1)).sum(2), x.double())
    assert bfloat16_terms(x.bfloat16()).shape == x.shape


def test_gradcheck(reduce):
    x, neighbours = random_graph(9, 4, 3, torch.float64)
    assert torch.autograd.gradcheck(lambda x: AGGREGATIONS[reduce](x, neighbours), x.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_are_torch_operators(dtype):
    x, neighbours = random_graph(20, 4, 3, dtype)
    for operator in (OPERATORS.neighbour_mean.default, OPERATORS.neighbour_max.default):
        torch.library.opcheck(operator, (x.clone().requires_grad_(), neighbours))
    torch.library.opcheck(OPERATORS.neighbour_mean_gradient.default, (x, neighbours))
    largest = OPERATORS.neighbour_max(x, neighbours)[1]
    torch.library.opcheck(OPERATORS.neighbour_max_gradient.default, (x, largest))


@pytest.mark.parametrize("operator", DECOMPOSITIONS, ids=str)
def test_their_decompositions_give_the_same(operator):
    x, neighbours = random_graph(60, 9, 4, torch.float64)
    torch.testing.assert_close(DECOMPOSITIONS[operator](x, neighbours), operator(x, neighbours))


def test_no_nodes(reduce):
    assert AGGREGATIONS[reduce](torch.empty(2, 0, 2), torch.empty(2, 0, 4).long()).shape == (2, 0, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_at_most_twice_as_wrong_as_plain_torch(reduce, dtype):
    x, neighbours = random_graph(300, 64, 16, dtype, clips=1)
    exact = gather(x.double(), neighbours, reduce)
    value = AGGREGATIONS[reduce](x, neighbours)
    assert value.dtype == dtype
    plain = (gather(x, neighbours, reduce).double() - exact).abs().max()
    assert (value.double() - exact).abs().max() <= 2 * plain

    weight = torch.randn(1, 300, 16, generator=torch.Generator().manual_seed(2))
    ours, plain, exact = (
        _gradient(x.to(kind), weight.to(kind), function)
        for function, kind in (
            (lambda x: AGGREGATIONS[reduce](x, neighbours), dtype),
            (lambda x: gather(x, neighbours, reduce), dtype),
            (lambda x: gather(x, neighbours, reduce), torch.float64),
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
    x = torch.tensor([[[1.0], [5.0], [5.0]]], requires_grad=True)
    neighbour_max(x, torch.tensor([[[0, 2, 1]] * 3])).sum().backward()
    assert x.grad.tolist() == [[[0], [0], [3]]]


@pytest.mark.parametrize("threads", [1, 2])
def test_forward_and_backward_are_deterministic(reduce, threads):
    x, neighbours = random_graph(700, 32, 64, torch.float32, clips=1)
    before, results = torch.get_num_threads(), []
    try:
        torch.set_num_threads(threads)
        for _ in range(5):
            leaf = x.clone().requires_grad_()
            value = AGGREGATIONS[reduce](leaf, neighbours)
            (value * x.sin()).sum().backward()
            results.append((value, leaf.grad))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for result in results[1:] for a, b in zip(result, results[0], strict=True))


def test_non_contiguous_input_and_gradient(reduce):
    x, neighbours = random_graph(30, 4, 6, torch.float64, clips=1)
    leaf = x.mT.contiguous().mT.requires_grad_()
    value = AGGREGATIONS[reduce](leaf, neighbours.mT.contiguous().mT)
    value.backward(torch.ones(1, 6, 30, dtype=torch.float64).mT)
    torch.testing.assert_close(value, gather(x, neighbours, reduce))
    assert leaf.grad.sum() == pytest.approx(180)


def test_some_form_fits_whatever_comes():
    for operator in CHOICES:
        for dtype in FLOATS:
            assert fastest(operator, torch.empty(1, 10**6, 64, dtype=dtype, device="meta"))
