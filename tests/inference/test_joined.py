"""A network's wave and a classical method's in one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from beating import faces_of
from sampled import Sampled

from rppg_graph.inference.methods import ClassicalMethod, JoinedMethod, MonteCarlo, NetworkMethod, network_of
from rppg_graph.inference.predict import recording_wave
from rppg_graph.pulse.combine import mixed, weight_at, weights
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import snr_db

FPS, FRAMES, BPM = 30.0, 160, 78.0
GREEN = ClassicalMethod("green", skin=False)


def falling_red(video: torch.Tensor) -> torch.Tensor:
    """The mean red of a clip, falling with the beats as all colours do."""
    return -video[:, 0].mean((2, 3))


def faces(frames: int, red: float, green: float, hole: slice = slice(0), fps: float = FPS):
    """A pulse in two colours, each under noise of its own over the whole crop; no face in the hole."""
    colours = 120 - 12 * np.sin(2 * np.pi * BPM / 60 * np.arange(frames) / fps)[:, None]
    return faces_of(colours + np.random.default_rng(3).standard_normal((frames, 3)) * (red, green, 0), fps, hole)


def network(mc: MonteCarlo | None = None) -> NetworkMethod:
    return NetworkMethod(Sampled(1.0, falling_red).eval(), "red", FRAMES, FPS, 8, mc=mc)


def ratio_db(wave: np.ndarray) -> float:
    return snr_db(prepare_native(wave, FPS), FPS, BPM)


def test_the_wave_is_the_mixture_of_both():
    frames = faces(600, 8, 8)
    found = JoinedMethod(network(), GREEN).wave(frames, FPS)
    first, second = (m.wave(frames, FPS).bvp for m in (network(), GREEN))
    np.testing.assert_allclose(found.bvp, mixed(first, second, weights(first, second, FPS)), atol=1e-9)
    assert (found.fps, found.reader, found.samples, found.variance) == (FPS, CONTACT, None, None)
    assert ratio_db(found.bvp) > max(ratio_db(first), ratio_db(second)) + 1


@pytest.mark.parametrize(("red", "green"), [(3, 30), (30, 3)])
def test_a_wave_that_is_lost_does_no_harm(red, green):
    frames = faces(600, red, green)
    found = JoinedMethod(network(), GREEN).wave(frames, FPS)
    better = network() if red < green else GREEN
    assert ratio_db(found.bvp) > ratio_db(better.wave(frames, FPS).bvp) - 1


def test_there_is_a_wave_where_both_have_one():
    frames = faces(700, 8, 8, hole=slice(300, 380))
    found = JoinedMethod(network(), GREEN).wave(frames, FPS)
    ends = [method.wave(frames, FPS).bvp for method in (network(), GREEN)]
    both = np.isfinite(ends[0]) & np.isfinite(ends[1][: len(ends[0])])
    np.testing.assert_array_equal(np.isfinite(found.bvp), both)
    assert both[:300].all()
    assert not both[300:380].any()
    assert both[380:].all()


def test_a_video_of_another_rate_comes_at_the_rate_of_the_network():
    frames = faces(1000, 3, 3, fps=50.0)
    found = JoinedMethod(network(), GREEN).wave(frames, 50.0)
    assert found.fps == FPS
    assert len(found.bvp) == pytest.approx(600, abs=1)
    assert ratio_db(found.bvp) > 5


def test_samples_are_mixed_by_the_weights_of_their_mean():
    frames = faces(400, 8, 8)
    found = JoinedMethod(network(MonteCarlo(6)), GREEN).wave(frames, FPS)
    alone = network(MonteCarlo(6)).wave(frames, FPS)
    second = GREEN.wave(frames, FPS).bvp
    windows = weights(alone.bvp, second, FPS)
    assert found.samples.shape == (6, 400)
    for sample, of_network in zip(found.samples, alone.samples, strict=True):
        np.testing.assert_allclose(sample, mixed(of_network, second, windows), atol=1e-9)
    np.testing.assert_allclose(found.variance, weight_at(windows, "first") ** 2 * alone.variance)


def test_the_network_of_a_method():
    assert network_of(JoinedMethod(alone := network(), GREEN)) is alone is network_of(alone)
    assert network_of(GREEN) is None


@pytest.mark.parametrize("fps", [FPS, 50.0])
def test_a_network_that_has_run_does_not_run_again(fps):
    frames = faces(700, 8, 8, hole=slice(300, 340), fps=fps)
    joined, runs = JoinedMethod(network(), GREEN), []
    joined.network.model.register_forward_hook(lambda *_: runs.append(1))
    expected, alone = joined.wave(frames, fps), joined.network.wave(frames, fps)
    once = len(runs) // 2
    np.testing.assert_array_equal(joined.with_network_wave(alone, frames).bvp, expected.bvp)
    crops = np.stack([np.zeros((8, 8, 3), np.uint8) if f.crop is None else f.crop for f in frames])
    seconds, face = np.array([f.seconds for f in frames]), np.array([f.detected for f in frames])
    recording = SimpleNamespace(
        name="a", subject="a", frames=crops, seconds=seconds, fps=fps, face=face, boxes=np.zeros((len(face), 4)),
        pulse=np.sin(seconds), bpm=None,
    )  # fmt: skip
    runs.clear()
    known = {}
    waves = [recording_wave(recording, method, known) for method in (joined.network, joined)]
    assert len(runs) == once
    for wave, method in zip(waves, (joined.network, joined), strict=True):
        np.testing.assert_array_equal(wave.prediction, recording_wave(recording, method).prediction)
    assert len(runs) == 3 * once
