"""Small networks whose every weight and statistic matters."""

import inspect
from typing import get_type_hints

import pytest
import torch

from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint

FRAMES, SIZE = 32, 32


@pytest.fixture(scope="session")
def tiny_network():
    """Function from a name of MODELS and options to a network in eval mode, no norm of which is the identity."""

    def build(name: str, frames: int = FRAMES, **options: object) -> torch.nn.Module:
        torch.manual_seed(0)
        sized = {"size": SIZE, "clip_frames": frames, "stages": [(2, 6, 2), (1, 4, 1)]}
        taken = inspect.signature(get_type_hints(MODELS[name])["return"]).parameters.keys() & sized.keys()
        model = MODELS[name](**{key: sized[key] for key in taken} | options)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            for name, buffer in model.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    buffer.add_(0.3 * torch.rand_like(buffer))
        return model.eval()

    return build


@pytest.fixture(scope="session")
def clips() -> torch.Tensor:
    """Three clips (3, 3, T, S, S) of smooth noise in [0, 1]."""
    torch.manual_seed(1)
    coarse = torch.rand(3, 3, FRAMES // 4, SIZE // 4, SIZE // 4)
    fine = torch.nn.functional.interpolate(coarse, size=(FRAMES, SIZE, SIZE), mode="trilinear")
    return (0.8 * fine + 0.1 + 0.02 * torch.randn_like(fine)).clamp(0, 1)


@pytest.fixture(scope="session")
def as_checkpoint():
    """Function from a network, its name and options to a checkpoint of it."""

    def make(model: torch.nn.Module, name: str, clip: tuple[int, int] = (FRAMES, SIZE), **options) -> Checkpoint:
        data = {"clip_frames": clip[0], "crop": {"size": clip[1], "detector": "ultra-light", "policy": "fail"}}
        config = {"data": data, "model": {"name": name, "options": options}}
        return Checkpoint(model, config, 29.5, 72.0, {})

    return make
