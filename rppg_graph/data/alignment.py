"""How a label's pulse fits its own heart rates, and the face that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import correlate, correlation_lags, find_peaks

from rppg_graph.data.recordings import Reference
from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import PULSE_BAND_HZ, bandpass, detrend, resample, usable_band
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS, heart_rate_track

GRID_HZ = 30.0
LONGEST_LAG_SECONDS = 2.0
LEAST_CORRELATION = 0.3  # below, the face's pulse was not found and says nothing about a lag
AS_GOOD = 0.05  # correlations that differ by less are equal: their sampling error over a minute is about so large


@dataclass(frozen=True)
class LabelFigures:
    """Heart rates of a label.

    Args:
        bpm_range: lowest and highest over windows of 10 s, of the pulse trace, or of the device where there is none.
        device_difference_bpm: median over the windows of |device − trace|; None without both.
    """

    bpm_range: tuple[float, float] | None
    device_difference_bpm: float | None


def label_figures(reference: Reference) -> LabelFigures:
    """Heart rates of the pulse trace in windows of 10 s, and how far the device's own are from them."""
    device = reference.bpm if reference.bpm is not None and np.isfinite(reference.bpm).any() else None
    if reference.pulse is None or np.ptp(reference.seconds) < WINDOW_SECONDS + 1 / GRID_HZ:
        return LabelFigures(None if device is None else (float(np.nanmin(device)), float(np.nanmax(device))), None)
    seconds, pulse = resample(reference.seconds, reference.pulse, GRID_HZ)
    track = heart_rate_track(_in_band(pulse), GRID_HZ, contact=True)
    known = np.isfinite(track.bpm)
    if not known.any():
        return LabelFigures(None, None)
    bpm_range = (float(track.bpm[known].min()), float(track.bpm[known].max()))
    if device is None:
        return LabelFigures(bpm_range, None)
    said = _window_means(reference.seconds, device, seconds[0] + track.seconds)
    difference = np.abs(said - track.bpm)
    return LabelFigures(bpm_range, float(np.nanmedian(difference)) if np.isfinite(difference).any() else None)


def _window_means(seconds: np.ndarray, values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(W,) means of the finite values within half a window of each centre; NaN where there are none."""
    finite = np.isfinite(values)
    seconds, sums = seconds[finite], np.concatenate([[0.0], np.cumsum(values[finite])])
    first = np.searchsorted(seconds, centres - WINDOW_SECONDS / 2)
    last = np.searchsorted(seconds, centres + WINDOW_SECONDS / 2)
    count = last - first
    return np.where(count > 0, (sums[last] - sums[first]) / np.maximum(count, 1), np.nan)


def label_lag_seconds(seconds: np.ndarray, rgb: np.ndarray, reference: Reference) -> float | None:
    """How much later than the face the label beats, by its correlation with POS within ±2 s.

    A steady pulse agrees with itself shifted by whole beats, so of the peaks that come within 0.05 of the
    highest the one nearest to zero is taken: a lag that is reported is at least so large.

    Args:
        seconds: (F,) rising times of the frames with a face.
        rgb: (F, 3) mean colour of the skin in them.
        reference: needs a pulse.

    Returns:
        seconds, positive when the label is late; None when the overlap is too short, or the two waves agree nowhere
        (r < 0.3: no pulse was found in the face).
    """
    kept = (seconds >= reference.seconds[0]) & (seconds <= reference.seconds[-1])
    if kept.sum() < 2 or np.ptp(seconds[kept]) < WINDOW_SECONDS:
        return None
    try:
        times, colours = resample(seconds[kept], rgb[kept], GRID_HZ)
        face = _in_band(CLASSICAL["pos"](colours, GRID_HZ))
        label = _in_band(np.interp(times, reference.seconds, reference.pulse))
    except InputError:  # black frames, for example: POS has no estimate
        return None
    correlation = correlate(label, face, mode="full") / (np.linalg.norm(label) * np.linalg.norm(face))
    lags = correlation_lags(len(label), len(face), mode="full") / GRID_HZ
    near = np.abs(lags) <= LONGEST_LAG_SECONDS
    correlation, lags = correlation[near], lags[near]
    peaks, _ = find_peaks(correlation, height=max(LEAST_CORRELATION, correlation.max() - AS_GOOD))
    return float(lags[peaks[np.argmin(np.abs(lags[peaks]))]]) if len(peaks) else None


def _in_band(wave: np.ndarray) -> np.ndarray:
    wave = bandpass(detrend(wave), GRID_HZ, *usable_band(PULSE_BAND_HZ, GRID_HZ))
    return wave / max(wave.std(), 1e-12)
