"""Several readings of one pulse as votes of spectra: each counts by how many unlike ones share its peak."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rppg_graph.pulse.filters import PULSE_BAND_HZ, usable_band
from rppg_graph.pulse.heart_rate import (
    NEIGHBOURHOOD_HZ,
    VIDEO,
    WINDOW_SECONDS,
    HeartRate,
    HeartRateTrack,
    spectrum,
)
from rppg_graph.pulse.overlap_add import hann_taper

SAME_RATE_HZ = 0.05  # 3 bpm: peaks this close are one rate
SHARPNESS = 1.0  # how fast a vote loses weight with its agreement; chosen on generated people
_LEAST_TRUST = 0.2  # of a vote that agrees with none: one that is right among noise is heard; chosen likewise


@dataclass(frozen=True)
class Votes:
    """Spectra of M members' waves in n windows, each of unit power in the band, and how far to trust each.

    Args:
        frequencies: (F,) Hz.
        power: (n, M, F); 0 where a member has no wave.
        total: (n, M) power at all frequencies.
        weights: (n, M), of sum 1; 0 where there is no wave.
        agreement: (n,) of the members' spectra with those of unlike ones, 0 to 1, see `count_votes`.
    """

    frequencies: np.ndarray
    power: np.ndarray
    total: np.ndarray
    weights: np.ndarray
    agreement: np.ndarray

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """The weighted mean of the members' power (n, F), and of their total (n,)."""
        return np.einsum("nm,nmf->nf", self.weights, self.power), (self.weights * self.total).sum(axis=1)


def count_votes(waves: np.ndarray, fps: float, unlike: np.ndarray, sharpness: float = SHARPNESS) -> Votes:
    """Weigh each member by the agreement of its spectrum with those of the unlike ones.

    The agreement of two is the correlation of their power spectra, smoothed by 3 bpm: 1 where they have the same peaks,
    about 0, and never below, where they have none in common. A member's trust is the mean of its agreements, each
    counted by how unlike the two are and, in turn, by the other's own trust, so that who agrees with nobody is not
    heard about others either.

    Args:
        waves: (n, M, T), filtered; NaN or constant where a member has none.
        unlike: (M, M), 0 for a member and itself, up to 1 for two that have nothing in common.
    """
    n, members, length = waves.shape
    band = usable_band(PULSE_BAND_HZ, fps)
    there = np.isfinite(waves).all(axis=2) & (np.nan_to_num(waves).std(axis=2) > 0)
    flat = np.where(there[..., None], waves, 0.0).reshape(n * members, length)
    frequencies, power, total = spectrum(flat, fps, 2 * band[1] + 2 * NEIGHBOURHOOD_HZ)
    inside = (frequencies >= band[0]) & (frequencies <= band[1])
    power, total = power.reshape(n, members, -1), total.reshape(n, members)
    scale = np.divide(1.0, power[..., inside].sum(axis=2), out=np.zeros_like(total), where=there)
    power, total = power * scale[..., None], total * scale
    shares = _smoothed(power, SAME_RATE_HZ / frequencies[1])[..., inside]  # (n, M, F)
    shares -= shares.mean(axis=2, keepdims=True)
    shares /= np.maximum(np.linalg.norm(shares, axis=2, keepdims=True), np.finfo(float).tiny)
    common = np.maximum(shares @ shares.transpose(0, 2, 1), 0.0) * unlike  # (n, M, M)
    trust = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
    for _ in range(3):
        heard = (unlike * trust[:, None]).sum(axis=2)
        agreement = np.divide((common * trust[:, None]).sum(axis=2), heard, out=np.zeros_like(heard), where=heard > 0)
        trust = there * np.maximum(agreement, _LEAST_TRUST) ** sharpness
        trust /= np.maximum(trust.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return Votes(frequencies, power, total, trust, (trust * agreement).sum(axis=1))


def _smoothed(power: np.ndarray, bins: float) -> np.ndarray:
    """Spectra (…, F) averaged over a triangle that reaches so many bins to either side."""
    reach = max(1, round(bins))
    kernel = np.convolve(np.ones(reach), np.ones(reach)) / reach**2
    padded = np.pad(power, [(0, 0)] * (power.ndim - 1) + [(reach - 1, reach - 1)])
    return np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1) @ kernel


def common_wave(waves: np.ndarray, weights: np.ndarray, fps: float, hz: float, upright: np.ndarray) -> np.ndarray:
    """The weighted mean (T,) of waves (M, T) in step at one frequency.

    Each is turned upright and shifted by up to a quarter of a beat, so that its component at `hz` has the mean phase
    of the `upright` members, which rise where a contact pulse rises; 0 where no wave counts.
    """
    waves = np.nan_to_num(waves)
    taper = hann_taper(waves.shape[1]) * np.exp(-2j * np.pi * hz * np.arange(waves.shape[1]) / fps)
    phasor = waves @ taper  # (M,)
    unit = np.divide(phasor, np.abs(phasor), out=np.zeros_like(phasor), where=np.abs(phasor) > 0)
    known = weights * upright if (weights * upright).any() else weights
    mean = (known * unit).sum()
    turn = unit * np.conj(mean if mean else 1.0)
    sign = np.where(turn.real < 0, -1.0, 1.0)
    lag = np.angle(sign * turn) / (2 * np.pi * hz)  # seconds that a wave is early
    f = np.fft.rfftfreq(waves.shape[1], 1 / fps)
    deviation = waves.std(axis=1)
    gain = np.divide(weights * sign, deviation, out=np.zeros_like(weights), where=deviation > 0)
    spectra = np.fft.rfft(waves, axis=1) * np.exp(-2j * np.pi * f * lag[:, None])
    return np.fft.irfft(gain @ spectra, waves.shape[1])


@dataclass(frozen=True)
class PooledSpectra:
    """What a vote says of the windows of a recording: the spectra whose peaks are the heart rates.

    Args:
        starts: (n,) seconds at which the windows begin.
        frequencies: (F,) Hz.
        power: (n, F), of unit power in the band.
        total: (n,) power at all frequencies.
        seconds: length of a window.
        band_hz: where the peaks lie.
    """

    starts: np.ndarray
    frequencies: np.ndarray
    power: np.ndarray
    total: np.ndarray
    seconds: float = WINDOW_SECONDS
    band_hz: tuple[float, float] = PULSE_BAND_HZ

    def heart_rate(self, start: float = -np.inf, stop: float = np.inf) -> HeartRate:
        """By the peak of the mean spectrum of the windows that lie from one time to another, to half a second."""
        inside = (self.starts >= start - 0.5) & (self.starts + self.seconds <= stop + 0.5)
        if not inside.any():
            return HeartRate(None, reason="no window here has a reading")
        return self._pick(self.power[inside].mean(axis=0), self.total[inside].mean())

    def track(self) -> HeartRateTrack:
        """The heart rate of each window."""
        rates = [self._pick(power, total) for power, total in zip(self.power, self.total, strict=True)]
        return HeartRateTrack.of(self.starts + self.seconds / 2, rates)

    def between(self, start: float, stop: float) -> PooledSpectra:
        """The windows that lie from one time to another, on a clock that begins at `start`."""
        inside = (self.starts >= start - 0.5) & (self.starts + self.seconds <= stop + 0.5)
        return replace(self, starts=self.starts[inside] - start, power=self.power[inside], total=self.total[inside])

    def _pick(self, power: np.ndarray, total: float) -> HeartRate:
        return VIDEO.pick_peak(self.frequencies, power, total, self.seconds, self.band_hz)
