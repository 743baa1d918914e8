"""Cures: what is known to be no pulse is taken out of face traces before anything is read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.signal import coherence

from rppg_graph.pulse.evidence import key_period
from rppg_graph.pulse.filters import detrend, smoothness_for
from rppg_graph.pulse.window import Traces

T = TypeVar("T", bound=Traces)

_SLOW_HZ = 0.4  # slower is no matter of a pulse, and stays
_FAST_HZ = 5.0
_LAG_SECONDS = 0.2  # rolling shutters, exposure control and codecs delay a light by no more
_SEGMENT_SECONDS = 5.0  # of the coherence: lines 0.4 Hz apart are two; a third of what is there where that is less
_BLOCK_SECONDS = 10.0  # in which a light's share in a colour is constant
_CHANCE = 1e-4  # that a frequency without any common light counts as coherent
_LEAST_SECONDS = 9.5
_REFERENCES = 2  # a light that a rolling shutter delays from row to row is a sum of two
_SKIN_CHROMA = 0.12
_LEAST_PERIODS = 12  # a mean over fewer holds too much of the pulse itself
_LOCKED_SHARE = 0.1  # of the patches' colours: a codec draws the whole picture anew


def without_background(traces: T) -> T:
    """The traces less what the background shows too: lamps, screens, exposure control.

    The reference is the luminance of the blocks outside of the face, its first two principal components; blocks of the
    skin's own colour (a neck, a hand) are no background. Only frequencies at which skin and reference are coherent
    (Welch, 5-s segments; chance 0.01 %) stay in it, so that a background that shares nothing changes nothing: least
    squares on noise would add noise. Each colour of each mask and patch then loses its least squares on the reference
    at delays of −0.2 to 0.2 s, in blocks of ten seconds that overlap by half.

    Returns:
        The same object where there is no background, under 9.5 s, or nothing coherent.
    """
    if traces.background is None or len(traces.seconds) < 16:
        return traces
    clock = np.asarray(traces.seconds, dtype=np.float64)
    step = float(np.median(np.diff(clock)))
    fps = 1 / step
    grid = np.arange(clock[0], clock[-1] + step / 2, step)
    skin = _changes(clock, np.asarray(traces.masks["skin"], np.float64), grid, fps)
    luminance = _free_blocks(traces)
    if skin is None or luminance is None or len(grid) < _LEAST_SECONDS * fps:
        return traces
    blocks = _changes(clock, luminance, grid, fps)  # (T, Q)
    units = blocks / np.maximum(np.median(np.abs(blocks), axis=0), 1e-9)
    left, scale, _ = np.linalg.svd(np.clip(units, -6, 6), full_matrices=False)
    references = left[:, :_REFERENCES] * scale[:_REFERENCES]
    references = np.stack([_coherent_part(reference, skin, fps) for reference in references.T], axis=1)
    references = references[:, references.any(axis=0)]
    if not references.shape[1]:
        return traces
    lags = range(-round(_LAG_SECONDS * fps), round(_LAG_SECONDS * fps) + 1, max(1, round(fps / 15)))
    design = np.concatenate([np.roll(references, lag, axis=0) for lag in lags], axis=1)
    return _less(traces, lambda changes: _explained(design, changes, fps), grid, fps)


def without_key_frames(traces: T) -> T:
    """The traces less what comes anew with every key frame: the Hann-weighted mean at each frame between two of them.

    A codec's rate control may also repeat itself every second or third key frame; that goes likewise.

    Returns:
        The same object where no flags are known, the key frames come unevenly or under twelve times, or under a tenth
        of the patches' colours is locked to them by more than chance.
    """
    if traces.key_frames is None:
        return traces
    keys = np.asarray(traces.key_frames, dtype=bool)
    period = key_period(keys)
    if period is None:
        return traces
    clock = np.asarray(traces.seconds, dtype=np.float64)
    fps = 1 / float(np.median(np.diff(clock)))
    at = np.rint((clock[keys] - clock[0]) * fps).astype(int)
    for every in (1, 2, 3):
        if len(keys) >= _LEAST_PERIODS * every * period:
            traces = _without_rhythm(traces, at[::every], every * period, fps)
    return traces


def _without_rhythm(traces: T, at: np.ndarray, period: float, fps: float) -> T:
    """The traces less what repeats itself from each of the frames `at`, some `period` frames apart, to the next."""
    clock = np.asarray(traces.seconds, dtype=np.float64)
    grid = np.arange(clock[0], clock[-1] + 0.5 / fps, 1 / fps)
    since = np.arange(len(grid)) - at[np.maximum(np.searchsorted(at, np.arange(len(grid)), side="right") - 1, 0)]
    phases = np.where((since >= 0) & (since < np.ceil(period)), since, -1)
    kept = phases >= 0
    taper = np.hanning(len(grid) + 2)[1:-1][kept, None]  # else a pulse that is no multiple of the rate leaks into means
    weights = np.bincount(phases[kept], taper[:, 0])[:, None]

    def locked(changes: np.ndarray) -> np.ndarray:  # (T, n) → (T, n)
        total = np.zeros((len(weights), changes.shape[1]))
        np.add.at(total, phases[kept], taper * changes[kept])
        return np.where(kept[:, None], (total / weights)[np.maximum(phases, 0)], 0)

    patches = _changes(clock, np.asarray(traces.patches, np.float64).reshape(len(clock), -1), grid, fps)
    part = locked(patches)
    # F: mean square between the phases (a Hann taper counts for two thirds) over that within; 2 is above chance for
    # ten phases and more
    between, within = (part[kept] ** 2).sum(axis=0) / len(weights) / 1.5, (patches - part)[kept].var(axis=0)
    if np.mean(between > 2 * within) < _LOCKED_SHARE:
        return traces
    return _less(traces, locked, grid, fps)


def _less(traces: T, explained: Callable[[np.ndarray], np.ndarray], grid: np.ndarray, fps: float) -> T:
    """Traces whose relative changes (T, n) on an even clock lose what `explained` says; the same object if nothing."""
    clock = np.asarray(traces.seconds, dtype=np.float64)
    touched = False

    def cured(values: np.ndarray) -> np.ndarray:
        nonlocal touched
        flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        changes = _changes(clock, flat, grid, fps)
        if changes is None:
            return values
        part = explained(changes)
        if not part.any():
            return values
        touched = True
        there = np.stack([np.interp(clock, grid, column) for column in part.T], axis=1)
        # c = slow·(1 + changes); taking a share away keeps a colour above zero
        return (flat / np.maximum(1 + there, 0.1)).reshape(values.shape).astype(values.dtype)

    new = replace(
        traces, masks={name: cured(values) for name, values in traces.masks.items()}, patches=cured(traces.patches)
    )
    return new if touched else traces


def _changes(clock: np.ndarray, values: np.ndarray, grid: np.ndarray, fps: float) -> np.ndarray | None:
    """Relative fast changes (T, n) of values (S, n) on an even clock, gaps bridged; None where a column is empty."""
    columns = []
    for column in values.T:
        finite = np.isfinite(column)
        if finite.sum() < 2:
            return None
        columns.append(np.interp(grid, clock[finite], column[finite]))
    even = np.stack(columns, axis=1)
    fast = detrend(even, smoothness_for(_SLOW_HZ, fps))
    return fast / np.maximum(even - fast, 1e-3 * np.abs(even).mean() + 1e-9)


def _free_blocks(traces: Traces) -> np.ndarray | None:
    """Luminance (S, Q) of the blocks that are background all the time and not of the skin's colour."""
    blocks = np.asarray(traces.background, dtype=np.float64)
    free = np.isfinite(blocks).all(axis=2).mean(axis=0) >= 0.8
    colours = np.log(np.maximum(np.nanmean(np.where(free[:, None], blocks, 1.0), axis=0), 1e-3))  # (Q, 3)
    skin = np.log(np.nanmean(np.asarray(traces.masks["skin"], np.float64), axis=0))
    alike = np.abs((colours - colours[:, 1:2]) - (skin - skin[1])).max(axis=1) < _SKIN_CHROMA
    free &= ~alike & (colours.max(axis=1) > np.log(4))  # black shows nothing
    return blocks[:, free].mean(axis=2) if free.sum() >= 3 else None


