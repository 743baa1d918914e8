"""What a method makes of a video: its raw wave, the stretches of it, and two of them mixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rppg_graph.pulse.combine import mixed, weight_at, weights
from rppg_graph.pulse.filters import finite_runs
from rppg_graph.pulse.heart_rate import VIDEO, SpectrumReader
from rppg_graph.pulse.votes import PooledSpectra

if TYPE_CHECKING:
    from rppg_graph.inference.ensemble_windows import WindowReading
    from rppg_graph.pulse.judgement import Judge

LEAST_SECONDS = 5.0  # of face that a classical method needs for a heart rate


@dataclass(frozen=True)
class RawWave:
    """What a method makes of a video, before any filter: whoever reads a heart rate from it filters it once.

    Args:
        bvp: (T,) on the grid ``seconds = (start + index) / fps``, NaN where there is no face.
        fps: of the grid.
        samples: (S, T) the same by each Monte-Carlo sample; None without Monte-Carlo dropout.
        variance: (T,) unbiased, over the samples of every clip, where ``bvp`` has a deviation of 1; None likewise.
        start: grid point of the first sample; above 0 only where a stream forgot what was before.
        reader: of its heart rate.
        spectra: where the heart rates are read, if not in the wave's own spectrum.
        windows: what an ensemble's members say of each window; empty for others.
        judge, trust: who judged them, and the least probability that is answered, see ``Ensemble``.
    """

    bvp: np.ndarray
    fps: float
    samples: np.ndarray | None = None
    variance: np.ndarray | None = None
    start: int = 0
    reader: SpectrumReader = VIDEO
    spectra: PooledSpectra | None = None
    windows: tuple[WindowReading, ...] = ()
    judge: Judge | None = None
    trust: float | None = None

    def waves(self) -> dict[str, np.ndarray]:
        """What there is over time, (…, T), by name."""
        found = {name: getattr(self, name) for name in ("bvp", "samples", "variance")}
        return {name: values for name, values in found.items() if values is not None}

    def since(self, start: int) -> RawWave:
        """The same from a later grid point on."""
        later = {name: values[..., start - self.start :] for name, values in self.waves().items()}
        return replace(self, start=start, **later)


def joined(raw: RawWave, other: RawWave) -> RawWave:
    """A network's wave mixed with another of the same frame rate, as `JoinedStream` does."""
    start = max(raw.start, other.start)
    raw = raw.since(start)
    beside = np.full(len(raw.bvp), np.nan)
    known = other.since(start).bvp[: len(beside)]
    beside[: len(known)] = known
    found = {name: np.full_like(values, np.nan) for name, values in raw.waves().items()}
    for part in finite_runs(raw.bvp + beside):
        if part.stop - part.start >= LEAST_SECONDS * raw.fps:
            windows = weights(raw.bvp[part], beside[part], raw.fps)
            for name, values in raw.waves().items():
                own = values[..., part]
                squared = name == "variance"
                mean = weight_at(windows, "first") ** 2 * own if squared else mixed(own, beside[part], windows)
                found[name][..., part] = mean
    return replace(raw, **found)
