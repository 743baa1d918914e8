"""Lateral attention against its formula in numpy."""

import numpy as np
import torch

from rppg_graph.nn.lateral_attention import LateralAttention


def test_formula():
    layer, x = LateralAttention(4).double(), torch.randn(3, 4, 5, 6, dtype=torch.float64)
    weight = layer.conv.weight.detach().numpy()[0, :, 0, 0]
    gate = 1 / (1 + np.exp(-(np.einsum("nchw,c->nhw", x.numpy(), weight) + layer.conv.bias.item())))
    expected = gate * 5 * 6 * 0.5 / gate.sum((1, 2), keepdims=True)
    np.testing.assert_allclose(layer(x).detach().numpy()[:, 0], expected, rtol=1e-12)
