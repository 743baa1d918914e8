"""Detrending, band-pass and resampling of pulse waves; every function is zero-phase and works on float64."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solveh_banded
from scipy.signal import butter, sosfiltfilt

from rppg_graph.errors import InputError

MAX_GAP_SECONDS = 0.5  # a longer hole in the face frames ends a segment; a shorter one is interpolated over
PULSE_BAND_HZ = (0.6, 3.6)
"""36 to 216 bpm: the band in which `native` looks for a pulse."""


def as_wave(values: ArrayLike, name: str = "the wave") -> np.ndarray:
    """Return `values` as a float64 array whose first axis is time, or say why it is no wave.

    Args:
        values: (T,) or (T, C), any real dtype.
        name: what to call it in the error.

    Raises:
        InputError: it is empty, has no time axis, is not numeric, or holds a value that is not finite (with its frame).
    """
    try:
        wave = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not an array of numbers: {type(values).__name__}") from None
    if wave.ndim not in (1, 2) or wave.size == 0:
        raise InputError(f"{name} has shape {wave.shape}: a wave of at least one sample, shape (T,), is needed")
    finite = np.isfinite(wave).reshape(len(wave), -1).all(axis=1)
    if not finite.all():
        frame = int(np.argmin(finite))
        raise InputError(
            f"{name} holds {wave[frame]} at frame {frame} ({np.count_nonzero(~finite)} of {len(wave)} frames are not "
            "finite): leave such frames out and resample from the timestamps of the others"
        )
    return wave


def check_fps(fps: float) -> float:
    """Return `fps` as a float.

    Raises:
        InputError: it is not a finite number above zero.
    """
    if not (np.isscalar(fps) or np.ndim(fps) == 0) or not np.isfinite(fps) or fps <= 0:
        raise InputError(f"fps is {fps}: a number of frames per second above zero is needed")
    return float(fps)


def frames_in(seconds: float, fps: float) -> int:
    """Whole frames in `seconds`; a window never asks for more than the recording has."""
    return int(seconds * fps + 1e-6)


def usable_band(band_hz: tuple[float, float], fps: float) -> tuple[float, float]:
    """Return the part of a band that a signal of `fps` carries: the upper edge comes down to 0.45·fps where it must.

    Raises:
        InputError: less than one octave of the band is left.
    """
    low_hz, high_hz = band_hz
    carried_hz = min(high_hz, 0.45 * check_fps(fps))
    if carried_hz < 2 * low_hz:
        raise InputError(
            f"a signal of {fps:g} fps carries frequencies up to {0.45 * fps:.2f} Hz, which leaves less than an octave "
            f"of the band {low_hz:g}–{high_hz:g} Hz: record at {2 * low_hz / 0.45:.1f} fps or more"
        )
    return low_hz, carried_hz


def finite_runs(wave: np.ndarray) -> list[slice]:
    """The stretches of a wave (T,) without NaN."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], np.isfinite(wave), [False])).astype(int)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def runs_in_time(seconds: np.ndarray) -> list[slice]:
    """The stretches of timestamps (T,) without a hole of more than ``MAX_GAP_SECONDS``."""
    cuts = np.flatnonzero(np.diff(seconds) > MAX_GAP_SECONDS) + 1
    return [slice(a, b) for a, b in pairwise([0, *cuts.tolist(), len(seconds)]) if b > a]


def is_constant(wave: np.ndarray) -> bool:
    """Tell whether a wave (T,) moves by no more than the rounding of its own values."""
    return bool(np.ptp(wave) <= 1e-12 * np.abs(wave).max())


def detrend(signal: ArrayLike, smoothness: float = 100.0) -> np.ndarray:
    """Subtract the slow trend by the smoothness-priors method: z − (I + λ²D₂ᵀD₂)⁻¹ z, as a banded solve, O(T).

    With λ = 100 the trend takes half the amplitude at fps / (2π√λ) = 0.48 Hz of a 30-fps signal.

    Args:
        signal: (T,) or (T, C), filtered along time.
        smoothness: λ; see `smoothness_for` for other rates of frames.

    Returns:
        float64, the shape of `signal`.

    Raises:
        InputError: see `as_wave`.

    Source: Tarvainen, Ranta-aho, Karjalainen, IEEE Trans. Biomed. Eng. 49(2), 2002, eq. 20.
    """
    wave = as_wave(signal, "the signal to detrend")
    centred = wave - wave.mean(axis=0)  # a constant is all trend; without it the solve keeps its digits for large λ
    if len(wave) < 3:
        return np.zeros_like(wave)  # no second difference: everything is trend
    bands = np.zeros((3, len(wave)))  # upper form of solveh_banded: second, first and main diagonal
    bands[0, 2:] = 1
    bands[1, 1:-1] -= 2
    bands[1, 2:] -= 2
    bands[2, :-2] += 1
    bands[2, 1:-1] += 4
    bands[2, 2:] += 1
    bands *= smoothness**2
    bands[2] += 1
    return centred - solveh_banded(bands, centred, overwrite_ab=True, check_finite=False)


