"""The fast hyperbolic tangent against torch's."""

import pytest
import torch

from rppg_graph.nn.tanh import tanh


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2.0**-22), (torch.float64, 2.0**-51)])
def test_values_and_gradient(dtype, bound):
    x = torch.cat([torch.linspace(-12, 12, 100_001), torch.tensor([-1e30, 0.0, 1e-6, 1e30])]).to(dtype).requires_grad_()
    truth = torch.tanh(x.detach().double())
    y = tanh(x)
    assert (y.double() - truth).abs().max() <= bound
    y.sum().backward()
    assert (x.grad.double() - (1 - truth**2)).abs().max() <= 2 * bound


def test_gradcheck_and_untouched_input():
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    before = x.detach().clone()
    assert torch.autograd.gradcheck(tanh, x)
    assert torch.equal(x.detach(), before)
    assert tanh(torch.tensor(float("nan"))).isnan()
