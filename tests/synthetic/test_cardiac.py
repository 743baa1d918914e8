import numpy as np
import pytest
from scipy.signal import find_peaks

from rppg_graph.synthetic.cardiac import beat_shape, simulate_heart

QUIET = {
    "drift_bpm": 0.0,
    "recovery_bpm": 0.0,
    "sinus_arrhythmia_bpm": 0.0,
    "breaths_per_minute": 15.0,
    "ectopic_per_minute": 0.0,
    "age": 25.0,
}


def heart(seed: int = 0, duration: float = 60.0, **settings):
    return simulate_heart(duration, rng=np.random.default_rng(seed), **QUIET | settings)


def spectral_bpm(pulse: np.ndarray, fps: float) -> float:
    power = np.abs(np.fft.rfft((pulse - pulse.mean()) * np.hanning(len(pulse)), 2**17))
    return 60 * np.fft.rfftfreq(2**17, 1 / fps)[power.argmax()]


@pytest.mark.parametrize("bpm", [40, 45, 72.5, 120, 180])
def test_the_spectrum_of_a_steady_pulse_peaks_at_its_rate(bpm):
    seconds = np.arange(0, 60, 1 / 30)
    assert spectral_bpm(heart(bpm=bpm).pulse(seconds), 30) == pytest.approx(bpm, abs=0.3)


@pytest.mark.parametrize("seed", range(4))
def test_systolic_peaks_count_the_integral_of_the_rate(seed):
    varying = heart(seed, bpm=80, drift_bpm=3, recovery_bpm=30, sinus_arrhythmia_bpm=5)
    seconds = np.arange(0, 60, 1 / 200)
    peaks, _ = find_peaks(varying.pulse(seconds), height=0.3, distance=50)
    expected = np.trapezoid(varying.bpm(seconds), seconds) / 60
    assert abs(len(peaks) - expected) <= 1
    between = np.interp((seconds[peaks][1:] + seconds[peaks][:-1]) / 2, seconds, varying.bpm(seconds))
    assert np.abs(60 / np.diff(seconds[peaks]) - between).max() < 4


def test_exercise_recovery_slows_the_heart():
    recovering = heart(bpm=70, recovery_bpm=40)
    assert recovering.bpm(np.array([0.0])) == pytest.approx(110)
    assert recovering.bpm(np.array([60.0])) == pytest.approx(70 + 40 * np.exp(-60 / 25))


def test_ectopic_beats_come_early_and_are_made_up_for():
    seconds = np.arange(0, 60, 1 / 200)
    regular, ectopic = heart(bpm=70).pulse(seconds), heart(bpm=70, ectopic_per_minute=6).pulse(seconds)
    intervals = np.diff(seconds[find_peaks(ectopic, height=0.25, distance=60)[0]])
    assert intervals.min() < 0.8 * 60 / 70
    assert intervals.max() > 1.15 * 60 / 70
    assert abs(len(intervals) + 1 - len(find_peaks(regular, height=0.25, distance=60)[0])) <= 1


def test_breathing_moves_the_rate_by_the_arrhythmia():
    seconds = np.arange(0, 60, 1 / 30)
    rate = heart(bpm=60, sinus_arrhythmia_bpm=5).bpm(seconds)
    assert rate.min() == pytest.approx(55, abs=0.1)
    assert rate.max() == pytest.approx(65, abs=0.1)


def test_a_young_pulse_has_a_dicrotic_notch_and_an_old_one_has_not():
    def maxima(age):
        return len(find_peaks(np.tile(beat_shape(age), 3), prominence=0.005)[0]) / 3

    assert maxima(20) >= 5 / 3
    assert maxima(85) < 5 / 3
    assert np.ptp(beat_shape(40)) == pytest.approx(1)
    assert beat_shape(40).mean() == pytest.approx(0, abs=1e-12)
