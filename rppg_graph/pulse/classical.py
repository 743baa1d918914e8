"""Pulse from the mean colour of the skin, without learning: the floor that every network must beat.

Every method gives an upright wave, rising where a contact pulse rises: blood is dark, so some are negated here that
their papers leave as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.signal.windows import hann

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import PULSE_BAND_HZ, as_wave, bandpass, check_fps, detrend, smoothness_for, usable_band
from rppg_graph.pulse.heart_rate import spectrum

_BLOCK_SAMPLES = 1 << 18  # of the windows treated at once: bounds the memory of long recordings
# Light and posture below, noise above: wider than the band of the pulse, which the reader of the wave filters once. A
# formula that cut at the same edges would halve the slowest pulses a second time, and their overtones would win.
_OWN_BAND_HZ = (PULSE_BAND_HZ[0] / 2, PULSE_BAND_HZ[1] * 1.2)
PBV_SIGNATURE = np.array([0.33, 0.78, 0.53])  # of R, G, B; de Haan and van Leest 2014, for a webcam-like camera


def _colours(rgb: ArrayLike, fps: float, window_seconds: float) -> tuple[np.ndarray, int]:
    """Return the checked trace (T, 3) and the window's length in frames."""
    trace = as_wave(rgb, "the colour trace")
    if trace.ndim != 2 or trace.shape[1] != 3:
        raise InputError(
            f"the colour trace has shape {trace.shape}: red, green and blue of every frame, (T, 3), are needed"
        )
    length = int(np.ceil(window_seconds * check_fps(fps)))
    if len(trace) < max(length, 3):
        raise InputError(f"the colour trace has {len(trace)} frames; at {fps:g} fps this method needs {max(length, 3)}")
    dark = (trace <= 0).any(axis=1)
    if dark.any():
        frame = int(np.argmax(dark))
        raise InputError(f"the colour at frame {frame} is {trace[frame]}: a mean colour of skin is above zero")
    return trace, max(length, 3)


def _relative(trace: np.ndarray, fps: float) -> np.ndarray:
    """Colour changes relative to the slow colour: c / trend(c) − 1, (T, 3)."""
    fast = detrend(trace, smoothness_for(_OWN_BAND_HZ[0], fps))
    return fast / np.maximum(trace - fast, 1e-6 * trace.mean(axis=0))


