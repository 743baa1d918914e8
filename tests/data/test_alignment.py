"""Heart rates of labels and their lag behind a face, against signals made with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from rppg_graph.data.alignment import label_figures, label_lag_seconds
from rppg_graph.data.recordings import Reference

BLOOD = np.array([0.33, 0.77, 0.53])


def _pulse(seconds: np.ndarray) -> np.ndarray:
    """A pulse whose rate wanders around 72 bpm, so that a lag is not known up to a period only."""
    phase = 2 * np.pi * (1.2 * seconds + 0.3 * np.sin(2 * np.pi * seconds / 17))
    return np.cos(phase) + 0.3 * np.cos(2 * phase)


def _face(seconds: np.ndarray, lag: float) -> np.ndarray:
    """Mean skin colour whose pulse runs `lag` seconds ahead of _pulse; blood darkens the skin."""
    noise = np.random.default_rng(0).normal(0, 0.05, (len(seconds), 3))
    shade = 1 - 0.01 * _pulse(seconds + lag)[:, np.newaxis] * BLOOD
    return np.array([150, 110, 90]) * shade + noise


@pytest.mark.parametrize("lag", [-0.9, -0.2, 0.0, 0.4, 1.3])
def test_lag_is_found_on_uneven_clocks(lag):
    rng = np.random.default_rng(1)
    frames = np.cumsum(rng.uniform(0.02, 0.05, 900))
    frames -= frames[0]
    label = np.arange(-2, 35, 1 / 60)
    found = label_lag_seconds(frames, _face(frames, lag), Reference(label, _pulse(label)))
    assert found == pytest.approx(lag, abs=0.07)


def test_no_lag_is_told_without_a_pulse_or_without_ten_seconds():
    label = np.arange(0, 40, 1 / 60)
    reference = Reference(label, _pulse(label))
    frames = np.arange(0, 30, 1 / 30)
    noise = np.random.default_rng(0).normal(120, 1, (len(frames), 3))
    assert label_lag_seconds(frames, noise, reference) is None
    assert label_lag_seconds(frames, np.zeros((len(frames), 3)), reference) is None
    assert label_lag_seconds(frames[:200], _face(frames[:200], 0.0), reference) is None
    late = Reference(label + 25, reference.pulse)
    assert label_lag_seconds(frames, _face(frames, 0.0), late) is None


def test_heart_rates_of_the_trace_and_of_the_device():
    seconds = np.arange(0, 40, 1 / 60)
    pulse = np.sin(2 * np.pi * 1.5 * seconds)  # 90 bpm
    figures = label_figures(Reference(seconds, pulse))
    assert figures.bpm_range == pytest.approx((90, 90), abs=0.5)
    assert figures.device_difference_bpm is None
    device = np.where(seconds < 10, np.nan, 97.0)
    assert label_figures(Reference(seconds, pulse, device)).device_difference_bpm == pytest.approx(7, abs=0.5)
    only_device = label_figures(Reference(seconds, None, device + seconds / 40))
    assert only_device.bpm_range == pytest.approx((97.25, 98), abs=0.01)
    assert only_device.device_difference_bpm is None
    nothing = label_figures(Reference(seconds[:60], pulse[:60], np.full(60, np.nan)))
    assert nothing.bpm_range is None
