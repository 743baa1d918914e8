"""STGNet against what the released network computes (tests/golden), in float64."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rppg_graph.models.stgnet import from_released, stgnet_released
from rppg_graph.training.losses import neg_pearson


@pytest.fixture(scope="module")
def network(released_state):
    def make(dtype: torch.dtype, **options):
        model = stgnet_released(**options).to(dtype)
        model.load_state_dict(from_released(released_state("stgnet_released")))
        return model

    return make


def sample(activation: torch.Tensor) -> np.ndarray:
    flat = activation.detach().flatten().numpy()
    return flat[:: max(1, flat.size // 512)][:512]


def test_input_is_the_golden_one(golden_clip, golden):
    expected = float(golden("stgnet_released_seed1")["input_sum"])
    assert golden_clip.astype(np.float64).sum() == pytest.approx(expected, abs=1e-6)


def test_parameter_counts(network):
    model = network(torch.float32)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert count == {"stem": 284_198, "stages": 1_951_936, "head": 49_793}


@pytest.mark.slow
def test_eval_activations_in_float64(network, golden_clip, golden):
    expected, model = golden("stgnet_released_seed1"), network(torch.float64).eval()
    seen: dict[str, torch.Tensor] = {}
    model.stem.register_forward_hook(lambda _m, _i, out: seen.update(stem=out))
    number = 0
    for stage in model.stages:
        for block in stage.denoise:
            name = f"stgm_block{number}"
            block.register_forward_hook(
                lambda _m, inputs, out, name=name: seen.update({name: _feature_map(out, inputs[1])})
            )
            number += 1
        name = f"stgm_block{number}"
        stage.select.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        number += 1
    with torch.no_grad():
        output = model(torch.tensor(golden_clip, dtype=torch.float64))
    assert number == 10
    for name, activation in seen.items():
        scale = float(expected[f"{name}_std"])
        assert list(activation.shape) == list(expected[f"{name}_shape"])
        assert abs(float(activation.mean()) - float(expected[f"{name}_mean"])) < 1e-9 * scale
        assert np.abs(sample(activation.contiguous()) - expected[f"{name}_sample"]).max() < 1e-9 * scale, name
    assert np.abs(output.numpy() - expected["eval_output"]).max() < 1e-9 * expected["eval_output"].std()


def _feature_map(x: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    return x.mT.unflatten(2, grid)


@pytest.mark.slow
def test_eval_output_in_float32(network, golden_clip, golden):
    expected = golden("stgnet_released_seed1")["eval_output"]
    with torch.no_grad():
        output = network(torch.float32).eval()(torch.tensor(golden_clip))
    assert np.abs(output.numpy() - expected).max() < 2e-3 * expected.std()


@pytest.mark.slow
def test_training_loss_and_every_gradient_norm_in_float64(network, golden_clip, golden):
    expected, model = golden("stgnet_released_seed1"), network(torch.float64, drop_path=0.0).train()
    wave = torch.sin(2 * torch.pi * 1.3 * torch.arange(160, dtype=torch.float64) / 30).expand(2, -1)
    output = model(torch.tensor(golden_clip, dtype=torch.float64))
    loss = neg_pearson(output, wave)
    loss.backward()
    assert np.abs(output.detach().numpy() - expected["train_output"]).max() < 1e-9 * expected["train_output"].std()
    assert loss.item() == pytest.approx(float(expected["train_loss"]), rel=1e-9)

    parameters = dict(model.named_parameters())
    released = {k.removeprefix("gradnorm/"): float(v) for k, v in expected.items() if k.startswith("gradnorm/")}
    names = from_released({k: torch.zeros(shape) for k, shape in _released_shapes(released).items()})
    assert len(released) == len(parameters) == len(names)
    for (name, norm), ours in zip(released.items(), names, strict=True):
        if norm > 1e-9:  # below it is the bias of a convolution before a batch norm, whose true gradient is zero
            assert float(parameters[ours].grad.norm()) == pytest.approx(norm, rel=1e-9), name


def _released_shapes(names) -> dict[str, list[int]]:
    path = Path(__file__).resolve().parents[1] / "golden" / "stgnet_released_state_dict_shapes.json"
    shapes = json.loads(path.read_text())
    return {name: shapes[name] for name in names}
