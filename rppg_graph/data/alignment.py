"""How a label's pulse fits its own heart rates, and the face that it belongs to; whether it can be believed at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.signal import correlate, correlation_lags, find_peaks

from rppg_graph.data.recordings import Reference
from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import PULSE_BAND_HZ, bandpass, detrend, resample, usable_band
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO, WINDOW_SECONDS, cut_windows, spectrum

GRID_HZ = 30.0
LONGEST_LAG_SECONDS = 2.0
LEAST_CORRELATION = 0.3  # below, the face's pulse was not found and says nothing about a lag
PLAUSIBLE_BPM = (30.0, 240.0)
LEAST_PULSE_HZ = 5.0
DEAD_SECONDS, DEAD_SHARE = 2.0, 0.01  # a pulse that moves by less than 1 % of its range for as long is a dead sensor's
FORMULAS_AGREE_BPM, LABEL_DIFFERS_BPM = 3.0, 10.0
LEAST_WINDOWS, LEAST_AGREEMENT, LEAST_CONTRADICTION = 5, 2 / 3, 0.9
CLEAR_QUALITY, ABSENT_SHARE = 0.4, 0.1  # of the face's wave; of its power, within 6 bpm of the label's heart rate
AS_GOOD = 0.05  # correlations that differ by less are equal: their sampling error over a minute is about so large


class LabelFigures(NamedTuple):
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
    track = CONTACT.track(_in_band(pulse), GRID_HZ)
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


def reference_faults(
    reference: Reference, seconds: np.ndarray, faces: tuple[np.ndarray, np.ndarray] | None = None
) -> list[str]:
    """What makes a reference unbelievable, one sentence each: nothing should be measured against it.

    Args:
        seconds: (T,) rising times of the video's frames; only the label of them counts.
        faces: (F,) times of the frames with a face and (F, 3) mean colours of the skin in them; None does not compare
            the label with the face.
    """
    during = (reference.seconds >= seconds[0]) & (reference.seconds <= seconds[-1])
    if reference.pulse is not None:
        faults = _too_slow(reference) or _dead_stretch(reference.seconds[during], reference.pulse[during])
    else:
        faults = [] if reference.bpm is None else _impossible_rate(reference.bpm[during])
    return faults or ([] if faces is None else _face_faults(reference, *faces))


def _impossible_rate(bpm: np.ndarray) -> list[str]:
    usual = float(np.nanmedian(bpm)) if np.isfinite(bpm).any() else np.nan
    lowest, highest = PLAUSIBLE_BPM
    if not np.isfinite(usual) or lowest <= usual <= highest:
        return []
    unit = "; that looks like beats a second: multiply by 60" if lowest <= 60 * usual <= highest else ""
    return [f"a heart rate of {usual:.3g} bpm (median), which no heart has ({lowest:g} to {highest:g}){unit}"]


def _too_slow(reference: Reference) -> list[str]:
    hz = 1 / np.median(np.diff(reference.seconds))
    if hz >= LEAST_PULSE_HZ:
        return []
    cause = ""
    if (np.abs(reference.pulse - np.mean(PLAUSIBLE_BPM)) <= np.ptp(PLAUSIBLE_BPM) / 2).all():
        cause = "; if these are heart rates, name the column bpm"
    elif 1000 * hz >= LEAST_PULSE_HZ and hz < 0.5:
        cause = "; if the times are milliseconds, divide them by 1000"
    return [f"a pulse of {hz:.2g} samples a second, too few to see its beats (least {LEAST_PULSE_HZ:g}){cause}"]


def _dead_stretch(seconds: np.ndarray, pulse: np.ndarray) -> list[str]:
    if len(seconds) < 2 or np.ptp(seconds) <= DEAD_SECONDS:
        return []
    holes = np.diff(seconds)
    if holes.max() > DEAD_SECONDS:
        return [f"the pulse has no sample for {holes.max():.1f} s after {seconds[np.argmax(holes)]:.1f} s"]
    times, wave = resample(seconds, pulse, GRID_HZ)
    windows = cut_windows(wave, round(DEAD_SECONDS * GRID_HZ), 1)
    dead = np.ptp(windows, axis=1) < DEAD_SHARE * np.subtract(*np.percentile(wave, (99, 1)))
    if dead.any():
        return [f"the pulse does not move for {DEAD_SECONDS:g} s or more from {times[np.argmax(dead)]:.1f} s on"]
    return []


def _face_faults(reference: Reference, seconds: np.ndarray, rgb: np.ndarray) -> list[str]:
    """Whether two formulas agree on the face's heart rate, and the label's is another of which the face has nothing.

    The face has to have a clear pulse: where video has lost it, a lamp or a codec beats alone, but not clearly.
    """
    kept = (seconds >= reference.seconds[0]) & (seconds <= reference.seconds[-1])
    if kept.sum() < 2 or np.ptp(seconds[kept]) < WINDOW_SECONDS + LEAST_WINDOWS:
        return []
    try:
        times, colours = resample(seconds[kept], rgb[kept], GRID_HZ)
        pos, chrom = (_in_band(CLASSICAL[name](colours, GRID_HZ)) for name in ("pos", "chrom"))
    except InputError:  # black frames, for example
        return []
    track, other = VIDEO.track(pos, GRID_HZ), VIDEO.track(chrom, GRID_HZ).bpm
    if reference.pulse is not None:
        pulse = _in_band(np.interp(times, reference.seconds, reference.pulse))
        label = CONTACT.track(pulse, GRID_HZ).bpm
    else:
        label = _window_means(reference.seconds, reference.bpm, times[0] + track.seconds)
    agree = np.abs(track.bpm - other) <= FORMULAS_AGREE_BPM
    differ = agree & (np.minimum(np.abs(track.bpm - label), np.abs(other - label)) > LABEL_DIFFERS_BPM)
    windows = cut_windows(pos, round(WINDOW_SECONDS * GRID_HZ), round(GRID_HZ))
    frequencies, power, _ = spectrum(windows, GRID_HZ, PULSE_BAND_HZ[1])
    at_label = np.where(np.abs(60 * frequencies - label[:, np.newaxis]) <= 6, power, 0).sum(axis=1) / power.sum(axis=1)
    contradicted = (
        agree.mean() >= LEAST_AGREEMENT
        and differ.sum() >= LEAST_CONTRADICTION * agree.sum()
        and np.median(track.quality) >= CLEAR_QUALITY
        and np.median(at_label) <= ABSENT_SHARE
    )
    if not contradicted:
        return []
    face, said = np.median(track.bpm[differ]), np.median(label[differ])
    return [
        f"{said:.0f} bpm, but the face has {face:.0f} by POS and CHROM alike: another person's or recording's label"
    ]


def _in_band(wave: np.ndarray) -> np.ndarray:
    wave = bandpass(detrend(wave), GRID_HZ, *usable_band(PULSE_BAND_HZ, GRID_HZ))
    return wave / max(wave.std(), 1e-12)
