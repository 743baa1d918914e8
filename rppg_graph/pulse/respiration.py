"""Respiration rate from the way breathing modulates a pulse wave."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from rppg_graph.errors import InputError
from rppg_graph.pulse.beats import find_beats
from rppg_graph.pulse.filters import (
    PULSE_BAND_HZ,
    as_wave,
    bandpass,
    check_fps,
    detrend,
    smoothness_for,
    usable_band,
)
from rppg_graph.pulse.heart_rate import spectrum
from rppg_graph.pulse.quality import LEAST_QUALITY, signal_quality

BREATHING_BAND_HZ = (0.1, 0.5)
LEAST_SECONDS = 30.0
_MODULATION_FPS = 4.0
_REACH_HZ = 1 / 30  # 2 breaths per minute either side
_LEAST_SHARE = 0.5  # of a modulation's power in the band, for a breath to be seen in it
_DISAGREEMENT = 4.0  # breaths per minute between modulations, Karlen et al.


@dataclass(frozen=True)
class RespirationRate:
    """Breaths per minute, or the reason why there is none."""

    breaths_per_minute: float | None
    reason: str | None = None


def respiration_rate(wave: ArrayLike, fps: float) -> RespirationRate:
    """Respiration rate from the beats' intervals, amplitudes and baseline: the mean of their rates, if they agree.

    Args:
        wave: (T,), upright, before any band-pass that would remove the baseline; one less to agree on after one.

    Returns:
        6 to 30 breaths per minute; None under 30 s, or where the three rates' standard deviation is above 4.

    Raises:
        InputError: as `find_beats`.

    Source: Karlen, Raman, Ansermino, Dumont, IEEE Trans. Biomed. Eng. 60(7), 2013 ("smart fusion").
    """
    signal = as_wave(wave)
    seconds = len(signal) / check_fps(fps)
    if seconds < LEAST_SECONDS:
        return RespirationRate(None, f"{seconds:.1f} s are too short: {LEAST_SECONDS:g} s are needed")
    try:
        pulse = bandpass(signal, fps, *usable_band(PULSE_BAND_HZ, fps))
    except InputError as error:
        return RespirationRate(None, str(error))
    quality = signal_quality(pulse, fps)
    if quality < LEAST_QUALITY:
        return RespirationRate(None, f"the signal quality is {quality:.2f}, that of noise")
    beats = find_beats(pulse, fps)
    if len(beats) < 0.5 * LEAST_SECONDS:
        return RespirationRate(None, f"{len(beats)} beats were found in {seconds:.1f} s")
    pieces = [signal[a:b] for a, b in pairwise(np.round(beats * fps).astype(int))]  # of every beat but the first
    amplitudes, baselines = ([measure(piece) for piece in pieces] for measure in (np.ptp, np.mean))
    found = (_rate(beats[1:], np.array(each)) for each in (np.diff(beats), amplitudes, baselines))
    rates = [rate for rate in found if rate is not None]
    if len(rates) < 2:
        return RespirationRate(None, "fewer than two of interval, amplitude and baseline move with the breath")
    if np.std(rates) > _DISAGREEMENT:
        listed = ", ".join(f"{rate:.0f}" for rate in rates)
        return RespirationRate(None, f"interval, amplitude and baseline disagree ({listed} breaths per minute)")
    return RespirationRate(float(np.mean(rates)))


def _rate(seconds: np.ndarray, modulation: np.ndarray) -> float | None:
    """Breaths per minute of one modulation, None where no peak stands out of its band."""
    clock = np.arange(seconds[0], seconds[-1], 1 / _MODULATION_FPS)
    even = np.interp(clock, seconds, modulation)
    even = detrend(even, smoothness_for(0.5 * BREATHING_BAND_HZ[0], _MODULATION_FPS))
    if even.std() <= 1e-9 * max(np.abs(modulation).max(), 1e-300):
        return None
    frequencies, power, _ = spectrum(even[None], _MODULATION_FPS, 2.0)
    inside = np.flatnonzero((frequencies >= BREATHING_BAND_HZ[0]) & (frequencies <= BREATHING_BAND_HZ[1]))
    best = inside[np.argmax(power[0, inside])]
    at_edge = best in (inside[0], inside[-1])
    near = np.abs(frequencies - frequencies[best]) <= max(_REACH_HZ, 2 / (clock[-1] - clock[0]))
    stands_out = power[0, near].sum() >= _LEAST_SHARE * power[0, inside].sum()
    return float(60 * frequencies[best]) if stands_out and not at_edge else None
