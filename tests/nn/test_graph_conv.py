"""Every graph convolution takes what a denoise block gives it."""

import pytest
import torch

from rppg_graph.graph.edges import neighbours_to_edge_index
from rppg_graph.nn.graph_conv import GRAPH_CONVS


@pytest.mark.parametrize("name", GRAPH_CONVS)
def test_shape_gradient_and_no_dependence_beyond_neighbours(name):
    torch.manual_seed(0)
    conv = GRAPH_CONVS[name](8, 16)
    neighbours = (torch.arange(20)[:, None] + torch.arange(4)) % 20  # node i sees i, i + 1, i + 2, i + 3
    x = torch.randn(20, 8, requires_grad=True)
    out = conv(x, neighbours_to_edge_index(neighbours))
    assert out.shape == (20, 16)
    out[0].sum().backward()
    seen = x.grad.abs().sum(1).nonzero().flatten().tolist()
    assert 0 in seen
    assert set(seen) <= {0, 1, 2, 3}
    assert len(seen) > 1


@pytest.mark.parametrize("name", GRAPH_CONVS)
def test_the_order_of_neighbours_does_not_matter(name):
    torch.manual_seed(0)
    conv = GRAPH_CONVS[name](8, 16).double()
    x = torch.randn(20, 8, dtype=torch.float64)
    neighbours = torch.stack([torch.randperm(20)[:5] for _ in range(20)])
    expected = conv(x, neighbours_to_edge_index(neighbours))
    torch.testing.assert_close(conv(x, neighbours_to_edge_index(neighbours.flip(1))), expected)
