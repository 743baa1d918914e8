"""Heart rate of a pulse wave by its spectrum, once or as a track over time; `beats` has it from beat to beat."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.fft import next_fast_len, rfft, rfftfreq
from scipy.signal.windows import hann

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import PULSE_BAND_HZ, as_wave, check_fps, frames_in, is_constant, usable_band

WINDOW_SECONDS = 10.0
_BLOCK_SAMPLES = 1 << 21  # zero-padded samples transformed at once: bounds the memory of long recordings
_OVERTONE_REACH_HZ = 0.05
NEIGHBOURHOOD_HZ = 0.1  # 6 bpm either side of a harmonic count as pulse, as in the field's SNR


@dataclass(frozen=True)
class HeartRate:
    """A heart rate, or the reason why there is none.

    `at_band_edge`: the strongest peak lies at or beyond the edge of the band, so the true rate may be outside.
    `quality`: 0 (noise) to 1 (a clean pulse), see `rppg_graph.pulse.quality`.
    `uncertainty_bpm`: the least standard deviation that the noise in the band allows (Cramér–Rao bound of one
    sinusoid); choosing the wrong peak is not in it.
    """

    bpm: float | None
    at_band_edge: bool = False
    quality: float = 0.0
    uncertainty_bpm: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class HeartRateTrack:
    """Heart rate over time; arrays (n,), float64 but for `at_band_edge` (bool). `seconds` are the windows' centres."""

    seconds: np.ndarray
    bpm: np.ndarray  # NaN where a window carries no heart rate
    quality: np.ndarray
    uncertainty_bpm: np.ndarray
    at_band_edge: np.ndarray

    @classmethod
    def of(cls, seconds: np.ndarray, rates: Sequence[HeartRate]) -> HeartRateTrack:
        """The heart rates of windows with these centres (n,)."""
        kinds = {"bpm": float, "quality": float, "uncertainty_bpm": float, "at_band_edge": bool}
        return cls(seconds, *(np.array([getattr(rate, name) for rate in rates], kinds[name]) for name in kinds))


