"""How far to trust a pulse wave: its signal quality, and its signal-to-noise ratio against a known heart rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import periodogram

from rppg_graph.pulse.filters import PULSE_BAND_HZ, as_wave
from rppg_graph.pulse.heart_rate import heart_rate

LEAST_QUALITY = 0.1
"""Below this a wave of 20 s or more is as good as noise, and no beat of it is to be trusted."""

NOISE_SECONDS = 3.2
"""Quality of the filtered wave of noise, times its length in seconds: one wave of twenty exceeds it."""

HARMONIC_REACH_HZ = 0.1
"""6 bpm either side of a harmonic are its own."""


def signal_quality(wave: ArrayLike, fps: float, band_hz: tuple[float, float] = PULSE_BAND_HZ) -> float:
    """Quality of a wave (T,) from 0 (noise, or nothing) to 1 (a clean pulse): (s − c) / (1 − c).

    s is the share of the band's power within 6 bpm (and no less than the spectrum's resolution) of the heart rate and
    of twice the heart rate, c the share of the band that those stretches cover, which is what white noise would give.

    Raises:
        InputError: as `heart_rate`.
    """
    return heart_rate(wave, fps, band_hz).quality


def noise_quality(seconds: float) -> float:
    """The quality that white noise alone, filtered as by `native`, exceeds in one of twenty waves of a length.

    Below it a quality means nothing: a short wave of noise has a peak that looks like a pulse.
    """
    return min(1.0, NOISE_SECONDS / seconds)


def snr_db(
    wave: ArrayLike, fps: float, bpm: float, band_hz: tuple[float, float] = PULSE_BAND_HZ, points: int | None = None
) -> float | None:
    """Signal-to-noise ratio in dB: 10·log10(power within 6 bpm of f and of 2f / the rest of the band), f the true rate.

    Args:
        wave: (T,), filtered.
        fps: samples per second.
        bpm: the reference heart rate.
        band_hz: the band whose rest counts as noise.
        points: length of the transform; None pads to eight times the wave.

    Returns:
        dB, or None where either power is zero.

    Source: de Haan, Jeanne, IEEE Trans. Biomed. Eng. 60(10), 2013, section IV; the sum without their mask's smoothing.
    """
    signal = as_wave(wave)
    frequencies, power = periodogram(signal, fps, nfft=points or 8 * len(signal), detrend=False)
    pulse = [np.abs(frequencies - k * bpm / 60) <= HARMONIC_REACH_HZ for k in (1, 2)]
    rest = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1]) & ~pulse[0] & ~pulse[1]
    ratio = (power[pulse[0]].sum() + power[pulse[1]].sum()) / max(power[rest].sum(), np.finfo(float).tiny)
    return float(10 * np.log10(ratio)) if 0 < ratio < 1e30 else None