def _by_windows(
    trace: np.ndarray, length: int, step: int, project: Callable[[np.ndarray], np.ndarray], tapered: bool
) -> np.ndarray:
    """Overlap-add `project` (n, length, 3) → (n, length), each less its mean, over the windows of a trace (T, 3)."""
    starts = np.array([*range(0, len(trace) - length, step), len(trace) - length])
    windows = sliding_window_view(trace, length, axis=0)  # (T - length + 1, 3, length)
    taper = hann(length + 2)[1:-1] if tapered else np.ones(length)
    wave, weight = np.zeros(len(trace)), np.zeros(len(trace))
    at_once = max(1, _BLOCK_SAMPLES // length)
    for first in range(0, len(starts), at_once):
        block = starts[first : first + at_once]
        part = project(windows[block].transpose(0, 2, 1))
        part = (part - part.mean(axis=1, keepdims=True)) * taper
        frames = block[:, None] + np.arange(length)
        wave += np.bincount(frames.ravel(), part.ravel(), len(trace))
        weight += np.bincount(frames.ravel(), np.tile(taper, len(block)), len(trace))
    return wave / weight


def _tuned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """σ(first) / σ(second) of every window (n, length), as (n, 1); 0 where `second` does not move."""
    first_deviation, second_deviation = first.std(axis=1, keepdims=True), second.std(axis=1, keepdims=True)
    moves = second_deviation > 1e-12
    return np.divide(first_deviation, second_deviation, out=np.zeros_like(first_deviation), where=moves)


def green(rgb: ArrayLike, fps: float) -> np.ndarray:
    """GREEN: the relative change of the green channel, −(G / trend(G) − 1), blood being dark.

    Args (of every method here):
        rgb: (T, 3) mean colour of the skin in every frame, above zero, at even times; any scale.
        fps: frames per second.

    Returns:
        BVP (T,), float64, not filtered further.

    Raises:
        InputError: the trace is not (T, 3), not finite, not above zero, or shorter than the method's window.

    Source: Verkruysse, Svaasand, Nelson, Optics Express 16(26), 2008.
    """
    trace, _ = _colours(rgb, fps, 0)
    return -_relative(trace, fps)[:, 1]


def chrom(rgb: ArrayLike, fps: float) -> np.ndarray:
    """CHROM: X − (σ(X)/σ(Y))·Y of X = 3R − 2G, Y = 1.5R + G − 1.5B, on band-passed relative colours in tapered windows.

    Source: de Haan, Jeanne, IEEE Trans. Biomed. Eng. 60(10), 2013, eq. 9–12; windows of 1.6 s, half overlapping. The
    band-pass runs over the whole trace, not inside the windows.
    """
    trace, length = _colours(rgb, fps, 1.6)
    changes = bandpass(_relative(trace, fps), fps, *usable_band(_OWN_BAND_HZ, fps))

    def project(colours: np.ndarray) -> np.ndarray:
        red, green_, blue = colours[..., 0], colours[..., 1], colours[..., 2]
        x, y = 3 * red - 2 * green_, 1.5 * red + green_ - 1.5 * blue
        return x - _tuned(x, y) * y

    return _by_windows(changes, length, max(1, length // 2), project, tapered=True)


def pos(rgb: ArrayLike, fps: float) -> np.ndarray:
    """POS: −(S₁ + (σ(S₁)/σ(S₂))·S₂) of S₁ = G − B, S₂ = G + B − 2R, on colours over their mean.

    Source: Wang, den Brinker, Stuijk, de Haan, IEEE Trans. Biomed. Eng. 64(7), 2017, algorithm 1; windows of 1.6 s.
    """
    trace, length = _colours(rgb, fps, 1.6)

    def project(colours: np.ndarray) -> np.ndarray:
        relative = colours / colours.mean(axis=1, keepdims=True)
        red, green_, blue = relative[..., 0], relative[..., 1], relative[..., 2]
        first, second = green_ - blue, green_ + blue - 2 * red
        return -(first + _tuned(first, second) * second)

    return _by_windows(trace, length, 1, project, tapered=False)


def ica(rgb: ArrayLike, fps: float) -> np.ndarray:
    """ICA: of three independent components of the relative colours, the one with most of its power in one peak.

    Source: Poh, McDuff, Picard, Optics Express 18(10), 2010; components by FastICA (Hyvärinen 1999, tanh), found in
    the whole band-passed trace and taken from the unfiltered one.
    """
    from sklearn.decomposition import FastICA  # slow to import

    trace, _ = _colours(rgb, fps, 0)
    band = usable_band(PULSE_BAND_HZ, fps)
    relative = _relative(trace, fps)
    changes = bandpass(relative, fps, *band)
    deviations = changes.std(axis=0)
    if (deviations <= 1e-9).any():
        raise InputError("a channel of the colour trace does not move, so it has no three independent components")
    unit = changes / deviations

    def tanh(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """g(x) = tanh x and the mean of g′ over time, all components at once: the numbers of scikit-learn's own."""
        g = np.tanh(x)
        return g, (1 - g**2).mean(axis=-1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what has not converged, as for noise, is judged by its spectrum like the rest
        unmixing = FastICA(3, fun=tanh, whiten="unit-variance", random_state=0, max_iter=1000).fit(unit)
    components = unmixing.transform(relative / deviations).T  # (3, T)
    frequencies, power, _ = spectrum(components, fps, band[1])
    weighted = (power * frequencies)[:, frequencies >= band[0]]
    pulse = components[np.argmax(weighted.max(axis=1) / weighted.sum(axis=1))]
    return -pulse * np.sign(pulse @ unit[:, 1] or 1.0)


def lgi(rgb: ArrayLike, fps: float) -> np.ndarray:
    """LGI: the green channel, negated, after projecting out the colours' first left singular vector, (I − uuᵀ)C.

    Source: Pilz, Zaunseder, Krajewski, Blazek, CVPR Workshops 2018, section 3; in windows of 1.6 s, step 1.
    """
    return _without_main_colour(rgb, fps, lambda colours: np.linalg.svd(colours, full_matrices=False)[2][:, 0])


def omit(rgb: ArrayLike, fps: float) -> np.ndarray:
    """OMIT: the green channel, negated, after projecting out the first column q of the colours' QR form, (I − qqᵀ)C.

    Source: Álvarez Casado, Bordallo López, IEEE J. Biomed. Health Inform. 27(11), 2023 (Face2PPG); in windows of
    1.6 s, step 1.
    """
    return _without_main_colour(rgb, fps, lambda colours: np.linalg.qr(colours.transpose(0, 2, 1))[0][:, :, 0])


def _without_main_colour(rgb: ArrayLike, fps: float, main: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    trace, length = _colours(rgb, fps, 1.6)

    def project(colours: np.ndarray) -> np.ndarray:  # (n, length, 3)
        axis = main(colours)  # (n, 3)
        along = np.einsum("ntc,nc->nt", colours, axis)
        return along * axis[:, 1:2] - colours[..., 1]

    return _by_windows(trace, length, 1, project, tapered=False)


def pbv(rgb: ArrayLike, fps: float) -> np.ndarray:
    """PBV: −C·w with w = Q⁻¹p / (pᵀQ⁻¹p), Q = CᵀC: the projection that keeps the blood's signature p and least else.

    Source: de Haan, van Leest, Physiological Measurement 35(9), 2014, with its p = (0.33, 0.78, 0.53); in tapered
    windows of 5 s on band-passed relative colours.
    """
    trace, length = _colours(rgb, fps, 5.0)
    changes = bandpass(_relative(trace, fps), fps, *usable_band(_OWN_BAND_HZ, fps))

    def project(colours: np.ndarray) -> np.ndarray:
        covariance = colours.transpose(0, 2, 1) @ colours  # (n, 3, 3)
        ridge = 1e-9 * np.trace(covariance, axis1=1, axis2=2)[:, None, None] + 1e-30
        weights = np.linalg.solve(
            covariance + ridge * np.eye(3), np.broadcast_to(PBV_SIGNATURE[:, None], (len(colours), 3, 1))
        )
        return -(colours @ weights)[..., 0] / (PBV_SIGNATURE @ weights)

    return _by_windows(changes, length, max(1, length // 4), project, tapered=True)


CLASSICAL: dict[str, Callable[[ArrayLike, float], np.ndarray]] = {
    "green": green,
    "chrom": chrom,
    "pos": pos,
    "ica": ica,
    "lgi": lgi,
    "pbv": pbv,
    "omit": omit,
}
"""Name → method (rgb (T, 3), fps) → BVP (T,)."""
