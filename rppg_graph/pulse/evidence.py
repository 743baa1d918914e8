"""Evidence beside a wave: what else a window of face traces says about a candidate heart rate.

A periodic wave is not yet a pulse: lamps, heads and codecs are periodic too. Each member of EVIDENCE looks at one
window of about ten seconds and a candidate rate, and gives one number, or NaN where its input is missing. None depends
on the brightness of the video. `judgement` turns the numbers into one probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import PBV_SIGNATURE
from rppg_graph.pulse.window import Window, amplitudes, relative, without_parabola

NETWORK_MEMBER = "network"  # its name among the methods; the others are formulas
AGREE_BPM = 3.0  # two rates this close are one
_GREY = np.ones(3)
_AROUND_HZ = np.r_[-0.75:-0.2:0.1, 0.25:0.8:0.1]  # from a line to where its noise is measured
_SEGMENT_SECONDS = 4.0  # of a coherence within a window
_CHANCE_COHERENCE = 0.6
_TREMBLE = 1e-3  # of a face box, as a share of its side: less is the detector's own noise
_MOST_DB, _LEAST_DB = 30.0, -20.0


def _line(changes: np.ndarray, fps: float, hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitude (…) at a frequency, noise power (…) there, and the amplitudes (k, …) around that it is taken from.

    The noise is the median of the power 0.25 to 0.75 Hz away, over ln 2, which is its mean where it is even.
    """
    around = hz + _AROUND_HZ
    around = around[(around > 0.3) & (around < 0.5 * fps)]
    found = amplitudes(changes, fps, np.r_[hz, around])
    return found[0], np.median(np.abs(found[1:]) ** 2, axis=0) / np.log(2), found[1:]


def _db(ratio: float) -> float:
    return float(np.clip(10 * np.log10(max(ratio, 1e-12)), _LEAST_DB, _MOST_DB))


