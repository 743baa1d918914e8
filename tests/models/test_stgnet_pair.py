"""The pair of STGNets: the mean of its members' waves, started from a checkpoint of each."""

import numpy as np
import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.experiments.train_run import start_from
from rppg_graph.models.checkpoint import Checkpoint, save
from rppg_graph.models.stgnet import stgnet_small
from rppg_graph.models.stgnet_pair import STGNetPair, mean_of_waves, stgnet_pair
from rppg_graph.nn.mc_dropout import sample

OPTIONS = {"size": 16, "clip_frames": 32, "stages": [[1, 4, 2]]}


@pytest.fixture
def pair() -> STGNetPair:
    torch.manual_seed(0)
    return stgnet_pair(**OPTIONS).eval()


@pytest.fixture
def video() -> torch.Tensor:
    return torch.rand(3, 3, 32, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def member_file(tmp_path):
    """Function from a seed to the checkpoint of a network and its place."""

    def write(seed: int, **options):
        torch.manual_seed(seed)
        model = stgnet_small(**(OPTIONS | options))
        config = {"model": {"name": "stgnet_small", "options": OPTIONS | options}}
        save(tmp_path / f"{seed}.pt", Checkpoint(model, config, 30.0, 70.0, {}))
        return model, tmp_path / f"{seed}.pt"

    return write


def test_the_wave_is_the_mean_of_its_members_standardised_waves(pair, video):
    with torch.no_grad():
        waves = [member(video).numpy().astype(np.float64) for member in pair.members]
        found = pair(video).numpy()
    assert not np.allclose(*waves)
    expected = np.mean([(wave - wave.mean(1, keepdims=True)) / wave.std(1, keepdims=True) for wave in waves], axis=0)
    assert np.allclose(found, expected, atol=1e-4)


def test_both_halves_are_the_whole(pair, video):
    with torch.no_grad():
        assert torch.equal(pair.after_dropout(pair.before_dropout(video), frames=32), pair(video))


def test_a_constant_wave_counts_as_none():
    sine = torch.sin(torch.arange(60.0))[None]
    found = mean_of_waves([sine, torch.full_like(sine, 3.0)])
    assert torch.allclose(found, (sine - sine.mean()) / sine.std(correction=0) / 2, atol=1e-5)


def test_samples_of_dropout_are_seeded_and_scatter(pair, video):
    waves = sample(pair, video, samples=4, rate=0.5, seed=3)
    assert waves.shape == (4, 3, 32)
    assert torch.equal(waves, sample(pair, video, samples=4, rate=0.5, seed=3))
    assert waves.std(0).min() > 0


def test_each_member_starts_from_its_own_checkpoint(pair, member_file):
    (first, one), (second, two) = member_file(5), member_file(6)
    start_from(pair, (one, two))
    for member, given in zip(pair.members, (first, second), strict=True):
        state = given.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in member.state_dict().items())


def test_starts_that_do_not_fit_are_refused(pair, member_file):
    one, other = member_file(5)[1], member_file(7, stages=[[2, 4, 2]])[1]
    with pytest.raises(InputError, match=r"names 3 checkpoints .*5\.pt.*; the network takes 2"):
        start_from(pair, (one, one, one))
    with pytest.raises(InputError, match=r"names 2 checkpoints .*; the network takes 1"):
        start_from(stgnet_small(**OPTIONS), (one, one))
    with pytest.raises(InputError, match=r"7\.pt holds another network"):
        start_from(pair, (one, other))
