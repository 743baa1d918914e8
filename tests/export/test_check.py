"""The check lets a faithful file pass and no other."""

import copy

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.export import check as module
from rppg_graph.export.check import CLOSE, EXACT, check
from rppg_graph.export.network import inference_form


@pytest.fixture
def model(tiny_network) -> torch.nn.Module:
    return tiny_network("stgnet_small")


def test_a_faithful_form_passes(model, clips):
    found = check(inference_form(model), model, clips, 30.0)
    assert found.exact < EXACT / 1e3
    assert max(found.close) < CLOSE / 10
    assert found.bpm == (None, None)  # 32 frames are too short for a heart rate
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
def test_a_wrong_file_is_refused(wrong, tiny_network, clips):
    model = tiny_network("stream_net")  # whose waves follow the input closely, untrained as it is
    with pytest.raises(InputError, match="the file's waves deviate"):
        check(wrong(model), model, clips, 30.0)


def test_one_swapped_neighbour_passes_and_two_clips_that_deviate_do_not(tiny_network, clips):
    model = tiny_network("stream_net")
    for clips_moved, passes in ((1, True), (3, False)):

        def moved(video, count=clips_moved):
            wave = model(video)
            wave[:count, 5] += 0.02 * wave[:count].std(1)
            return wave

        if passes:
            assert check(moved, model, clips, 30.0).close[0] == pytest.approx(0.02, rel=0.05)
        else:
            with pytest.raises(InputError, match="at most"):
                check(moved, model, clips, 30.0)


def test_a_form_that_is_slightly_wrong_is_refused(model, clips, monkeypatch):
    def forgetful(network):
        network = copy.deepcopy(network)
        network.stages[1].denoise[0].mlp[0].weight.data *= 1 + 1e-4  # below what `CLOSE` would see
        return inference_form(network)

    monkeypatch.setattr(module, "inference_form", forgetful)
    with pytest.raises(InputError, match="in float64"):
        check(model, model, clips, 30.0)


def test_a_network_that_says_nothing_is_refused(model, clips):
    torch.nn.init.zeros_(model.head.out.weight)
    with pytest.raises(InputError, match="constant"):
        check(model, model, clips, 30.0)