def _mixture(window: Window, hz: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Blood and grey light (2,) complex in the skin's colour, the noise power of blood, and its weights (3,)."""
    if hz in window.mixtures:
        return window.mixtures[hz]
    amplitude, _, around = _line(relative(window.skin), window.fps, hz)
    noise = (around.T @ around.conj()).real / len(around)  # (3, 3)
    noise += (1e-3 * np.trace(noise) / 3 + 1e-18) * np.eye(3)
    parts = np.stack([PBV_SIGNATURE, _GREY], axis=1)  # (3, 2)
    whitened = np.linalg.solve(noise, parts)
    covariance = np.linalg.inv(parts.T @ whitened)
    weights = covariance @ whitened.T  # (2, 3)
    window.mixtures[hz] = weights @ amplitude, float(covariance[0, 0]), weights[0]
    return window.mixtures[hz]


def blood_share(window: Window, bpm: float) -> float:
    """|x| / (|x| + √3·|y|) of the colour x·p + y·g at f: blood p = (0.33, 0.78, 0.53) against grey light g.

    Blood takes most from green and least from red; a lamp, a shadow and exposure change all three alike. x and y are
    least squares over the noise of the three colours 0.25 to 0.75 Hz away.
    """
    (blood, grey), _, _ = _mixture(window, bpm / 60)
    return float(abs(blood) / (abs(blood) + np.sqrt(3) * abs(grey) + 1e-18))


def blood_snr(window: Window, bpm: float) -> float:
    """10·log10(|x|² / σ²) of blood's part x of the colour at f over its noise: no blood, no pulse."""
    (blood, _), noise, _ = _mixture(window, bpm / 60)
    return _db(abs(blood) ** 2 / noise)


def background(window: Window, bpm: float) -> float:
    """√(B·c / S): what is periodic at f outside of the face and in step with the skin; 0 for a pulse, 1 for a lamp.

    S is the mean power of the skin's luminance at f in segments of four seconds, B that of a block outside. c is how
    far their coherence γ² = |Σ s̄·b|² / (Σ|s|²·Σ|b|²) over the segments exceeds what chance gives: (γ² − 0.6) / 0.4,
    from 0 to 1. The upper quartile over the blocks counts, so that a neck or a hand does not speak for the whole room.
    """
    if window.background is None:
        return np.nan
    length = round(_SEGMENT_SECONDS * window.fps)
    changes = relative(np.c_[window.skin.mean(axis=1), window.background.mean(axis=2)])  # (T, 1 + Q)
    turned = changes * np.exp(-2j * np.pi * bpm / 60 * np.arange(len(changes)) / window.fps)[:, None]
    parts = sliding_window_view(turned, length, axis=0)[:: max(1, length // 4)] @ np.hanning(length)  # (n, 1 + Q)
    power = (np.abs(parts) ** 2).mean(axis=0) + 1e-18
    shared = np.abs((parts[:, :1].conj() * parts[:, 1:]).mean(axis=0)) ** 2 / (power[0] * power[1:])
    in_step = power[1:] * np.clip((shared - _CHANCE_COHERENCE) / (1 - _CHANCE_COHERENCE), 0, 1)
    return float(min(np.sqrt(np.percentile(in_step, 75) / power[0]), 10.0))


def box_motion(window: Window, bpm: float) -> float:
    """10·log10 of what moves at f or f / 2 in x, y or size of the face's box, over its noise: steps and nods.

    A step moves the head up at f and sideways at f / 2. Less than 0.1 % of the box is the detector's tremble, and
    counts as noise.
    """
    if window.boxes is None:
        return np.nan
    side = window.boxes[:, 2].mean()
    middle = window.boxes[:, :2] + window.boxes[:, 2:] / 2
    track = without_parabola(np.c_[middle, window.boxes[:, 2:3]] / side)  # (T, 3)
    ratios = [
        np.abs(found) ** 2 / (noise + _TREMBLE**2)
        for found, noise, _ in (_line(track, window.fps, hz) for hz in (bpm / 60, bpm / 120))
    ]
    return _db(float(np.max(ratios)))


def key_distance(window: Window, bpm: float) -> float:
    """|f − k·60 / P| in bpm, k = 1, 2, 3: how far f is from the rate of the file's key frames, P seconds apart.

    Each key frame draws the picture anew, so all colours jump at its rate. NaN where they come under four times, or
    at no even distance.
    """
    period = key_period(window.key_frames)
    if period is None or period * 4 > len(window.skin):
        return np.nan
    rate = 60 * window.fps / period
    return float(min(min(abs(bpm - k * rate) for k in (1, 2, 3)), 30.0))


def key_period(key_frames: np.ndarray | None) -> float | None:
    """Frames from one key frame to the next; None where there are fewer than three or they come unevenly."""
    steps = np.diff(np.flatnonzero(key_frames)) if key_frames is not None else np.empty(0)
    if len(steps) < 2 or np.median(steps) < 2:  # every frame is a key frame where nothing is predicted, as in MJPEG
        return None
    even = np.abs(steps - np.median(steps)) <= 1
    return float(steps[even].mean()) if even.mean() > 0.8 else None


def jumps(window: Window, bpm: float) -> float:
    """Least over h = 1, 3, 5 of the dB over noise of e(t) = Σ|c(t) − c(t−1)| at h·f: a codec jumps, a pulse glides.

    Sums over all patches. An even train of jumps has all its overtones equally strong; what swings to and fro has even
    ones. It needs no flags, so it sees a video that was coded twice.
    """
    steps = np.abs(np.diff(window.patches.mean(axis=2), axis=0))
    energy = (steps / window.patches.mean(axis=(0, 2))).mean(axis=1)
    energy = without_parabola(np.minimum(energy, 5 * np.median(energy) + 1e-12))
    harmonics = np.array([1, 3, 5]) * bpm / 60
    lines = [_line(energy, window.fps, hz)[:2] for hz in harmonics if hz < 0.45 * window.fps]
    return min(_db(abs(found) ** 2 / (noise + 1e-18)) for found, noise in lines)


def phase(window: Window, bpm: float) -> float:
    """(|Σ a|² / Σ|a|² − 1) / (P − 1) of the blood's amplitude a at f in the P patches on the skin, not below 0.

    It is the mean of Re(a·ā′) over all pairs, relative to the mean power: 1 for one phase everywhere, as a pulse has
    nearly, about 0 for noise and for an edge that moves, which brightens one side and darkens the other. The weights of
    the three colours are those of `blood_share`.
    """
    _, _, weights = _mixture(window, bpm / 60)
    found = amplitudes(relative(window.on_skin) @ weights, window.fps, np.array([bpm / 60]))[0]
    alike = abs(found.sum()) ** 2 / max(float((np.abs(found) ** 2).sum()), 1e-30)
    return float(max(alike - 1, 0) / (len(found) - 1))


def agreement(window: Window, bpm: float) -> float:
    """Share of the methods whose rate is within 3 bpm of f; NaN below two methods.

    They fail differently: a lamp fools GREEN and not POS, a moving head a network and not PBV.
    """
    rates = np.array([np.nan if rate is None else rate for rate in window.members.values()], dtype=float)
    return float(np.mean(np.abs(rates - bpm) <= AGREE_BPM)) if len(rates) > 1 else np.nan


def network(window: Window, bpm: float) -> float:
    """10·log10 of the network's power within 3 bpm of f over the strongest elsewhere; NaN without a network.

    Above 0 f is its own rate, the more the clearer; below 0 it reads another. A network reads where each formula fails,
    and it fails alone: what it says counts beside the vote of all.
    """
    return _clarity(window, bpm, [NETWORK_MEMBER] if NETWORK_MEMBER in window.waves else [])


def formulas(window: Window, bpm: float) -> float:
    """The same in the mean spectrum of the formulas, each of unit power in the band; NaN without one."""
    return _clarity(window, bpm, [name for name in window.waves if name != NETWORK_MEMBER])


def _clarity(window: Window, bpm: float, names: Sequence[str]) -> float:
    """10·log10(max P(f ± 3 bpm) / max P(elsewhere)) of the mean spectrum P of some methods; NaN without one.

    In the main lobe around f, which is as wide as a window is short, only what is stronger counts as elsewhere: the
    slope of f's own line is no rival, and a line close by is.
    """
    if not names:
        return np.nan
    frequencies, by_name = window.spectra
    power, apart = np.mean([by_name[name] for name in names], axis=0), np.abs(frequencies - bpm / 60)
    own = power[apart <= max(AGREE_BPM / 60, apart.min())].max()
    lobe = 2 * window.fps / len(window.skin)
    elsewhere = (apart > AGREE_BPM / 60) & ((apart > lobe) | (power > own))
    return _db(own / max(power[elsewhere].max(), 1e-30))


def steadiness(window: Window, bpm: float) -> float:
    """Median of |f − rate| in bpm over the neighbouring windows: a heart changes its rate little in seconds."""
    rates = np.array([np.nan if rate is None else rate for rate in window.neighbours], dtype=float)
    rates = rates[np.isfinite(rates)]
    return float(min(np.median(np.abs(rates - bpm)), 30.0)) if len(rates) else np.nan


EVIDENCE: dict[str, Callable[[Window, float], float]] = {
    "blood_share": blood_share,
    "blood_snr": blood_snr,
    "background": background,
    "box_motion": box_motion,
    "key_distance": key_distance,
    "jumps": jumps,
    "phase": phase,
    "agreement": agreement,
    "network": network,
    "formulas": formulas,
    "steadiness": steadiness,
}
"""Name → evidence (window, candidate rate in bpm) → a number, NaN where its input is missing."""


def collect(window: Window, bpm: float) -> dict[str, float]:
    """All evidence about a candidate rate.

    Raises:
        InputError: a rate that is not within 20 to 300 bpm, or that the window's frame rate cannot carry.
    """
    highest = min(300.0, 27 * window.fps)
    if not 20 <= bpm <= highest:
        raise InputError(f"a candidate rate of {bpm} bpm: it must lie between 20 and {highest:g} bpm")
    return {name: evidence(window, bpm) for name, evidence in EVIDENCE.items()}
