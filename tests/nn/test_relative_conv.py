"""Average- and max-relative graph convolutions: the formula, every kind of edge index, gradients."""

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing

from rppg_graph.graph.edges import CompleteGraph, neighbours_to_edge_index
from rppg_graph.nn.relative_conv import AttentionRelativeConv, AverageRelativeConv, MaxRelativeConv


def attended(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Values (M, K, C), weighted by their products with x (M, C)."""
    products = torch.einsum("mc,mkc->mk", x, values) / x.shape[1] ** 0.5
    weights = products.exp() / products.exp().sum(1, keepdim=True)
    return torch.einsum("mk,mkc->mc", weights, values)


# ⊕ by its definition: nodes (M, C), values of their neighbours (M, K, C) → (M, C).
CONVS = {
    AverageRelativeConv: lambda x, values: values.mean(1),
    MaxRelativeConv: lambda x, values: values.amax(1),
    AttentionRelativeConv: attended,
}


@pytest.fixture(params=CONVS)
def conv(request) -> MessagePassing:
    torch.manual_seed(0)
    return request.param(6, 8, groups=4).double()


@pytest.fixture
def nodes() -> torch.Tensor:
    return torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def neighbours() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.stack([torch.randperm(20, generator=generator)[:5] for _ in range(20)])


def by_definition(conv: MessagePassing, x: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
    """A grouped 1×1 convolution of interleaved channels, of which the second of a pair is ⊕_j x_j − x_i."""
    relative = CONVS[type(conv)](x, x[neighbours]) - x
    pairs = torch.stack((x, relative), dim=2).flatten(1)  # (M, 2·C)
    weight = conv.weight.flatten(0, 1)[..., None]  # (C', 2·C/groups, 1)
    return torch.nn.functional.conv1d(pairs.T[None], weight, conv.bias, groups=4)[0].T


def test_the_formula(conv, nodes, neighbours):
    expected = by_definition(conv, nodes, neighbours)
    torch.testing.assert_close(conv(nodes, neighbours_to_edge_index(neighbours)), expected)
    torch.testing.assert_close(conv(nodes[None], neighbours[None])[0], expected)


def test_lists_of_a_batch_are_counted_within_each_graph(conv, nodes, neighbours):
    both = conv(torch.stack((nodes, nodes.flip(0))), torch.stack((neighbours, neighbours.roll(3, 0))))
    torch.testing.assert_close(both[0], by_definition(conv, nodes, neighbours))
    torch.testing.assert_close(both[1], by_definition(conv, nodes.flip(0), neighbours.roll(3, 0)))


def test_bipartite_edges(conv, nodes):
    targets = torch.randn(3, 6, dtype=torch.float64)
    lists = torch.tensor([[4, 19], [0, 1], [7, 2]])
    edges = torch.stack((lists.flatten(), torch.arange(3).repeat_interleave(2)))
    reduced = CONVS[type(conv)](targets, nodes[lists])
    everybody = torch.cat((targets, reduced))  # node i's only neighbour is the reduction itself
    expected = by_definition(conv, everybody, (torch.arange(6) % 3 + 3)[:, None])[:3]
    torch.testing.assert_close(conv((nodes, targets), edges), expected)


def test_repr():
    assert str(AverageRelativeConv(6, 8)) == "AverageRelativeConv(6, 8)"


def test_every_kind_of_edge_index_gives_the_same(conv, nodes, neighbours):
    sorted_edges = neighbours_to_edge_index(neighbours)
    expected, plain = conv(nodes, sorted_edges), sorted_edges.as_tensor()
    shuffled = plain[:, torch.randperm(plain.shape[1], generator=torch.Generator().manual_seed(3))]
    for edges in (
        plain,
        shuffled,
        EdgeIndex(shuffled),
        EdgeIndex(shuffled, sparse_size=(20, 20)).sort_by("row").values,
        EdgeIndex(plain, sort_order="col"),
    ):
        torch.testing.assert_close(conv(nodes, edges), expected)


def test_an_edge_index_without_its_last_nodes(conv, nodes):
    edges = torch.tensor([[3, 4], [0, 1]])
    torch.testing.assert_close(conv(nodes, EdgeIndex(edges, sort_order="col")), conv(nodes, edges))
    assert len(conv(nodes, EdgeIndex(edges, sort_order="col"))) == 20


def test_a_complete_graph_is_everybody(conv, nodes):
    everybody = torch.cat((torch.arange(10).expand(10, -1), torch.arange(10, 20).expand(10, -1)))
    expected = conv(nodes, neighbours_to_edge_index(everybody))
    torch.testing.assert_close(conv(nodes, CompleteGraph(2)), expected)
    torch.testing.assert_close(conv(nodes.view(2, 10, 6), CompleteGraph(2)).flatten(0, 1), expected)


def test_gradients(conv, nodes, neighbours):
    lists, x = neighbours[None], nodes[None].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: _with_weight(conv, w)(x, lists), (x, conv.weight))


def _with_weight(conv: MessagePassing, weight: torch.Tensor):
    return lambda x, edges: torch.func.functional_call(conv, {"weight": weight}, (x, edges))


def test_fused_and_gathered_gradients_agree(conv, nodes, neighbours):
    gradients = []
    for edges in (neighbours[None], neighbours_to_edge_index(neighbours)):
        x = nodes.clone().requires_grad_()
        conv.zero_grad()
        conv(x[None] if edges.dim() == 3 else x, edges).square().sum().backward()
        gradients.append([x.grad, *(parameter.grad.clone() for parameter in conv.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_wrong_number_of_groups():
    with pytest.raises(ValueError, match="groups=4 must divide"):
        AverageRelativeConv(3, 8)


def test_state_dict():
    assert {k: tuple(v.shape) for k, v in AverageRelativeConv(64, 128).state_dict().items()} == {
        "weight": (4, 32, 32),
        "bias": (128,),
    }
