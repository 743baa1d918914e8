"""The baseline of the model benchmark computes what our network does, and the same gradients, in float64.

That our network's are the released ones is tested in models/test_stgnet_parity.py.
"""

import pytest
import torch

from rppg_graph.models.stgnet import from_released, stgnet_released
from rppg_graph.training.losses import neg_pearson


@pytest.mark.slow
def test_training_loss_every_gradient_and_the_output_then_are_our_networks(load_bench):
    torch.manual_seed(0)
    plain = load_bench("plain").PlainSTGNet(drop_path=0.0, size=16).double().train()
    ours = stgnet_released(size=16, drop_path=0.0).double().train()
    ours.load_state_dict(from_released(plain.state_dict()))
    for module in (*plain.modules(), *ours.modules()):
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # so that the statistics that evaluation reads are those of the clips
    video = torch.rand(2, 3, 160, 16, 16, dtype=torch.float64)
    wave = torch.sin(2 * torch.pi * 1.3 * torch.arange(160, dtype=torch.float64) / 30).expand(2, -1)
    losses = [neg_pearson(network(video), wave) for network in (plain, ours)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-9)
    found = from_released({name: parameter.grad for name, parameter in plain.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-8, atol=1e-11)
    with torch.no_grad():
        outputs = [network.eval()(video) for network in (plain, ours)]
    assert outputs[0].std(1).min() > 0.01
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-9)
