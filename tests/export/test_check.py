"""The check lets a faithful file pass and no other."""

from __future__ import annotations

import copy

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.export import check as module
from rppg_graph.export.check import CLOSE, EXACT, check
from rppg_graph.export.dense import dense_form


@pytest.fixture
def model(tiny_network) -> torch.nn.Module:
    return tiny_network("stgnet_small")


def test_a_faithful_form_passes(model, clips):
    found = check(dense_form(model, *clips.shape[2:4]), model, clips, 30.0)
    assert found.exact < EXACT / 1e3
    assert found.close < CLOSE / 1e2
    assert found.bpm == (None, None)  # 24 frames are too short for a heart rate
    assert min(found.milliseconds) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model: lambda video: model(video.flip(2)),  # time backwards
        lambda model: lambda video: model(video.flip(1)),  # blue first
        lambda model: lambda video: model(video[:1]).expand(len(video), -1),  # every clip the first one
        lambda model: lambda video: torch.full_like(model(video), torch.nan),
    ],
    ids=["time", "colour", "batch", "nan"],
)
def test_a_wrong_file_is_refused(wrong, model, clips):
    with pytest.raises(InputError, match="the file's wave deviates"):
        check(wrong(model), model, clips, 30.0)


def test_a_dense_form_that_is_slightly_wrong_is_refused(model, clips, monkeypatch):
    def forgetful(network, frames, size):
        network = copy.deepcopy(network)
        network.stages[0].denoise[0].position.data[0] += 1e-4  # one patch of 48, far below what `CLOSE` would see
        return dense_form(network, frames, size)

    monkeypatch.setattr(module, "dense_form", forgetful)
    with pytest.raises(InputError, match="in float64"):
        check(model, model, clips, 30.0)


def test_a_network_that_says_nothing_is_refused(model, clips):
    torch.nn.init.zeros_(model.head.out.weight)
    with pytest.raises(InputError, match="constant"):
        check(model, model, clips, 30.0)
