"""The stem's fast first convolution and fused mask are their definitions, in value and gradient."""

import pytest
import torch
from torch import nn

from rppg_graph.nn import stem
from rppg_graph.nn.attention_mask import MASK_AXES, attention_mask, masked
from rppg_graph.nn.stem import DiffBlock, conv_of_difference


@pytest.fixture
def layers():
    torch.manual_seed(3)
    block, conv = DiffBlock().double(), nn.Conv3d(6, 4, 3, stride=2, padding=1).double()
    for value in (block.norm.weight, block.norm.bias, block.norm.running_mean, block.norm.running_var):
        value.data.uniform_(0.5, 1.5)
    return block, conv


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("training", [True, False])
def test_conv_of_difference_is_conv_after_block(layers, training, at_once, monkeypatch):
    monkeypatch.setitem(stem.CHANNELS_AT_ONCE, "cpu", at_once)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_rounds_what_is_convolved_and_nothing_before(dtype):
    torch.manual_seed(4)
    block, conv = DiffBlock().eval(), nn.Conv3d(6, 4, 3, stride=2, padding=1, bias=False)
    block.norm.bias.data.zero_()
    block, conv, video = block.to(dtype), conv.to(dtype), torch.rand(2, 3, 9, 7, 8, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = conv_of_difference(video, block, conv)
    convolved = torch.bfloat16 if dtype == torch.float32 else dtype
    assert found.dtype == convolved
    # the scale of the norm is applied to the weights: the normalised difference is what is rounded
    planes = torch.cat((video, block.normalised(video)), dim=1).to(convolved).double()
    weight = torch.cat((conv.weight[:, :3], conv.weight[:, 3:] * block.norm.weight.view(-1, 1, 1, 1)), dim=1)
    expected = torch.nn.functional.conv3d(planes, weight.to(convolved).double(), stride=2, padding=1)
    expected = expected if dtype == torch.float64 else expected.to(convolved)
    rounding = 2**-8 if dtype == torch.float32 else 1e-12  # of the sum alone
    torch.testing.assert_close(found.double(), expected.double(), rtol=rounding, atol=rounding)


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
