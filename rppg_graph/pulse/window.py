"""One window of face traces on an even clock: what evidence is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import PULSE_BAND_HZ, check_fps

LEAST_SECONDS = 4.0  # of a window: below, two rates in the band cannot be told apart
_SKIN_CHROMA = 0.2  # how far red / green and blue / green of a patch may be from the skin's, as a logarithm
_LEAST_BLOCKS = 3


class Traces(Protocol):
    """What is read of `data.traces.FaceTraces`."""

    seconds: np.ndarray
    masks: Mapping[str, np.ndarray]
    patches: np.ndarray
    background: np.ndarray | None
    boxes: np.ndarray | None
    key_frames: np.ndarray | None


@dataclass(frozen=True)
class Window:
    """Traces of one window on an even clock, with the rates that methods read from it.

    Args:
        fps: samples per second.
        skin: (T, 3) mean colour of the skin, above zero.
        patches: (T, P, 3) of a square grid of patches of the face crop, row by row.
        background: (T, Q, 3) of blocks outside of the face; None where there are none.
        boxes: (T, 4) x, y, width and height of the face; None likewise.
        key_frames: (T,) whether the codec coded the frame by itself; None likewise.
        members: rate of this window in bpm by method; NaN or None where a method has none.
        neighbours: rates in bpm that were read from the windows five seconds before and after.
        waves: (T,) by method, each filtered to the pulse's band.

    Raises:
        InputError: a shape that does not fit, under four seconds, a colour that is not finite or not above zero.
    """

    fps: float
    skin: np.ndarray
    patches: np.ndarray
    background: np.ndarray | None = None
    boxes: np.ndarray | None = None
    key_frames: np.ndarray | None = None
    members: Mapping[str, float] = field(default_factory=dict)
    neighbours: Sequence[float] = ()
    waves: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames = len(self.skin)
        if frames < LEAST_SECONDS * check_fps(self.fps):
            raise InputError(f"the window has {frames / self.fps:.1f} s: evidence needs {LEAST_SECONDS:g} s or more")
        shapes = {"skin": (3,), "patches": (None, 3), "background": (None, 3), "boxes": (4,), "key_frames": ()}
        parts = [(name, getattr(self, name), tail) for name, tail in shapes.items()]
        for name, values, tail in (*parts, *((f"wave of {name}", wave, ()) for name, wave in self.waves.items())):
            if values is None:
                continue
            fits = values.ndim == 1 + len(tail) and len(values) == frames
            if not fits or any(want not in (None, got) for want, got in zip(tail, values.shape[1:], strict=True)):
                raise InputError(f"{name} of the window has shape {values.shape}, beside {frames} frames of skin")
        for name in ("skin", "patches", "background"):
            values = getattr(self, name)
            if values is not None and not (np.isfinite(values).all() and (values > 0).all()):
                raise InputError(f"{name} of the window holds a colour that is not finite or not above zero")

    @cached_property
    def mixtures(self) -> dict[float, tuple]:
        """What `evidence` found out about blood and light at a frequency in Hz: three of its members ask."""
        return {}

    @cached_property
    def on_skin(self) -> np.ndarray:
        """(T, P', 3) the patches whose colour is about the skin's; all where that leaves fewer than eight."""
        means = np.log(self.patches.mean(axis=0))  # (P, 3)
        skin = np.log(self.skin.mean(axis=0))
        off = (means - means[:, 1:2]) - (skin - skin[1])
        alike = (np.abs(off) < _SKIN_CHROMA).all(axis=1) & (np.abs(means - skin)[:, 1] < np.log(2))
        return self.patches[:, alike] if alike.sum() >= 8 else self.patches

    @cached_property
    def spectra(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Frequencies in Hz (k,) and, by method, the power (k,) of its wave there, of sum 1."""
        frequencies = np.arange(PULSE_BAND_HZ[0], min(PULSE_BAND_HZ[1], 0.45 * self.fps), 0.025)
        if not self.waves:
            return frequencies, {}
        power = np.abs(amplitudes(np.stack([*self.waves.values()], axis=1), self.fps, frequencies)) ** 2
        return frequencies, dict(zip(self.waves, (power / power.sum(axis=0)).T, strict=True))


def cut_window(
    traces: Traces,
    start: float,
    seconds: float,
    fps: float,
    *,
    members: Mapping[str, float] | None = None,
    neighbours: Sequence[float] = (),
    waves: Mapping[str, np.ndarray] | None = None,
) -> Window:
    """One window of traces on an even clock.

    Frames without the mask are bridged; so are blocks of the background that the face covers for a moment. Those that
    it covers for over a fifth of the window are left out, and fewer than three blocks are no background.

    Args:
        traces: of a recording, any clock.
        start, seconds: of the window on that clock.

    Raises:
        InputError: fewer than half of the window's frames have a face, or as `Window`.
    """
    grid = start + np.arange(int(seconds * check_fps(fps) + 1e-6)) / fps
    inside = (traces.seconds >= start - 0.5) & (traces.seconds <= start + seconds + 0.5)
    clock = np.asarray(traces.seconds, dtype=np.float64)[inside]
    skin = np.asarray(traces.masks["skin"], dtype=np.float64)[inside]
    skin[(skin <= 0).any(axis=1)] = np.nan  # a frame that lacks a colour shows no skin
    there = np.isfinite(skin).all(axis=1) & (clock >= start) & (clock < start + seconds)
    if there.sum() < 0.5 * min(len(grid), max(len(clock), 1)) or there.sum() < 2:
        raise InputError(f"the window at {start:.1f} s: {there.sum()} of {len(grid)} frames have a face, too few")
    background = None
    if traces.background is not None:
        blocks = np.asarray(traces.background, dtype=np.float64)[inside]
        free = np.isfinite(blocks).all(axis=2).mean(axis=0) >= 0.8
        free &= np.nanmin(np.where(free[:, None], blocks, 1.0), axis=(0, 2)) > 0
        if free.sum() >= _LEAST_BLOCKS:
            background = _resampled(clock, blocks[:, free], grid)
    keys = None
    if traces.key_frames is not None:
        keys = np.zeros(len(grid), dtype=bool)
        at = np.rint((clock[np.asarray(traces.key_frames)[inside]] - start) * fps).astype(int)
        keys[at[(at >= 0) & (at < len(grid))]] = True
    boxes = None if traces.boxes is None else _resampled(clock, np.asarray(traces.boxes, np.float64)[inside], grid)
    return Window(
        float(fps),
        _resampled(clock, skin, grid),
        np.maximum(_resampled(clock, np.asarray(traces.patches, np.float64)[inside], grid), 1e-3),
        background,
        boxes,
        keys,
        members or {},
        tuple(neighbours),
        waves or {},
    )


def _resampled(clock: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Values (S, …) on another clock (T,), linearly; what is not finite is bridged."""
    columns = values.reshape(len(values), -1)
    finite = np.isfinite(columns)
    whole = finite.all(axis=0)
    after = np.clip(np.searchsorted(clock, grid), 1, len(clock) - 1)
    weight = np.clip((grid - clock[after - 1]) / (clock[after] - clock[after - 1]), 0, 1)[:, None]
    out = columns[after - 1] * (1 - weight) + columns[after] * weight
    for column in np.flatnonzero(~whole):
        kept = finite[:, column]
        out[:, column] = np.interp(grid, clock[kept], columns[kept, column]) if kept.any() else np.nan
    return out.reshape(len(grid), *values.shape[1:])


def relative(traces: np.ndarray) -> np.ndarray:
    """Relative changes (T, …) of traces (T, …): c / mean − 1, without a parabola through them (light, posture)."""
    values = traces / traces.mean(axis=0) - 1
    return without_parabola(values)


def without_parabola(values: np.ndarray) -> np.ndarray:
    """Values (T, …) less their least-squares parabola over time."""
    base = _parabolas(len(values))
    columns = values.reshape(len(values), -1)
    return (columns - base @ (base.T @ columns)).reshape(values.shape)


@lru_cache(maxsize=16)
def _parabolas(length: int) -> np.ndarray:
    """(length, 3) an orthonormal basis of the parabolas."""
    return np.linalg.qr(np.vander(np.linspace(-1, 1, length), 3))[0]


def amplitudes(changes: np.ndarray, fps: float, hz: np.ndarray) -> np.ndarray:
    """Complex amplitudes (k, …) of changes (T, …) at frequencies (k,): a of a·cos, by a Hann-weighted projection.

    It is the least-squares fit of sine and cosine with Hann's weights: a = 2·Σ w(t)·x(t)·exp(−2πift) / Σ w(t).
    """
    seconds = np.arange(len(changes)) / fps
    taper = np.hanning(len(changes) + 2)[1:-1]
    waves = np.exp(-2j * np.pi * np.outer(hz, seconds)) * (2 * taper / taper.sum())
    return (waves @ changes.reshape(len(changes), -1)).reshape(len(hz), *changes.shape[1:])
