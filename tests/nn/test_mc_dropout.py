"""Monte-Carlo dropout on a network small enough to know the answer, and what it leaves behind."""

import pytest
import torch
from torch import nn

from rppg_graph.errors import InputError
from rppg_graph.nn import mc_dropout
from rppg_graph.nn.drop_path import DropPath
from rppg_graph.nn.dropout import Dropout


class Weighted(nn.Module):
    """Linear in its dropped features, so that mean and variance of the samples have a formula."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.drop, self.drop_late = Dropout(0.25), nn.Dropout(0.5)
        self.linear = nn.Linear(6, 1)
        self.befores = 0

    def forward(self, video):
        return self.after_dropout(self.before_dropout(video), frames=video.shape[2])

    def before_dropout(self, video):
        self.befores += 1
        return self.norm(video.mean((3, 4)).repeat(1, 2, 1)).transpose(1, 2)  # (B, T, 6)

    def after_dropout(self, features, frames):
        assert features.shape[1] == frames
        return self.drop_late(self.linear(self.drop(features)).squeeze(-1))


class OnlyPath(nn.Module):
    """The state as a tuple, and DropPath as the one dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.path = DropPath(0.25)

    def before_dropout(self, video):
        return video.mean((1, 3, 4)), video.amax((1, 3, 4))

    def after_dropout(self, state, frames):
        return state[0] + self.path(state[1])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Weighted().eval()


@pytest.fixture
def video():
    return torch.rand(2, 3, 5, 4, 4)


def test_mean_and_variance_of_a_linear_network(model, video):
    model.drop_late = nn.Identity()
    p, samples = 0.4, 20_000
    variance, mean = torch.var_mean(mc_dropout.sample(model, video, samples, p).double(), 0)
    terms = (model.before_dropout(video) * model.linear.weight[0]).detach().double()  # (B, T, 6)
    expected = p / (1 - p) * terms.square().sum(-1)
    assert ((mean - model(video)).abs() < 5 * (expected / samples).sqrt()).all()
    torch.testing.assert_close(variance, expected, rtol=0.1, atol=0)


def test_same_seed_same_samples(model, video):
    first, again, other = (mc_dropout.sample(model, video, 4, 0.25, seed) for seed in (7, 7, 8))
    assert first.shape == (4, 2, 5)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_clips_of_a_batch_and_samples_are_dropped_by_themselves(video):
    samples = mc_dropout.sample(OnlyPath(), video[:1].expand(2, -1, -1, -1, -1), 400, 0.5)
    dropped = (samples == samples.amin((0, 2), keepdim=True)).any(-1)  # (S, B)
    assert 0.35 < (dropped[:, 0] == dropped[:, 1]).double().mean() < 0.65


def test_what_comes_before_the_first_dropout_runs_once(model, video):
    mc_dropout.sample(model, video, 9, 0.25)
    assert model.befores == 1


def test_samples_in_groups_are_as_many(model, video, monkeypatch):
    bytes_of_one = model.before_dropout(video).numel() * 4
    monkeypatch.setattr(mc_dropout, "GROUP_BYTES", 2 * bytes_of_one + 1)
    samples = mc_dropout.sample(model, video, 5, 0.25)
    assert samples.shape == (5, 2, 5)
    assert len({tuple(sample.flatten().tolist()) for sample in samples}) == 5


@pytest.mark.parametrize("training", [True, False])
def test_everything_is_left_as_it_was(model, video, training):
    model.train(training)
    model.norm.eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    generator = torch.get_rng_state()
    mc_dropout.sample(model, video, 3, 0.9)
    assert [module.training for module in model.modules()] == modes
    assert (model.drop.p, model.drop_late.p) == (0.25, 0.5)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_batch_norm_stays_in_evaluation_although_the_network_trains(model, video):
    expected = mc_dropout.sample(model.eval(), video, 3, 0.25)
    assert torch.equal(mc_dropout.sample(model.train(), video, 3, 0.25), expected)


def test_modes_are_restored_after_an_error(model, video):
    with pytest.raises(RuntimeError):
        mc_dropout.sample(model.train(), video[:, :2], 3, 0.5)
    assert model.training
    assert (model.drop.p, model.drop_late.p) == (0.25, 0.5)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, (0.1, 0.1)), ("half", (0.125, 0.25)), ("third", (0.06, 0.16))])
def test_rates(model, rate, expected):
    with mc_dropout.dropout_alone(model, rate):
        assert (model.drop.p, model.drop_late.p) == expected
        assert (model.drop.training, model.norm.training, model.training) == (True, False, False)


@pytest.mark.parametrize("rate", ["quarter", 0, 1, -0.5, 1.5, float("nan"), True, None])
def test_unknown_rate(model, video, rate):
    with pytest.raises(InputError, match=r"rate=.*above 0 and below 1, or one of half, third"):
        mc_dropout.sample(model, video, 3, rate)


@pytest.mark.parametrize("samples", [1, 0, -3, 2.5, True])
def test_too_few_samples(model, video, samples):
    with pytest.raises(InputError, match=f"samples={samples}: .* at least 2"):
        mc_dropout.sample(model, video, samples, 0.25)


def test_network_without_dropout(video):
    model = OnlyPath()
    model.path = nn.Identity()
    with pytest.raises(InputError, match="OnlyPath has no dropout layer"):
        mc_dropout.sample(model, video, 3, 0.25)