def smoothness_for(cutoff_hz: float, fps: float) -> float:
    """Return the λ with which `detrend` halves the amplitude at `cutoff_hz`: λ = (fps / (2π·cutoff))²."""
    return (check_fps(fps) / (2 * np.pi * cutoff_hz)) ** 2


def bandpass(
    signal: ArrayLike, fps: float, low_hz: float, high_hz: float, order: int = 2, padding_seconds: float = 0.5
) -> np.ndarray:
    """Band-pass forward and backward (zero phase) with a Butterworth filter in second-order sections.

    Args:
        signal: (T,) or (T, C), filtered along time.
        fps: samples per second.
        low_hz, high_hz: the edges, where two passes leave half of the amplitude.
        order: of one pass.
        padding_seconds: how far the signal is continued, mirrored about its end points, for the filter to settle; at
            least 3·(2·order + 1) samples, scipy's own choice.

    Returns:
        float64, the shape of `signal`.

    Raises:
        InputError: the band does not fit below fps / 2, or the signal is not longer than the filter's padding.
    """
    wave = as_wave(signal, "the signal to filter")
    fps = check_fps(fps)
    if not 0 < low_hz < high_hz < fps / 2:
        raise InputError(
            f"a band of {low_hz:g} to {high_hz:g} Hz does not fit a signal of {fps:g} fps, which carries frequencies "
            f"below {fps / 2:g} Hz: record at more than {2 * high_hz:g} fps or narrow the band"
        )
    padding = max(3 * (2 * order + 1), round(padding_seconds * fps))
    if len(wave) <= padding:
        raise InputError(
            f"the signal has {len(wave)} samples ({len(wave) / fps:.2f} s) and the band-pass needs more than {padding}"
            ": a longer recording is needed"
        )
    sections = _butterworth(order, (low_hz, high_hz), btype="bandpass", fs=fps, output="sos")
    return sosfiltfilt(sections, wave, axis=0, padlen=padding)


_butterworth = lru_cache(maxsize=64)(butter)  # it takes longer to design than to use on ten seconds


def resample(seconds: ArrayLike, values: ArrayLike, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Put samples of uneven timing on an even clock by linear interpolation.

    Samples with the same timestamp count once, with their mean.

    Args:
        seconds: (S,) timestamps, not falling.
        values: (S,) or (S, C).
        fps: the rate wanted.

    Returns:
        seconds (T,) from the first to the last timestamp in steps of 1 / fps, and values (T,) or (T, C).

    Raises:
        InputError: lengths differ, a timestamp is not finite or falls (its place is named), or fewer than two differ.
    """
    clock = as_wave(seconds, "the timestamps")
    samples = as_wave(values, "the values to resample")
    fps = check_fps(fps)
    if clock.ndim != 1 or len(clock) != len(samples):
        raise InputError(f"{len(samples)} values came with timestamps of shape {clock.shape}: one each is needed")
    steps = np.diff(clock)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0)) + 1
        raise InputError(f"timestamp {at} ({clock[at]:.3f} s) is before the one at {at - 1} ({clock[at - 1]:.3f} s)")
    kept, inverse, counts = np.unique(clock, return_inverse=True, return_counts=True)
    if len(kept) < 2:
        raise InputError(f"{len(clock)} samples share one timestamp, {clock[0]:.3f} s: two different ones are needed")
    columns = samples.reshape(len(samples), -1)  # (S, C)
    means = np.stack([np.bincount(inverse, column) / counts for column in columns.T], axis=1)
    even = kept[0] + np.arange(int((kept[-1] - kept[0]) * fps + 1e-6) + 1) / fps
    resampled = np.stack([np.interp(even, kept, column) for column in means.T], axis=1)
    return even, resampled.reshape(len(even), *samples.shape[1:])
