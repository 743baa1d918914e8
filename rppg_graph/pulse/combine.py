"""The weighted mean of two waves of one pulse; at every moment the cleaner wave has more weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rppg_graph.pulse.filters import frames_in
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO, WINDOW_SECONDS, SpectrumReader
from rppg_graph.pulse.overlap_add import HannMean
from rppg_graph.pulse.protocols import prepare_native

_CLEANEST = 0.999  # of qualities, so that weights stay finite


class Weights(NamedTuple):
    """What two waves are multiplied by in a window, before they are added."""

    part: slice
    first: float
    second: float


def weights(first: np.ndarray, second: np.ndarray, fps: float) -> list[Weights]:
    """The weights w₁·s₁ and w₂·s₂ over w₁ + w₂, w = √q / (1 − q), in windows of ten seconds, one every five.

    q is the signal quality, about the pulse's share of a wave's power, and 1 / s the deviation, both of the filtered
    wave. Of waves of unit deviation, √q is then the pulse's amplitude and 1 − q the power of what disturbs it: their
    ratio weights signals of one source best (maximal ratio combining; Brennan, Proc. IRE 47(6), 1959).

    The waves are filtered for this alone. What the weights are for is unfiltered, and so is the mixture: whoever reads
    a heart rate filters it, once, like any other wave.

    Args:
        first, second: (T,) not filtered, equally long; of a network and of a formula.
        fps: samples per second.
    """
    first, second = prepare_native(first, fps), prepare_native(second, fps)
    length = min(len(first), frames_in(WINDOW_SECONDS, fps))
    starts = (*range(0, len(first) - length, max(1, length // 2)), len(first) - length)
    found = []
    for part in (slice(start, start + length) for start in starts):
        own, other = _weight(first[part], fps, CONTACT), _weight(second[part], fps, VIDEO)
        share = own / (own + other) if own + other else 0.5
        found.append(Weights(part, share * _scale(first[part]), (1 - share) * _scale(second[part])))
    return found


def mixed(first: np.ndarray, second: np.ndarray, windows: list[Weights]) -> np.ndarray:
    """The unfiltered waves (T,), or several first ones (…, T), mixed by `weights`.

    The waves must be in step: they follow the volume of blood at one place with one sign.
    """
    return weight_at(windows, "first") * first + weight_at(windows, "second") * second


def weight_at(windows: list[Weights], wave: str) -> np.ndarray:
    """(T,) what a wave, ``first`` or ``second``, is multiplied by at every frame."""
    mean = HannMean()
    for window in windows:
        mean.add(window.part.start, np.full(window.part.stop - window.part.start, getattr(window, wave)))
    return mean.result()


def _scale(wave: np.ndarray) -> float:
    """What gives a wave unit deviation; 0 where nothing moves."""
    deviation = wave.std()
    return 1 / deviation if deviation > 1e-12 * np.abs(wave).max() else 0.0


def _weight(wave: np.ndarray, fps: float, reader: SpectrumReader) -> float:
    quality = min(reader.heart_rate(wave, fps).quality, _CLEANEST)
    return np.sqrt(quality) / (1 - quality)