def _coherent_part(reference: np.ndarray, skin: np.ndarray, fps: float) -> np.ndarray:
    """What of a reference (T,) lies at frequencies where it is coherent with a colour of the skin (T, 3)."""
    segment = min(int(_SEGMENT_SECONDS * fps), len(reference) // 3)
    frequencies, shared = coherence(reference[:, None], skin, fps, nperseg=segment, axis=0)
    segments = (2 * len(reference)) // segment - 1
    independent = max(0.75 * segments, 2)  # Hann's segments overlap by half
    threshold = 1 - _CHANCE ** (1 / (independent - 1))
    good = (shared.max(axis=1) > threshold) & (frequencies >= _SLOW_HZ) & (frequencies <= _FAST_HZ)
    if not good.any():
        return np.zeros_like(reference)
    spectrum = np.fft.rfft(reference)
    fine = np.fft.rfftfreq(len(reference), 1 / fps)
    gate = np.interp(fine, frequencies, good.astype(float))
    return np.fft.irfft(spectrum * gate, len(reference))


def _explained(design: np.ndarray, changes: np.ndarray, fps: float) -> np.ndarray:
    """Least squares of changes (T, n) on a design (T, m), in tapered blocks of ten seconds, overlapping by half."""
    length = min(round(_BLOCK_SECONDS * fps), len(changes))
    starts = (*range(0, len(changes) - length, max(length // 2, 1)), len(changes) - length)
    taper = np.hanning(length + 2)[1:-1, None]
    total, weight = np.zeros_like(changes), np.zeros((len(changes), 1))
    for start in starts:
        part = slice(start, start + length)
        fitted = design[part] @ np.linalg.lstsq(design[part], changes[part], rcond=1e-3)[0]
        total[part] += taper * fitted
        weight[part] += taper
    return total / weight
