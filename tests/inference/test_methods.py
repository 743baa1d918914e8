"""Monte-Carlo dropout from face frames to a heart rate: a small network whose samples are known."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from beating import faces_of
from torch import nn

from rppg_graph.data.clip_dataset import clip_tensor
from rppg_graph.data.face import FaceFrame
from rppg_graph.errors import InputError
from rppg_graph.inference.judged import by_calibration
from rppg_graph.inference.methods import ClassicalMethod, MonteCarlo, NetworkMethod
from rppg_graph.inference.predict import Tally, summarise
from rppg_graph.nn.drop_path import DropPath
from rppg_graph.nn.mc_dropout import sample
from rppg_graph.pulse.uncertainty import Calibration

FPS, FRAMES = 30.0, 60
SLOW, FAST = 60.0, 92.0


class TwoPulses(nn.Module):
    """Green holds a slow pulse, red a fast and stronger one that a sample drops or doubles."""

    label = "wave"

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.drop = DropPath(p)

    def forward(self, video):
        return self.after_dropout(self.before_dropout(video), frames=video.shape[2])

    def before_dropout(self, video):
        means = video.mean((3, 4))  # (B, 3, T)
        means = means - means.mean(2, keepdim=True)
        return means[:, 1] * self.weight, means[:, 0]

    def after_dropout(self, waves, frames):
        return waves[0] + 4 * self.drop(waves[1])


def faces(frames: int, hole: slice = slice(0)) -> list[FaceFrame]:
    seconds = np.arange(frames) / FPS
    red, green = (120 + 50 * np.sin(2 * np.pi * bpm / 60 * seconds) for bpm in (FAST, SLOW))
    return faces_of(np.stack((red, green, np.full(frames, 120.0)), axis=1), FPS, hole)


def method(samples: int = 16, rate: float | str = "half", seed: int = 0, **model) -> NetworkMethod:
    return NetworkMethod(TwoPulses(**model).eval(), "two", FRAMES, FPS, 8, mc=MonteCarlo(samples, rate, seed))


def test_mean_and_variance_of_one_clip_are_those_of_its_samples():
    drawn = method()
    raw = drawn.wave(faces(FRAMES), FPS)
    video = clip_tensor(np.stack([face.crop for face in faces(FRAMES)]))[None]
    variance, mean = torch.var_mean(sample(drawn.model, video, 16, "half", 0)[:, 0].double(), 0)
    np.testing.assert_allclose(raw.variance, variance / mean.var(correction=0), rtol=1e-5)
    np.testing.assert_allclose(raw.bvp, (mean - mean.mean()) / mean.std(correction=0), atol=1e-5)
    assert raw.samples.shape == (16, FRAMES)


def test_variance_is_merged_as_the_wave_with_holes_where_it_has_them():
    raw = method().wave(faces(400, slice(150, 200)), FPS)
    assert (np.isnan(raw.variance) == np.isnan(raw.bvp)).all()
    assert (np.isnan(raw.samples) == np.isnan(raw.bvp)).all()
    assert np.nanmin(raw.variance) >= 0
    assert len(raw.bvp) == len(raw.variance) == raw.samples.shape[1] == 400


def test_deviation_of_the_heart_rate_is_that_of_the_samples():
    drawn = NetworkMethod(TwoPulses().eval(), "two", 450, FPS, 8, mc=MonteCarlo(16, 0.5, 1))  # one clip of 15 s
    prediction = summarise("two", drawn.wave(faces(450), FPS), Tally(), "test")
    video = clip_tensor(np.stack([face.crop for face in faces(450)]))[None]
    power = torch.fft.rfft(sample(drawn.model, video, 16, 0.5, 1_000_003)[:, 0]).abs()
    rates = 60 * FPS / 450 * power.argmax(1).double()  # bins of 4 bpm hold both pulses exactly
    assert set(rates.tolist()) == {SLOW, FAST}
    expected = float(rates.std())
    assert prediction.spread.sd_bpm == pytest.approx(expected, abs=1)
    np.testing.assert_allclose(prediction.spread.track_sd_bpm, expected, atol=1.5)
    assert len(prediction.spread.track_sd_bpm) == len(prediction.track.bpm) == 6


def test_a_network_is_read_as_a_contact_sensor_and_a_formula_is_not():
    """A slow pulse with a strong overtone: of a network it is a beat's shape, of a formula the pulse over 1/f noise."""

    network = NetworkMethod(TwoPulses(p=0).eval(), "two", FRAMES, FPS, 8)  # green as it is, where red keeps still
    seconds = np.arange(450) / FPS
    wave = np.sin(2 * np.pi * 55 / 60 * seconds) + 0.77 * np.sin(2 * np.pi * 110 / 60 * seconds + 1)
    crops = np.rint(128 + 40 * wave[:, None, None, None] * np.array([0, 1, 0]) * np.ones((8, 8, 3))).astype(np.uint8)
    frames = [FaceFrame(t, crop, None, True) for t, crop in zip(seconds.tolist(), crops, strict=True)]
    found = summarise("network", network.wave(frames, FPS), Tally(), "test")
    assert found.rate.bpm == pytest.approx(55, abs=1)
    assert found.track.bpm == pytest.approx(55, abs=1)
    formula = summarise("green", ClassicalMethod("green", skin=False).wave(frames, FPS), Tally(), "test")
    assert formula.rate.bpm == pytest.approx(110, abs=1)


