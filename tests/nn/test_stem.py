"""The stem's fast first convolution and fused mask are their definitions, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rppg_graph.nn.attention_mask import MASK_AXES, attention_mask, masked
from rppg_graph.nn.stem import DiffBlock, conv_of_difference


@pytest.fixture
def layers():
    torch.manual_seed(3)
    block, conv = DiffBlock().double(), nn.Conv3d(6, 4, 3, stride=2, padding=1).double()
    for value in (block.norm.weight, block.norm.bias, block.norm.running_mean, block.norm.running_var):
        value.data.uniform_(0.5, 1.5)
    return block, conv


@pytest.mark.parametrize("training", [True, False])
def test_conv_of_difference_is_conv_after_block(layers, training):
    block, conv = layers
    block.train(training)
    start = {name: value.clone() for name, value in block.state_dict().items()}
    video = torch.rand(2, 3, 9, 7, 8, dtype=torch.float64)
    parameters = [*block.parameters(), *conv.parameters()]
    weights = torch.randn(2, 4, 5, 4, 4, dtype=torch.float64)

    def value_gradients_statistics(run):
        block.load_state_dict(start)
        out = run()
        return out, *torch.autograd.grad((out * weights).sum(), parameters), *block.buffers()

    expected = [value.clone() for value in value_gradients_statistics(lambda: conv(block(video)))]
    found = value_gradients_statistics(lambda: conv_of_difference(video, block, conv))
    assert len(found) == 1 + 4 + 3
    for ours, definition in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, definition, rtol=1e-11, atol=1e-11)


def test_a_video_that_wants_a_gradient_gets_it(layers):
    block, conv = layers
    block.eval()
    video = torch.rand(1, 3, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: conv_of_difference(v, block, conv), video)


@pytest.mark.parametrize("axes", MASK_AXES.values())
def test_masked_is_the_product_with_the_mask(axes):
    generator = torch.Generator().manual_seed(5)
    x, logits, weights = (torch.randn(2, 3, 4, 5, 6, dtype=torch.float64, generator=generator) for _ in range(3))
    x.requires_grad_(), logits.requires_grad_()

    def value_and_gradients(out):
        return out, *torch.autograd.grad((out * weights).sum(), (x, logits))

    expected = value_and_gradients(x * attention_mask(torch.sigmoid(logits), axes))
    for ours, definition in zip(value_and_gradients(masked(x, logits, axes)), expected, strict=True):
        torch.testing.assert_close(ours, definition, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: masked(a, b, axes), (x, logits))
