"""The beats of a pulse wave, and the heart rate from beat to beat."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import make_interp_spline
from scipy.signal import find_peaks

from rppg_graph.pulse.filters import PULSE_BAND_HZ
from rppg_graph.pulse.heart_rate import HeartRate, heart_rate

_FINE_HZ = 1000.0
_BLOCK_SAMPLES = 1 << 18  # of those, at once
_LEAST_DISTANCE = 0.6  # of the usual interval; a dicrotic wave follows the systolic one after less
_LEAST_RISE = 0.2  # of the usual steepest rise
_IRREGULAR = 0.25  # intervals that differ by more from the median of their neighbours come from missed or false beats
_AROUND = 10


def find_beats(wave: ArrayLike, fps: float) -> np.ndarray:
    """Times of the beats in seconds (n,), to a millisecond: where the rise to each systolic peak is steepest.

    The steepest rise, on a quintic spline, is a steadier mark of the beat than the flat peak. Beats are at least 0.6 of
    the interval apart that the heart rate by spectrum gives.

    Args:
        wave: (T,), upright (rising at systole); band-pass it first where it is noisy.

    Returns:
        (n,) float64; empty where the wave carries no heart rate.

    Raises:
        InputError: as `heart_rate`.

    neurokit2's peaks are steadier in white noise and less so on a contact pulse beside an electrocardiogram, see
    benchmarks/hrv.py.

    Source: Hemon, Phillips, Physiological Measurement 37(3), 2016 (comparison of such marks).
    """
    return _beats(wave, fps, heart_rate(wave, fps))


def _beats(wave: ArrayLike, fps: float, usual: HeartRate) -> np.ndarray:
    if usual.bpm is None:
        return np.zeros(0)
    signal, step = np.asarray(wave, dtype=np.float64), 1 / max(_FINE_HZ, fps)  # s
    # quintic: the ripple of a cubic one's derivative moves the flat top of a rise by several milliseconds at 30 fps
    spline = make_interp_spline(np.arange(len(signal)) / fps, signal, k=5)
    count, peaks, heights = math.ceil((len(signal) - 1) / fps / step), [], []
    for start in range(0, count, _BLOCK_SAMPLES):  # a thousand samples a second of some hours are heavy
        part = np.arange(max(0, start - 1), min(count, start + _BLOCK_SAMPLES + 1))
        rise = spline(part * step, 1)
        found, _ = find_peaks(rise, height=0)
        peaks.append(part[found]), heights.append(rise[found])
    peaks, heights = np.concatenate(peaks), np.concatenate(heights)
    apart = _apart(peaks, heights, max(1.0, _LEAST_DISTANCE * 60 / usual.bpm / step))
    peaks, heights = peaks[apart], heights[apart]
    if not len(peaks):
        return np.zeros(0)
    steep = heights >= _LEAST_RISE * np.percentile(heights, 75)
    # within a frame of the ends a spline only guesses whether the rise goes on
    seconds = peaks * step
    inner = (seconds >= 1 / fps) & (seconds <= (count - 1) * step - 1 / fps)
    return seconds[steep & inner]


def _apart(peaks: np.ndarray, heights: np.ndarray, distance: float) -> np.ndarray:
    """Which peaks stay where, from the highest down, each removes those that are nearer than a distance: (n,) bool."""
    kept = np.ones(len(peaks), dtype=bool)
    for chosen in np.argsort(heights)[::-1]:
        if kept[chosen]:
            first = np.searchsorted(peaks, peaks[chosen] - distance, "right")
            kept[first : np.searchsorted(peaks, peaks[chosen] + distance, "left")] = False
            kept[chosen] = True
    return kept


def regular_intervals(beats_seconds: np.ndarray) -> np.ndarray:
    """Tell of each interval between n beats whether it is within 25 % of the median of 21 around it: (n − 1,)."""
    intervals = np.diff(beats_seconds)
    if not len(intervals):
        return np.zeros(0, dtype=bool)
    # reflected at the ends, where a repeated last interval would outvote the others
    padded = np.pad(intervals, _AROUND, mode="symmetric")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
    return np.abs(intervals - usual) <= _IRREGULAR * usual


def heart_rate_by_peaks(wave: ArrayLike, fps: float) -> HeartRate:
    """Heart rate from beat to beat: 60 / (mean of the regular intervals), see `find_beats` and `regular_intervals`.

    Raises:
        InputError: as `heart_rate`.
    """
    by_spectrum = heart_rate(wave, fps)
    beats = _beats(wave, fps, by_spectrum)
    intervals = np.diff(beats)[regular_intervals(beats)]
    if len(intervals) < 2:
        return HeartRate(
            None, reason=by_spectrum.reason or f"{len(beats)} beats were found; three regular ones are needed"
        )
    bpm = float(60 / intervals.mean())
    at_edge = by_spectrum.at_band_edge or not 60 * PULSE_BAND_HZ[0] < bpm < 60 * PULSE_BAND_HZ[1]
    return HeartRate(bpm, at_edge, by_spectrum.quality, by_spectrum.uncertainty_bpm)
