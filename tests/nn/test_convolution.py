"""A single clip takes another way through the convolution, to the same values."""

import pytest
import torch
from torch import nn

from rppg_graph.nn.convolution import Conv3d


@pytest.mark.parametrize("stride", [1, 2, (1, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_one_clip_is_what_torch_gives(stride, dtype, layout):
    torch.manual_seed(1)
    ours = Conv3d(16, 24, 3, stride, padding=1).to(dtype)
    theirs = nn.Conv3d(16, 24, 3, stride, padding=1).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 16, 9, 8, 7, dtype=dtype).contiguous(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours(x).sum(), theirs(x).sum(), rtol=1e-4, atol=1e-3)  # with a gradient


def test_gradient_and_autocast_are_torch_s_own():
    conv = Conv3d(2, 2, 3, padding=1)
    x = torch.randn(1, 2, 4, 4, 4)
    conv(x).sum().backward()
    assert conv.weight.grad is not None
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