def test_same_seed_same_samples():
    first, again, other = (method(seed=seed).wave(faces(300), FPS) for seed in (3, 3, 4))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_without_it_a_method_has_no_samples():
    network = NetworkMethod(TwoPulses().eval(), "two", FRAMES, FPS, 8)
    for plain in (network, ClassicalMethod("green")):
        raw = plain.wave(faces(300), FPS)
        assert raw.samples is raw.variance is None
        assert summarise("plain", raw, Tally(), "test").spread is None


@pytest.mark.parametrize("samples", [1, 0, -1])
def test_too_few_samples(samples):
    with pytest.raises(InputError, match=f"samples={samples}: .* at least 2"):
        MonteCarlo(samples)


@pytest.mark.parametrize("rate", ["quarter", 0.0, 1.0, -0.5])
def test_unknown_rate(rate):
    with pytest.raises(InputError, match=r"rate=.*above 0 and below 1, or one of half, third"):
        MonteCarlo(30, rate)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_unknown_seed(seed):
    with pytest.raises(InputError, match=f"seed={seed}: .* from 0 to"):
        MonteCarlo(30, "half", seed)


def test_a_network_that_drops_nothing_is_refused_before_any_video():
    with pytest.raises(InputError, match=r"TwoPulses has dropout layers of rate 0 alone"):
        method(p=0.0)
    assert method(p=0.0, rate=0.3).mc.rate == 0.3
    with pytest.raises(InputError, match="Linear has no dropout layer"):
        NetworkMethod(nn.Linear(1, 1), "linear", FRAMES, FPS, 8, mc=MonteCarlo())


def calibration(threshold: float | None) -> Calibration:
    return Calibration("mc", 2.0, threshold, windows=40, recordings=40, rate="half")


def test_a_sure_prediction_gets_its_interval():
    prediction = summarise("two", method(rate=0.5).wave(faces(400), FPS), Tally(), "test")
    judged = by_calibration(prediction, calibration(threshold=None))
    assert judged.rate == prediction.rate
    assert judged.interval_bpm == pytest.approx(1.96 * 2 * prediction.spread.sd_bpm)
    np.testing.assert_allclose(judged.track_interval_bpm, 1.96 * 2 * prediction.spread.track_sd_bpm)


def test_a_guess_is_refused_with_its_reason():
    prediction = summarise("two", method(rate=0.5).wave(faces(400), FPS), Tally(), "test")
    judged = by_calibration(prediction, calibration(threshold=0.0))
    assert prediction.rate.bpm is not None
    assert judged.rate.bpm is judged.interval_bpm is None
    assert "it would be a guess: the Monte-Carlo samples scatter by" in judged.rate.reason
    assert np.isnan(judged.track.bpm).all()


def test_only_the_windows_that_are_guesses_are_refused():
    prediction = summarise("two", method(rate=0.5).wave(faces(600), FPS), Tally(), "test")
    sds = prediction.spread.track_sd_bpm
    threshold = float(np.median(sds))
    judged = by_calibration(prediction, calibration(threshold))
    assert 0 < np.isnan(judged.track.bpm).sum() < len(sds)
    assert (np.isnan(judged.track.bpm) == (sds > threshold)).all()


def test_json_and_csv_show_it():
    from rppg_graph.inference.judged import WIDEST_BPM
    from rppg_graph.report.prediction import csv_of, facts, to_dict

    prediction = summarise("two", method(rate=0.5).wave(faces(400), FPS), Tally(), "test")
    judged = by_calibration(prediction, calibration(threshold=None))
    shown = json.loads(json.dumps(to_dict("a.mp4", judged), allow_nan=False))
    assert shown["mc"]["samples"] == 16
    assert shown["mc"]["sd_bpm"] == prediction.spread.sd_bpm
    assert shown["track"]["sd_bpm"] == prediction.spread.track_sd_bpm.tolist()
    assert shown["interval_bpm"] == judged.interval_bpm
    rows = list(csv.DictReader(csv_of(judged).splitlines()))
    assert list(rows[0]) == ["seconds", "bvp", "bvp_variance", "bpm", "interval_bpm", "sd_bpm"]
    assert float(rows[7]["bvp_variance"]) == pytest.approx(prediction.spread.variance[7], abs=1e-6)
    assert judged.interval_bpm > WIDEST_BPM
    assert "±" not in facts(judged)["heart rate"]
    narrow = replace(judged, interval_bpm=4.2)
    assert "± 4.2 bpm (95 %, empirical)" in facts(narrow)["heart rate"]
    assert "16 samples" in facts(judged)["Monte Carlo"]
