"""The fast dropout against the law of dropout."""

import pytest
import torch

from rppg_graph.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.06, 0.125, 0.25, 0.5, 0.9])
def test_rate_and_scale(p):
    torch.manual_seed(3)
    y = Dropout(p)(torch.ones(200, 1003))
    kept = y[y != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-3, atol=0)
    deviation = (p * (1 - p) / y.numel()) ** 0.5
    assert (y == 0).double().mean().item() == pytest.approx(p, abs=4 * deviation + 2**-16)
    assert y.double().mean().item() == pytest.approx(1, abs=4 * deviation / (1 - p))


def test_elements_are_independent_of_their_neighbours():
    """Four elements share one random number: neither their rates nor pairs of them may show it."""
    torch.manual_seed(4)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).view(-1, 4).double()
    count = len(dropped)
    assert (dropped.mean(0) - 0.5).abs().max() < 4.5 * 0.5 / count**0.5
    correlation = torch.corrcoef(dropped.T) - torch.eye(4)
    assert correlation.abs().max() < 4.5 / count**0.5


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3, 5, 3), (0, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_shape_and_type(shape, dtype):
    y = Dropout(0.5)(torch.ones(shape, dtype=dtype))
    assert y.shape == torch.Size(shape)
    assert y.dtype == dtype
    assert set(y.flatten().tolist()) <= {0.0, 2.0}


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.contiguous(memory_format=torch.channels_last),
                                    lambda x: x[:, ::2], lambda x: x.transpose(1, 3)])  # fmt: skip
def test_any_memory_layout_and_its_gradient(layout):
    x = layout(torch.rand(5, 6, 7, 8) + 1).detach().requires_grad_()
    y = Dropout(0.25)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(y, x * gradient)
    assert {round(value, 4) for value in gradient.unique().tolist()} == {0.0, 1.3333}


def test_seed_decides():
    x, draws = torch.ones(1000), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(Dropout(0.25)(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_edges_of_the_rate_and_evaluation():
    x = torch.randn(100)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros(100))
    assert torch.equal(Dropout(0.5).eval()(x), x)
