"""The baseline of the model benchmark computes what the released network does: the golden numbers, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rppg_graph.training.losses import neg_pearson


@pytest.fixture
def network(load_bench, released_state):
    model = load_bench("plain").PlainSTGNet(drop_path=0.0).double()
    model.load_state_dict(released_state("stgnet_released"))
    return model


@pytest.mark.slow
def test_eval_output(network, golden_clip, golden):
    expected = golden("stgnet_released_seed1")["eval_output"]
    with torch.no_grad():
        output = network.eval()(torch.tensor(golden_clip, dtype=torch.float64)).numpy()
    assert np.abs(output - expected).max() < 1e-9 * expected.std()


@pytest.mark.slow
def test_training_loss_and_every_gradient_norm(network, golden_clip, golden):
    expected = golden("stgnet_released_seed1")
    wave = torch.sin(2 * torch.pi * 1.3 * torch.arange(160, dtype=torch.float64) / 30).expand(2, -1)
    loss = neg_pearson(network.train()(torch.tensor(golden_clip, dtype=torch.float64)), wave)
    loss.backward()
    assert loss.item() == pytest.approx(float(expected["train_loss"]), rel=1e-9)
    norms = {name: float(expected[f"gradnorm/{name}"]) for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        if norms[name] > 1e-9:  # below it is the bias of a convolution before a batch norm, whose true gradient is zero
            assert float(parameter.grad.norm()) == pytest.approx(norms[name], rel=1e-9), name
