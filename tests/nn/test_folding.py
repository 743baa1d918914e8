"""Folding the batch norms away changes no value."""

import pytest
import torch
from torch import nn

from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded

SIZES = {"stgnet_released": {"size": 16, "clip_frames": 32}, "stgnet_paper": {"size": 16, "clip_frames": 32}}
SIZES["stgnet_map"] = {}  # any size


def with_statistics(model: nn.Module) -> nn.Module:
    """Norms as after a training: no statistic and no weight is what it starts as."""
    generator = torch.Generator().manual_seed(4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_same_waves_in_float64(name):
    torch.manual_seed(2)
    model = with_statistics(MODELS[name](**SIZES.get(name, {"size": 16}))).double().eval()
    video = torch.rand(2, 3, 40, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        expected, found = model(video), folded(model)(video)
    assert (found - expected).abs().max() < 1e-9 * expected.std()


def test_no_norm_but_that_of_the_difference_is_left_in_stgnet():
    model = MODELS["stgnet_released"](size=16, clip_frames=32)
    kept = [name for name, module in folded(model).named_modules() if "BatchNorm" in type(module).__name__]
    assert kept == ["stem.0.norm"]


def test_the_network_itself_is_as_before():
    model = MODELS["stgnet_small"](clip_frames=32).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded(model)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_norm_behind_another_operator_stays():
    model = MODELS["stgnet_small"](clip_frames=32, conv="sage")
    assert isinstance(folded(model).stages[0].denoise[0].conv_norm, nn.BatchNorm1d)
