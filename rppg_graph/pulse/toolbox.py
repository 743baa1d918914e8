"""The field's own evaluation, as rPPG-Toolbox computes it, flaws included; `protocols` names its two variants.

Source: Liu et al., "rPPG-Toolbox: Deep Remote PPG Toolbox", NeurIPS 2023 (datasets and benchmarks).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import find_peaks, periodogram

from rppg_graph.pulse.filters import bandpass, detrend
from rppg_graph.pulse.heart_rate import HeartRate
from rppg_graph.pulse.quality import signal_quality, snr_db


def prepare(wave: np.ndarray, fps: float, band_hz: tuple[float, float]) -> np.ndarray:
    """Detrend with λ = 100 samples, whatever the rate, and band-pass with order 1, forward and backward."""
    return bandpass(detrend(wave, 100.0), fps, *band_hz, order=1, padding_seconds=0)


def _points(wave: np.ndarray) -> int:
    return 1 << (len(wave) - 1).bit_length()  # the next power of two


def fft_heart_rate(wave: np.ndarray, fps: float, band_hz: tuple[float, float]) -> HeartRate:
    """60 times the frequency of the largest bin of the periodogram inside the band."""
    frequencies, power = periodogram(wave, fps, nfft=_points(wave), detrend=False)
    inside = np.flatnonzero((frequencies >= band_hz[0]) & (frequencies <= band_hz[1]))
    if not len(inside):
        return HeartRate(
            None, reason=f"{len(wave) / fps:.1f} s give no bin between {band_hz[0]:g} and {band_hz[1]:g} Hz"
        )
    best = inside[np.argmax(power[inside])]
    quality = signal_quality(wave, fps, band_hz)
    return HeartRate(float(60 * frequencies[best]), bool(best in (inside[0], inside[-1])), quality)


def peak_heart_rate(wave: np.ndarray, fps: float, band_hz: tuple[float, float]) -> HeartRate:
    """60 over the mean distance of all local maxima."""
    peaks, _ = find_peaks(wave)
    if len(peaks) < 2:
        return HeartRate(None, reason=f"{len(peaks)} local maxima were found; two are needed")
    bpm = float(60 * fps / np.mean(np.diff(peaks)))
    return HeartRate(bpm, not 60 * band_hz[0] < bpm < 60 * band_hz[1], signal_quality(wave, fps, band_hz))


def snr(wave: np.ndarray, fps: float, bpm: float, band_hz: tuple[float, float]) -> float | None:
    """`snr_db` on the same periodogram as the heart rate."""
    return snr_db(wave, fps, bpm, band_hz, points=_points(wave))