def spectrum(windows: np.ndarray, fps: float, limit_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power spectrum of Hann-tapered windows, zero-padded to bins of at most 1 bpm and an eighth of the resolution.

    Args:
        windows: (n, T).
        limit_hz: the highest frequency to return.

    Returns:
        frequencies in Hz (F,), power (n, F), and the sum of the power over all frequencies up to fps / 2 (n,).
    """
    length = windows.shape[1]
    padded = next_fast_len(max(8 * length, int(np.ceil(60 * fps))), real=True)
    frequencies = rfftfreq(padded, 1 / fps)
    kept = int(np.searchsorted(frequencies, limit_hz, side="right"))
    taper = hann(length + 2)[1:-1]
    power, total = np.empty((len(windows), kept)), np.empty(len(windows))
    block = max(1, _BLOCK_SAMPLES // padded)
    for start in range(0, len(windows), block):
        part = windows[start : start + block]
        part = (part - part.mean(axis=1, keepdims=True)) * taper
        power[start : start + block] = np.abs(rfft(part, padded, axis=1)[:, :kept]) ** 2
        total[start : start + block] = padded / 2 * (part**2).sum(axis=1)  # Parseval
    return frequencies[:kept], power, total


def cut_windows(wave: np.ndarray, length: int, step: int) -> np.ndarray:
    """Return the windows of a wave (T,) as a view (n, length), one every `step` samples; none is cut short."""
    return sliding_window_view(wave, length)[::step]


def one_channel(wave: ArrayLike) -> np.ndarray:
    """Return a checked wave (T,); InputError for other shapes."""
    signal = as_wave(wave)
    if signal.ndim != 1:
        raise InputError(f"the wave has shape {signal.shape}: one channel, shape (T,), is needed")
    return signal


def _least_samples(fps: float, band_hz: tuple[float, float]) -> int:
    return int(np.ceil(2 * fps / band_hz[0]))  # two beats of the slowest rate


def _peak_share(
    frequencies: np.ndarray, power: np.ndarray, peak_hz: float, seconds: float, band_hz: tuple[float, float]
) -> tuple[float, float]:
    """Quality (0–1) and signal-to-noise ratio from the first two harmonics' share of the power."""
    reach_hz = max(NEIGHBOURHOOD_HZ, 2 / seconds)  # never less than the main lobe of the Hann taper
    counted = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    pulse = np.abs(frequencies - peak_hz) <= reach_hz
    pulse |= np.abs(frequencies - 2 * peak_hz) <= reach_hz
    counted |= pulse
    share = power[pulse].sum() / power[counted].sum()
    by_chance = pulse.sum() / counted.sum()
    quality = (share - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
    return float(np.clip(quality, 0, 1)), float(share / max(1 - share, 1e-12))


@dataclass(frozen=True)
class SpectrumReader:
    """Reads heart rates by the peaks of spectra, see `heart_rate`.

    `other_harmonic`: what share of a second harmonic's power the third has at least, and of a third one's the second.
    """

    other_harmonic: float

    def heart_rate(self, wave: ArrayLike, fps: float, band_hz: tuple[float, float] = PULSE_BAND_HZ) -> HeartRate:
        """Heart rate of a wave (T,): see the function `heart_rate`, and `other_harmonic`."""
        signal, fps = one_channel(wave), check_fps(fps)
        try:
            band = usable_band(band_hz, fps)
        except InputError as error:
            return HeartRate(None, reason=str(error))
        if len(signal) < (least := _least_samples(fps, band)):
            told = f"{len(signal) / fps:.1f} s are too short for a heart rate: {least / fps:.1f} s are needed"
            return HeartRate(None, reason=told)
        if is_constant(signal):
            return HeartRate(None, reason="the wave is constant")
        length = min(len(signal), frames_in(WINDOW_SECONDS, fps))
        windows = cut_windows(signal, length, max(1, round(fps)))
        frequencies, power, total = spectrum(windows, fps, 2 * band[1] + 2 * NEIGHBOURHOOD_HZ)
        inside = (frequencies >= band[0]) & (frequencies <= band[1])
        in_band = power[:, inside].sum(axis=1, keepdims=True)
        moving = in_band[:, 0] > 1e-12 * in_band.max()
        if not moving.any():
            return HeartRate(None, reason=f"nothing moves in the band {band[0]:g}–{band[1]:g} Hz")
        weights = 1 / (in_band[moving, 0] * moving.sum())
        return self.pick_peak(frequencies, weights @ power[moving], weights @ total[moving], length / fps, band)

    def track(
        self,
        wave: ArrayLike,
        fps: float,
        window_seconds: float = WINDOW_SECONDS,
        step_seconds: float = 1.0,
        band_hz: tuple[float, float] = PULSE_BAND_HZ,
    ) -> HeartRateTrack:
        """Heart rate by spectrum in windows of `window_seconds` every `step_seconds`; empty for a shorter wave.

        Raises:
            InputError: as `heart_rate`, or the window is too short for the band.
        """
        signal, fps = one_channel(wave), check_fps(fps)
        band = usable_band(band_hz, fps)
        length, step = frames_in(window_seconds, fps), max(1, round(step_seconds * fps))
        if length < _least_samples(fps, band):
            raise InputError(
                f"a window of {window_seconds:g} s is too short for a heart rate: the slowest needs {2 / band[0]:.1f} s"
            )
        if length > len(signal):
            return HeartRateTrack.of(np.empty(0), [])
        windows = cut_windows(signal, length, step)
        frequencies, power, total = spectrum(windows, fps, 2 * band[1] + 2 * NEIGHBOURHOOD_HZ)
        rates = [
            HeartRate(None) if is_constant(window) else self.pick_peak(frequencies, row, whole, length / fps, band)
            for window, row, whole in zip(windows, power, total, strict=True)
        ]
        return HeartRateTrack.of((np.arange(len(windows)) * step + length / 2) / fps, rates)

    def pick_peak(
        self, frequencies: np.ndarray, power: np.ndarray, total: float, seconds: float, band_hz: tuple[float, float]
    ) -> HeartRate:
        """Choose the pulse's peak in one spectrum (F,) of a window of `seconds`, and say how far to trust it.

        `total` is the power at all frequencies; that under half of the band's lower edge counts as drift.
        """
        low_hz, high_hz = band_hz
        inside = (frequencies >= low_hz) & (frequencies <= high_hz)
        around = (frequencies >= 0.5 * low_hz) & (frequencies <= 1.25 * high_hz)
        if power[inside].sum() <= 0.01 * (total - power[frequencies < 0.5 * low_hz].sum()):
            return HeartRate(None, reason=f"less than 1 % of the power lies in the band {low_hz:g}–{high_hz:g} Hz")
        weighted = power * frequencies
        maxima = 1 + np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:]))
        candidates = maxima[inside[maxima]]
        if len(candidates):
            best = self._fundamental(frequencies, power, maxima, inside, candidates[np.argmax(weighted[candidates])])
            left, middle, right = np.log(np.maximum(power[best - 1 : best + 2], 1e-300))
            curvature = left - 2 * middle + right
            offset = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
            peak_hz = float(frequencies[best] + np.clip(offset, -0.5, 0.5) * frequencies[1])
            at_edge = bool(weighted[around].max() > 1.001 * weighted[inside].max())
        else:
            peak_hz, at_edge = float(frequencies[np.argmax(np.where(inside, weighted, -1))]), True
        quality, signal_to_noise = _peak_share(frequencies, power, peak_hz, seconds, band_hz)
        bound_hz = np.sqrt(6 / ((high_hz - low_hz) * seconds**3 * max(signal_to_noise, 1e-9))) / (2 * np.pi)
        return HeartRate(60 * peak_hz, at_edge, quality, float(min(60 * bound_hz, 30 * (high_hz - low_hz))))

    def _fundamental(
        self, frequencies: np.ndarray, power: np.ndarray, maxima: np.ndarray, inside: np.ndarray, chosen: int
    ) -> int:
        """Return the peak whose second or third harmonic the chosen one is, or the chosen one, see `heart_rate`."""
        best = chosen
        for peak in maxima[inside[maxima] & (power[maxima] >= power[chosen])]:
            for overtone, other in ((2, 3), (3, 2)):
                is_overtone = abs(frequencies[chosen] / overtone - frequencies[peak]) <= _OVERTONE_REACH_HZ
                others = power[maxima[np.abs(frequencies[maxima] / other - frequencies[peak]) <= _OVERTONE_REACH_HZ]]
                confirmed = others.max(initial=0) >= self.other_harmonic * power[chosen]
                if is_overtone and confirmed and power[peak] > power[best]:
                    best = int(peak)
        return best


