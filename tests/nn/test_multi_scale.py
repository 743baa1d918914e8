"""Multi-scale feature enhancement and grouped squeeze-excite: sizes, fields of view, formula."""

import pytest
import torch

from rppg_graph.nn.multi_scale import MultiScaleEnhancement
from rppg_graph.nn.squeeze_excite import GroupedSqueezeExcite


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts():
    assert count(MultiScaleEnhancement(64)) == 9_476
    assert count(GroupedSqueezeExcite(64)) == 324


@pytest.mark.parametrize("dilations", [(1, 2, 4, 8), (1, 4, 8, 32), (1, 2)])
@pytest.mark.parametrize("size", [(33, 33), (5, 7), (1, 1)])
def test_shape_is_kept(dilations, size):
    x = torch.randn(2, 64, *size)
    assert MultiScaleEnhancement(64, dilations)(x).shape == x.shape


def test_each_scale_sees_what_the_ones_before_it_saw():
    block = MultiScaleEnhancement(64).eval()
    for scale in block.scales:
        torch.nn.init.ones_(scale[0].weight)
    torch.nn.init.ones_(block.reduce[0].weight)
    x = torch.zeros(1, 64, 41, 41)
    x[0, :, 20, 20] = 1
    seen = []
    hooks = [scale.register_forward_hook(lambda _m, _i, out: seen.append(out[0, 0] > 0)) for scale in block.scales]
    block(x)
    assert len(hooks) == len(seen) == 4
    radii = [1, 3, 7, 15]  # sums of the dilations so far
    for radius, reached in zip(radii, seen, strict=True):
        expected = torch.zeros(41, 41, dtype=torch.bool)
        expected[20 - radius : 21 + radius, 20 - radius : 21 + radius] = True
        assert torch.equal(reached, expected)


def test_identity_is_added_before_the_last_relu():
    block, x = MultiScaleEnhancement(64).eval(), torch.randn(2, 64, 9, 9)
    torch.nn.init.zeros_(block.merge[0].weight)
    torch.testing.assert_close(block(x), x.relu())


def test_scales_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match=r"dilations=\(1, 2, 4\): 3 scales do not divide 64 channels"):
        MultiScaleEnhancement(64, (1, 2, 4))


def test_squeeze_excite_formula_with_its_groups_written_out():
    layer, x = GroupedSqueezeExcite(64).double(), torch.randn(3, 64, 5, 4, dtype=torch.float64)
    average = x.mean((2, 3))  # (N, 64)
    gates = []
    for group in range(2):
        few, many = slice(2 * group, 2 * group + 2), slice(32 * group, 32 * group + 32)
        squeezed = average[:, many] @ layer.squeeze.weight[few, :, 0, 0].T + layer.squeeze.bias[few]
        gates.append(squeezed.relu() @ layer.excite.weight[many, :, 0, 0].T + layer.excite.bias[many])
    gate = torch.cat(gates, 1).sigmoid()[:, :, None, None]
    torch.testing.assert_close(layer(x), x * gate, rtol=1e-12, atol=1e-14)
