"""Detrending against dense algebra, zero phase, and resampling."""

import time

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import bandpass, detrend, resample, smoothness_for, usable_band


@pytest.mark.parametrize("samples", [3, 4, 5, 50])
@pytest.mark.parametrize("smoothness", [1.0, 100.0])
def test_detrend_is_the_dense_formula(samples, smoothness):
    signal = np.random.default_rng(samples).standard_normal((samples, 2)) + 40
    difference = np.diff(np.eye(samples), n=2, axis=0)  # (samples - 2, samples)
    dense = signal - np.linalg.solve(np.eye(samples) + smoothness**2 * difference.T @ difference, signal)
    np.testing.assert_allclose(detrend(signal, smoothness), dense, atol=1e-8)
    np.testing.assert_allclose(detrend(signal[:, 0], smoothness), dense[:, 0], atol=1e-8)


def test_detrend_removes_lines_and_leaves_nothing_of_two_samples():
    assert np.abs(detrend(1e6 + 3.0 * np.arange(5000), 1e4)).max() < 1e-4
    assert (detrend([5.0, 9.0]) == 0).all()
    assert (detrend([5.0]) == 0).all()


@pytest.mark.parametrize("fps", [15, 30, 1000])
def test_smoothness_halves_its_cutoff_at_any_rate(sine, fps):
    wave = sine(30, fps, 60)  # 0.5 Hz
    left = detrend(wave, smoothness_for(0.5, fps))
    middle = slice(20 * fps, 40 * fps)
    assert left[middle].std() / wave[middle].std() == pytest.approx(0.5, abs=0.005)


def test_an_hour_is_detrended_in_well_under_a_second():
    signal = np.random.default_rng(0).standard_normal(108_000)
    start = time.process_time()
    detrend(signal)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("fps", [15, 29.97, 120])
def test_filters_are_zero_phase(fps):
    samples = 2 * round(30 * fps) + 1
    pulse = np.exp(-0.5 * ((np.arange(samples) - samples // 2) / (0.1 * fps)) ** 2)  # symmetric about the middle
    for filtered in (bandpass(pulse, fps, 0.6, 3.6), detrend(pulse, smoothness_for(0.5, fps))):
        np.testing.assert_allclose(filtered, filtered[::-1], atol=1e-6)
        assert np.argmax(filtered) == samples // 2
    noise = np.random.default_rng(1).standard_normal(samples)
    inner = slice(round(4 * fps), -round(4 * fps))  # at the ends the forward pass settles first
    backward = bandpass(noise[::-1], fps, 0.6, 3.6)[::-1]
    np.testing.assert_allclose(backward[inner], bandpass(noise, fps, 0.6, 3.6)[inner], atol=1e-3)


def test_bandpass_passes_the_band_and_halves_its_edges(sine):
    def gain(hz):
        wave = sine(60 * hz, 30, 120)
        return bandpass(wave, 30, 0.6, 3.6)[900:-900].std() / wave[900:-900].std()

    assert gain(1.5) == pytest.approx(1, abs=0.01)
    assert gain(0.6) == pytest.approx(0.5, abs=0.01)
    assert gain(3.6) == pytest.approx(0.5, abs=0.01)
    assert gain(0.1) < 0.001


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detrend([]), "at least one sample"),
        (lambda: detrend([1.0, np.nan, 2.0]), "frame 1"),
        (lambda: detrend(np.zeros((2, 2, 2))), "shape"),
        (lambda: detrend(["a", "b"]), "not an array of numbers"),
        (lambda: bandpass(np.zeros(10), 30, 0.6, 3.6), "10 samples"),
        (lambda: bandpass(np.zeros(100), 5, 0.6, 3.6), "7.2 fps"),
        (lambda: bandpass(np.zeros(100), 0, 0.6, 3.6), "fps is 0"),
        (lambda: bandpass(np.zeros(100), float("nan"), 0.6, 3.6), "fps is nan"),
        (lambda: usable_band((0.6, 3.6), 2), "fps or more"),
        (lambda: resample([0, 1, 0.5], [1, 2, 3], 30), "timestamp 2"),
        (lambda: resample([1, 1, 1], [1, 2, 3], 30), "share one timestamp"),
        (lambda: resample([0, 1], [1, 2, 3], 30), "one each"),
        (lambda: resample([0, np.inf], [1, 2], 30), "frame 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_band_shrinks_to_what_the_frames_carry():
    assert usable_band((0.6, 3.6), 30) == (0.6, 3.6)
    assert usable_band((0.6, 3.6), 5) == (0.6, 2.25)


def test_resample_is_exact_on_a_line_with_uneven_and_repeated_times():
    seconds = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, 200))
    seconds = np.insert(seconds, 50, seconds[50])  # two identical timestamps
    values = np.stack([3 * seconds + 1, -seconds], axis=1)
    even, line = resample(seconds, values, 25)
    np.testing.assert_allclose(np.diff(even), 1 / 25, atol=1e-12)
    assert even[0] == seconds[0]
    assert seconds[-1] - 1 / 25 < even[-1] <= seconds[-1] + 1e-6
    np.testing.assert_allclose(line, np.stack([3 * even + 1, -even], axis=1), atol=1e-9)


def test_resample_takes_the_mean_of_samples_at_one_time():
    _, values = resample([0.0, 1.0, 1.0, 2.0], [0.0, 2.0, 4.0, 0.0], 1)
    np.testing.assert_allclose(values, [0, 3, 0])
