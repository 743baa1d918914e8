"""Two waves of one pulse in one, by how clean each is."""

import numpy as np
import pytest

from rppg_graph.pulse.combine import mixed, weight_at, weights
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import snr_db

FPS, BPM = 30.0, 72.0


def pulse(frames: int) -> np.ndarray:
    phase = 2 * np.pi * BPM / 60 * np.arange(frames) / FPS
    return np.cos(phase) + 0.3 * np.cos(2 * phase)


def noisy(frames: int, deviation: float | np.ndarray, seed: int) -> np.ndarray:
    """A pulse under white noise."""
    return pulse(frames) + deviation * np.random.default_rng(seed).standard_normal(frames)


def ratio_db(wave: np.ndarray) -> float:
    return snr_db(prepare_native(wave, FPS), FPS, BPM)


def share(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(T,) how much of the mixture is the first wave, where both have unit deviation."""
    windows = weights(first, second, FPS)
    parts = [weight_at(windows, name) * prepare_native(wave, FPS).std() for name, wave in
             (("first", first), ("second", second))]  # fmt: skip
    return parts[0] / (parts[0] + parts[1])


@pytest.mark.parametrize(("one", "other"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.5), (0.2, 5.0)])
def test_the_mixture_is_cleaner_than_the_cleaner_wave(one, other):
    gained = []
    for seed in range(10):
        first, second = noisy(900, one, seed), noisy(900, other, 100 + seed)
        ratios = [ratio_db(wave) for wave in (mixed(first, second, weights(first, second, FPS)), first, second)]
        gained.append(ratios[0] - max(ratios[1:]))
    assert np.mean(gained) > (1.5 if one == other else -0.3)  # 3 dB at best, by two equally clean ones


def test_shares_follow_which_wave_is_clean():
    late = np.arange(1800) >= 900
    first, second = noisy(1800, np.where(late, 6.0, 0.3), 1), noisy(1800, np.where(late, 0.3, 6.0), 2)
    found = share(first, second)
    assert found.shape == (1800,)
    assert found[:600].min() > 0.8
    assert found[-600:].max() < 0.2
    np.testing.assert_allclose(found + share(second, first), 1, atol=1e-12)


def test_the_weight_is_that_of_maximal_ratio_combining():
    """For a pulse and noise of known power in the band, against √(signal) / noise power computed from them."""
    ratio = []
    for seed in range(40):
        first, second = noisy(300, 1.0, seed), noisy(300, 2.0, 500 + seed)
        taken = share(first, second)[0]
        ratio.append(np.log(taken) - np.log(max(1 - taken, 1e-9)))
    clean = prepare_native(pulse(300), FPS)
    noise = [prepare_native(noisy(300, d, 7) - pulse(300), FPS) for d in (1, 2)]
    wanted = []
    for disturbance in noise:
        powers = np.array([clean.var(), disturbance.var()])
        signal, rest = powers / powers.sum()
        wanted.append(np.sqrt(signal) / rest)
    assert np.median(ratio) == pytest.approx(np.log(wanted[0] / wanted[1]), abs=0.35)


def test_several_first_waves_are_mixed_as_each_alone():
    first, second = noisy(500, 0.5, 1), noisy(500, 0.5, 2)
    windows = weights(first, second, FPS)
    both = mixed(np.stack([first, second]), second, windows)
    np.testing.assert_allclose(both[0], mixed(first, second, windows), atol=1e-12)
    np.testing.assert_allclose(both[1], mixed(second, second, windows), atol=1e-12)


@pytest.mark.parametrize("frames", [160, 299, 300, 301, 450, 451])
def test_every_frame_is_covered(frames):
    first, second = noisy(frames, 0.5, 1), noisy(frames, 0.5, 2)
    windows = weights(first, second, FPS)
    assert windows[0][0].start == 0
    assert windows[-1][0].stop == frames
    assert np.isfinite(mixed(first, second, windows)).all()


def test_a_wave_of_nothing_gets_no_weight():
    first, nothing = noisy(400, 0.5, 1), np.zeros(400)
    for window in weights(first, nothing, FPS):
        assert window.second == 0
        assert window.first == pytest.approx(1 / prepare_native(first, FPS)[window.part].std())
    assert not mixed(nothing, nothing, weights(nothing, nothing, FPS)).any()


def test_the_mixture_is_not_filtered():
    """What is as slow as 40 bpm has its own amplitude in it, beside what is faster."""
    seconds = np.arange(900) / FPS
    wave = np.sin(2 * np.pi * 40 / 60 * seconds) + np.sin(2 * np.pi * 120 / 60 * seconds)
    both = mixed(wave, wave, weights(wave, wave, FPS))
    slow, fast = (abs(np.exp(-2j * np.pi * bpm / 60 * seconds) @ both) for bpm in (40, 120))
    assert slow == pytest.approx(fast, rel=0.05)