VIDEO = SpectrumReader(other_harmonic=0.4)  # less is noise at a half or a third of a clean pulse's rate
"""Reads what formulas make of a video."""

CONTACT = SpectrumReader(other_harmonic=0.0)  # strong overtones, and little else at a half or a third of the rate
"""Reads the waves of contact sensors, and of networks, which learnt from them."""


def heart_rate(
    wave: ArrayLike, fps: float, band_hz: tuple[float, float] = PULSE_BAND_HZ, contact: bool | None = None
) -> HeartRate:
    """Heart rate by a peak of the spectrum P: the local maximum with the largest f·P(f), unless it is an overtone.

    The weight f whitens the 1/f noise of video. An overtone: at a half or a third of its rate (within 3 bpm) P has a
    peak no lower than its own, and the other of those two harmonics is there too; then the fundamental counts. The
    place of the peak is that of P itself, by a parabola through the logarithm of three bins. A wave of more than 10 s
    gives the mean of the spectra of its 10-s windows (one a second, each of unit power), since the heart rate drifts
    within a minute and a spectrum of the whole smears it. `CONTACT.heart_rate` does not ask for the other harmonic.

    Args:
        wave: (T,), detrended or filtered.
        fps: samples per second; a rate above 27·fps bpm is folded back by the sampling and cannot be told.
        band_hz: where to look.
        contact: True is the old name of `CONTACT.heart_rate`.

    Raises:
        InputError: the wave is empty, not one-dimensional or not finite, or `fps` is not above zero.
    """
    if contact is not None:
        told = "heart_rate(contact=True) is called CONTACT.heart_rate now; the next version has the new name alone"
        warnings.warn(told, DeprecationWarning, stacklevel=2)
    return (CONTACT if contact else VIDEO).heart_rate(wave, fps, band_hz)
