"""Raw pulse waves that grow frame by frame, for videos and live pictures alike; ``methods`` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from rppg_graph.data.clips import Clip, ClipCutter
from rppg_graph.data.face import FaceFrame
from rppg_graph.data.skin import mean_rgb
from rppg_graph.inference.raw_wave import LEAST_SECONDS, RawWave, joined
from rppg_graph.pulse.filters import PULSE_BAND_HZ, resample, runs_in_time
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.overlap_add import HannMean, OverlapAdd


class WaveStream(Protocol):
    """A wave that face frames are pushed into, and that may be read at any time."""

    def push(self, frame: FaceFrame, skip: bool = False) -> bool:
        """Take the next frame; True where it completes a step. ``skip``: do without what the step would compute."""

    def finish(self) -> None:
        """No frame follows."""

    def result(self) -> RawWave:
        """The wave so far, but for what was forgotten."""

    def forget(self, before_seconds: float) -> None:
        """Give up what is older; without it, a stream keeps every sample."""


def whole_wave(stream: WaveStream, face_frames: Iterable[FaceFrame]) -> RawWave:
    """The wave of all the frames."""
    for frame in face_frames:
        stream.push(frame)
    stream.finish()
    return stream.result()


def still(values: np.ndarray, seconds: float) -> bool:
    """Whether the frames or colours (T, …) of so many seconds change too seldom to carry the slowest pulse.

    A pulse of f Hz rises and falls: whatever shows it changes 2·f times a second or more. A picture that stands still
    and is coded anew from time to time does not; a formula or network would make a wave of those changes, or of none.
    """
    changes = (values[1:] != values[:-1]).reshape(len(values) - 1, -1).any(axis=1)
    return np.count_nonzero(changes) < 2 * PULSE_BAND_HZ[0] * seconds


class ClassicalStream:
    """A formula's wave, computed anew from the kept colours whenever it is read; 0 where they do not change.

    Args:
        formula: of ``pulse.classical.CLASSICAL``.
        skin: take the crop's skin pixels alone, not the whole crop.
        fps: of the wave.
        step_seconds: from one step to the next; None: no steps.
    """

    def __init__(
        self, formula: Callable[[np.ndarray, float], np.ndarray], skin: bool, fps: float, step_seconds: float | None
    ) -> None:
        self.formula, self.skin, self.fps, self.step_seconds = formula, skin, fps, step_seconds
        self._trace: list[tuple[float, np.ndarray]] = []  # seconds, mean colour (3,)
        self._start, self._stepped = 0, 0.0

    def push(self, frame: FaceFrame, skip: bool = False) -> bool:
        if frame.crop is None:
            return False
        self._trace.append((frame.seconds, mean_rgb(frame.crop, self.skin)))
        stepped = self.step_seconds is not None and frame.seconds - self._stepped >= self.step_seconds
        if stepped:
            self._stepped = frame.seconds
        return stepped

    def finish(self) -> None:
        """Nothing waits."""

    def result(self) -> RawWave:
        if not self._trace:
            return RawWave(np.empty(0), self.fps, start=self._start)
        seconds = np.array([t for t, _ in self._trace])
        rgb = np.stack([colour for _, colour in self._trace])  # (F, 3)
        bvp = np.full(round(seconds[-1] * self.fps) + 1 - self._start, np.nan)
        for part in runs_in_time(seconds):
            if seconds[part][-1] - seconds[part][0] >= LEAST_SECONDS:
                grid, colours = resample(seconds[part], rgb[part], self.fps)
                first = round(grid[0] * self.fps) - self._start
                nothing = still(rgb[part], np.ptp(seconds[part]))
                wave = np.zeros(len(grid)) if nothing else self.formula(colours, self.fps)
                bvp[first : first + len(wave)] = wave[: len(bvp) - first]
        return RawWave(bvp, self.fps, start=self._start)

    def forget(self, before_seconds: float) -> None:
        self._start = max(self._start, round(before_seconds * self.fps))
        kept = next((i for i, (t, _) in enumerate(self._trace) if t >= before_seconds), len(self._trace))
        del self._trace[:kept]


class NetworkStream:
    """A network's wave from overlapping clips, merged without a seam; 0 in a clip in which nothing changes.

    Args:
        waves: clips (B, T, S, S, 3) uint8, and the number of the call, to waves (S, B, T).
        cutter: cuts the clips.
        batch: clips that run together.
        samples: S of Monte-Carlo dropout; 0 without.
    """

    def __init__(
        self, waves: Callable[[np.ndarray, int], np.ndarray], cutter: ClipCutter, batch: int, samples: int
    ) -> None:
        self._waves, self._cutter, self._batch = waves, cutter, batch
        self._waiting: list[Clip] = []
        self._calls = 0
        self._merged = _Merged(samples)

    def push(self, frame: FaceFrame, skip: bool = False) -> bool:
        clips = self._cutter.push(frame)
        if not skip:
            for clip in clips:
                self._add(clip)
        return bool(clips)

    def finish(self) -> None:
        for clip in self._cutter.finish():
            self._add(clip)
        self._run()

    def result(self) -> RawWave:
        return self._merged.result(self._cutter.fps)

    def forget(self, before_seconds: float) -> None:
        self._merged.forget(int(np.floor(before_seconds * self._cutter.fps)))

    def _add(self, clip: Clip) -> None:
        self._waiting.append(clip)
        if len(self._waiting) == self._batch:
            self._run()

    def _run(self) -> None:
        if not self._waiting:
            return
        clips, self._waiting = self._waiting, []
        waves = self._waves(np.stack([clip.video for clip in clips]), self._calls)
        for number, clip in enumerate(clips):
            if still(clip.video, len(clip.video) / self._cutter.fps):
                waves[:, number] = 0.0
        self._calls += 1
        for clip, clip_waves in zip(clips, np.swapaxes(waves, 0, 1), strict=True):
            self._merged.add(clip.start, clip_waves)


class JoinedStream:
    """The weighted mean of a network's wave and a formula's, at the steps of the network, where there are both; the
    cleaner wave has more weight.

    Args:
        network: its wave; Monte-Carlo samples are each mixed by the weights of their mean.
        formula: of the same frame rate.
    """

    def __init__(self, network: NetworkStream, formula: ClassicalStream) -> None:
        self.network, self.formula = network, formula

    def push(self, frame: FaceFrame, skip: bool = False) -> bool:
        self.formula.push(frame)
        return self.network.push(frame, skip)

    def finish(self) -> None:
        self.network.finish()
        self.formula.finish()

    def forget(self, before_seconds: float) -> None:
        self.network.forget(before_seconds)
        self.formula.forget(before_seconds)

    def result(self) -> RawWave:
        return joined(self.network.result(), self.formula.result())


class _Merged:
    """The waves of overlapping clips in one: their mean, and with Monte-Carlo samples each sample and the variance."""

    def __init__(self, samples: int) -> None:
        self.mean, self.variance = OverlapAdd(), HannMean()
        self.samples = [OverlapAdd() for _ in range(samples)]
        self.start = 0

    def add(self, start: int, waves: np.ndarray) -> None:
        """Add the waves (S, T) of one clip."""
        mean = waves.mean(axis=0)
        self.mean.add(start, mean)
        if not self.samples:
            return
        for merged, wave in zip(self.samples, waves, strict=True):
            merged.add(start, wave)
        scale = max(mean.var(), np.finfo(float).tiny)  # the merged wave has a deviation of 1
        self.variance.add(start, waves.var(axis=0, ddof=1) / scale)

    def forget(self, before: int) -> None:
        self.start = max(self.start, before)
        for merged in (self.mean, self.variance, *self.samples):
            merged.forget(before)

    def result(self, fps: float) -> RawWave:
        if not self.samples:
            return RawWave(self.mean.result(), fps, start=self.start, reader=CONTACT)
        samples = np.stack([merged.result() for merged in self.samples])  # (S, T)
        return RawWave(self.mean.result(), fps, samples, self.variance.result(), self.start, reader=CONTACT)
