"""Windows of ten seconds that an ensemble reads: how they are cut from a face's colours, and what all of them say."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rppg_graph.data.clips import ON_GRID
from rppg_graph.data.traces import FaceTraces
from rppg_graph.errors import InputError
from rppg_graph.inference.wave_stream import LEAST_SECONDS, RawWave
from rppg_graph.pulse.cures import without_background, without_key_frames
from rppg_graph.pulse.filters import PULSE_BAND_HZ
from rppg_graph.pulse.heart_rate import NEIGHBOURHOOD_HZ, WINDOW_SECONDS, spectrum
from rppg_graph.pulse.judgement import Judgement
from rppg_graph.pulse.overlap_add import OverlapAdd
from rppg_graph.pulse.votes import PooledSpectra, common_wave, count_votes
from rppg_graph.pulse.window import cut_window

if TYPE_CHECKING:
    from rppg_graph.inference.ensemble import Ensemble

FPS = 30.0  # every member reads colours at this rate
FRAMES = round(WINDOW_SECONDS * FPS)
STRIDE = round(FPS)  # from a window to the next
SAME_RATE_BPM = 3.0
BESIDE = round(5.0 * FPS)  # to the window before, that a judgement compares
MARGIN_SECONDS = 0.25  # of traces around a window, for the delays of lights
LEAST_COUNT = 0.02  # of a window that is surely wrong, in the spectrum of a recording
FREQUENCIES = spectrum(np.zeros((1, FRAMES)), FPS, 2 * PULSE_BAND_HZ[1] + 2 * NEIGHBOURHOOD_HZ)[0]  # of the results


@dataclass(frozen=True)
class WindowReading:
    """What the members say of one window.

    Args:
        start: seconds at which it begins.
        bpm: of all together.
        members: rate in bpm by member, NaN where it has none.
        weights: by member, of sum 1.
        agreement: of the members' spectra, 0 to 1.
        judgement: what the evidence says of ``bpm``; None without a judge, or where the window cannot be judged.
    """

    start: float
    bpm: float
    members: Mapping[str, float]
    weights: Mapping[str, float]
    agreement: float
    judgement: Judgement | None = None


def windows_of(first: int, following: int, newest: float, stride: int = STRIDE) -> tuple[list[int], int]:
    """Starts of the windows of a stretch of face from one of them on, and their length; the last ends with it.

    Args:
        first: grid point at which the stretch begins.
        following: that of the first window wanted.
        newest: seconds of its last frame.
    """
    end = int(np.floor(newest * FPS + ON_GRID)) + 1
    length = min(FRAMES, end - first)
    if length < LEAST_SECONDS * FPS:
        return [], length
    starts = list(range(following, end - length + 1, stride))
    if not starts or starts[-1] + length < end:
        starts.append(end - length)
    return starts, length


class Cut(NamedTuple):
    """A window: first grid point, colours (T, 3) by mask and patches (T, GRID², 3) on the grid, and its traces.

    Where it is judged, what the background or the distance of key frames explains is taken out of all of them.
    """

    start: int
    colours: dict[str, np.ndarray]
    patches: np.ndarray
    traces: FaceTraces

    @classmethod
    def of(cls, traces: FaceTraces, start: int, length: int, cured: bool) -> Cut:
        """Cut from a stretch of face."""
        grid = (start + np.arange(length)) / FPS
        own = traces.between(grid[0] - MARGIN_SECONDS, grid[-1] + MARGIN_SECONDS)
        own = without_key_frames(without_background(own)) if cured else own
        colours = {name: _at(grid, own.seconds, values) for name, values in own.masks.items()}
        return cls(start, colours, _at(grid, own.seconds, own.patches), own)


class Reading:
    """What was read so far: the windows, their pooled spectra, and the wave."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        self.windows: list[WindowReading] = []
        self._spectra: list[tuple[int, np.ndarray, float]] = []  # start, power (F,), total
        self._wave = OverlapAdd()

    def __deepcopy__(self, memo: dict) -> Reading:
        """A copy that may be added to; the network and the windows are shared."""
        copy = Reading(self.ensemble)
        copy.windows, copy._spectra, copy._wave = [*self.windows], [*self._spectra], deepcopy(self._wave)
        return copy

    def add(self, cuts: list[Cut]) -> None:
        """Read windows of one length."""
        if not cuts:
            return
        colours = {name: np.stack([cut.colours[name] for cut in cuts]) for name in cuts[0].colours}
        waves = self.ensemble.waves(colours, np.stack([cut.patches for cut in cuts]))  # (n, M, T)
        votes = count_votes(waves, FPS, self.ensemble.unlike, self.ensemble.sharpness)
        pooled = zip(*votes.pooled(), strict=True)
        for cut, (power, total), own, weights, agreement, per_member, totals in zip(
            cuts, pooled, waves, votes.weights, votes.agreement, votes.power, votes.total, strict=True
        ):
            if not weights.any():
                continue
            one = PooledSpectra(np.zeros(1), votes.frequencies, power[None], np.array([total]), own.shape[1] / FPS)
            rates = replace(one, starts=np.zeros(len(per_member)), power=per_member, total=totals).track().bpm
            bpm = one.heart_rate().bpm
            if bpm is None:
                continue
            members, shares = (
                dict(zip(self.ensemble.names, values.tolist(), strict=True)) for values in (rates, weights)
            )
            judgement = self._judged(cut, own, members)
            agrees = np.abs(np.nan_to_num(rates) - (bpm if judgement is None else judgement.bpm)) <= SAME_RATE_BPM
            counted = weights * agrees if (weights * agrees).any() else weights
            if judgement is not None:  # those that give the likeliest rate are heard, in the spectrum as in the wave
                bpm, votes_of_it = judgement.bpm, counted / counted.sum()
                counts = max(judgement.probability, LEAST_COUNT)
                power, total = counts * (votes_of_it @ per_member), counts * (votes_of_it @ totals)
            self._wave.add(cut.start, common_wave(own, counted, FPS, bpm / 60, self.ensemble.upright))
            self._spectra.append((cut.start, np.interp(FREQUENCIES, votes.frequencies, power), float(total)))
            self.windows.append(WindowReading(cut.start / FPS, bpm, members, shares, float(agreement), judgement))

    def _judged(self, cut: Cut, waves: np.ndarray, members: Mapping[str, float]) -> Judgement | None:
        if self.ensemble.judge is None:
            return None
        own = {name: wave for name, wave in zip(members, waves, strict=True) if np.isfinite(wave).all() and wave.any()}
        before = [window for window in self.windows if abs(window.start * FPS - cut.start + BESIDE) <= STRIDE / 2]
        beside = [window.bpm for window in before[-1:]]
        try:
            seconds = waves.shape[1] / FPS
            window = cut_window(
                cut.traces, cut.start / FPS, seconds, FPS, members=members, neighbours=beside, waves=own
            )
            return self.ensemble.judge.judge(window, trust=self.ensemble.trust)
        except InputError:  # no member has a rate, or the window lacks colours
            return None

    def forget(self, before: int) -> None:
        self._wave.forget(before)
        self._spectra = [row for row in self._spectra if row[0] >= before]
        self.windows = [window for window in self.windows if round(window.start * FPS) >= before]

    def result(self) -> RawWave:
        starts, power, total = zip(*self._spectra, strict=True) if self._spectra else ((), (), ())
        spectra = PooledSpectra(
            np.array(starts) / FPS, FREQUENCIES, np.array(power).reshape(-1, len(FREQUENCIES)), np.array(total)
        )
        wave = self._wave
        judged = {"judge": self.ensemble.judge, "trust": self.ensemble.trust}
        return RawWave(
            wave.result(), FPS, start=wave.first_frame, spectra=spectra, windows=tuple(self.windows), **judged
        )


def _at(grid: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (F, …) at the times of a grid (T,), linearly between the two frames around each."""
    after = np.clip(np.searchsorted(seconds, grid), 1, len(seconds) - 1)
    weight = np.clip((grid - seconds[after - 1]) / (seconds[after] - seconds[after - 1]), 0, 1)
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    return (1 - weight) * values[after - 1] + weight * values[after]
