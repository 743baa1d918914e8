"""Two waves of one pulse in one, each counted by how clean it is from moment to moment."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rppg_graph.pulse.filters import frames_in
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS, heart_rate
from rppg_graph.pulse.overlap_add import HannMean, unit_deviation

Share = tuple[slice, float]  # a window, and the share of the first wave in it
_CLEANEST = 0.999  # of qualities, so that weights stay finite


def shares(first: np.ndarray, second: np.ndarray, fps: float, contact: bool = False) -> list[Share]:
    """How much of the first wave to take in each window: w₁ / (w₁ + w₂), w = √q / (1 − q); ten seconds, one every five.

    q is the signal quality, about the pulse's share of a wave's power. Of waves of unit deviation, √q is then the
    pulse's amplitude and 1 − q the power of what disturbs it: their ratio weights signals of one source best (maximal
    ratio combining; Brennan, Proc. IRE 47(6), 1959).

    Args:
        first, second: (T,) filtered, equally long.
        fps: samples per second.
        contact: the first is to be read as a contact sensor's wave, see `heart_rate`.
    """
    length = min(len(first), frames_in(WINDOW_SECONDS, fps))
    starts = range(0, len(first) - length, max(1, length // 2))
    windows = [slice(start, start + length) for start in (*starts, len(first) - length)]
    return [(part, _share(_weight(first[part], fps, contact), _weight(second[part], fps))) for part in windows]


def mixed(first: np.ndarray, second: np.ndarray, windows: list[Share]) -> np.ndarray:
    """The waves (T,), or several first ones (…, T), mixed by `shares`; each of unit deviation in a window.

    The waves must be in step: they follow the volume of blood at one place with one sign.
    """

    def mix(wave: np.ndarray) -> np.ndarray:
        return _tapered_mean(
            (part, share * unit_deviation(wave[part]) + (1 - share) * unit_deviation(second[part]))
            for part, share in windows
        )

    return np.apply_along_axis(mix, -1, first)


def share_at(windows: list[Share]) -> np.ndarray:
    """(T,) the first wave's share at every frame."""
    return _tapered_mean((part, np.full(part.stop - part.start, share)) for part, share in windows)


def _tapered_mean(values: Iterable[tuple[slice, np.ndarray]]) -> np.ndarray:
    """(T,) of the values in each window."""
    mean = HannMean()
    for part, value in values:
        mean.add(part.start, value)
    return mean.result()


def _weight(wave: np.ndarray, fps: float, contact: bool = False) -> float:
    quality = min(heart_rate(wave, fps, contact=contact).quality, _CLEANEST)
    return np.sqrt(quality) / (1 - quality)


def _share(first: float, second: float) -> float:
    return first / (first + second) if first + second else 0.5
