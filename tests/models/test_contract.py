"""What every network promises, whatever it is made of: run over every entry of MODELS."""

import inspect
from typing import get_type_hints

import pytest
import torch

from rppg_graph.models import MODELS
from rppg_graph.training.losses import LABELS, neg_pearson

FRAMES, SIZE = 40, 32

pytestmark = pytest.mark.parametrize("name", MODELS)


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    network = get_type_hints(MODELS[name])["return"]
    options = {"clip_frames": FRAMES, "size": SIZE}
    return MODELS[name](**{key: options[key] for key in inspect.signature(network).parameters.keys() & options.keys()})


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    """Three clips of noise with a pulse of 1.2 Hz in them, so that gradients are not only rounding."""
    generator = torch.Generator().manual_seed(1)
    base = torch.rand(3, 3, 1, SIZE, SIZE, generator=generator) * 0.6 + 0.2
    wave = torch.sin(2 * torch.pi * 1.2 * torch.arange(FRAMES) / 30).view(1, 1, -1, 1, 1)
    noise = torch.randn(3, 3, FRAMES, SIZE, SIZE, generator=generator) * 0.01
    return (base + 0.02 * wave + noise).clamp(0, 1)


def test_shape_and_determinism_in_eval_mode(name, video):
    model = build(name).eval()
    with torch.no_grad():
        first, second = model(video), model(video)
    assert first.shape == (3, FRAMES)
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)


def test_batch_equals_loop(name, video):
    model = build(name).double().eval()  # in float32 a near-tie would swap a neighbour
    with torch.no_grad():
        batch = model(video.double())
        loop = torch.cat([model(clip[None].double()) for clip in video])
    assert (batch - loop).abs().max() < 1e-10 * batch.abs().max().clamp_min(1)


def test_no_gradient_between_clips(name, video):
    model = build(name).eval()
    clips = video.clone().requires_grad_()
    model(clips)[1].square().sum().backward()
    assert clips.grad[1].abs().max() > 0
    assert clips.grad[[0, 2]].abs().max() == 0


def test_save_and_load(name, video, tmp_path):
    model = build(name).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(99)
    other = build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.no_grad():
        assert torch.equal(model(video), other.eval()(video))


@pytest.mark.slow
def test_overfits_one_clip(name, video):
    model = build(name)
    clip = video[:1]
    wave = torch.sin(2 * torch.pi * 1.2 * torch.arange(FRAMES) / 30 + 0.5)[None]
    label = LABELS[model.label](wave)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(200):
        torch.manual_seed(step)
        optimiser.zero_grad()
        loss = neg_pearson(model.train()(clip), label)
        if loss.item() < 0.1:
            return
        loss.backward()
        optimiser.step()
    pytest.fail(f"after 200 steps on one clip the loss is still {loss.item():.2f}")
