"""The attention mask where a whole plane is closed: finite, and what exact arithmetic gives."""

from __future__ import annotations

import pytest
import torch

from rppg_graph.nn.attention_mask import MASK_AXES, attention_mask, gate_of, masked
from rppg_graph.nn.lateral_attention import LateralAttention


def exact_mask(logits: torch.Tensor, axes: tuple[int, int]) -> torch.Tensor:
    """``0.5 · g / mean(g)`` through logarithms, in float64: nothing is rounded to zero."""
    log_gate = torch.nn.functional.logsigmoid(logits.double())
    planes = logits.shape[axes[0]] * logits.shape[axes[1]]
    return (log_gate - log_gate.logsumexp(axes, keepdim=True)).exp() * 0.5 * planes


@pytest.mark.parametrize("axes", MASK_AXES.values(), ids=MASK_AXES)
@pytest.mark.parametrize("centre", [0.0, -25.0, -31.0, -100.0, -1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_closed_plane_has_the_mask_and_gradient_of_exact_arithmetic(axes, centre, dtype):
    generator = torch.Generator().manual_seed(5)
    x, logits, weights = (torch.randn(2, 3, 4, 5, 6, dtype=torch.float64, generator=generator) for _ in range(3))
    logits = (logits + centre).to(dtype).requires_grad_()
    x = x.to(dtype).requires_grad_()
    expected = torch.autograd.grad((x.double() * exact_mask(logits, axes) * weights).sum(), (x, logits))
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 2e-4, "atol": 2e-5}
    for form in (masked, lambda x, z, axes: x * attention_mask(gate_of(z, axes), axes)):
        out = form(x, logits, axes)
        torch.testing.assert_close(out.double(), x.double() * exact_mask(logits, axes), **tolerance)
        found = torch.autograd.grad((out.double() * weights).sum(), (x, logits))
        for gradient, exact in zip(found, expected, strict=True):
            torch.testing.assert_close(gradient, exact, **tolerance)


def test_lateral_attention_of_a_closed_frame_is_finite():
    layer = LateralAttention(2)
    with torch.no_grad():
        layer.conv.bias.fill_(-500.0)
    mask = layer(torch.randn(3, 2, 4, 4))
    torch.testing.assert_close(mask.mean((2, 3)), torch.full((3, 1), 0.5))
    mask.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
