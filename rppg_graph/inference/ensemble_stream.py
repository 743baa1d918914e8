"""Windows of ten seconds of a face, read by an ensemble one by one as they complete."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from rppg_graph.data.clips import ON_GRID
from rppg_graph.data.face import FaceFrame
from rppg_graph.data.masks import STEADY_SECONDS
from rppg_graph.data.traces import MAX_GAP_SECONDS, FaceTraces, TraceReader
from rppg_graph.inference.ensemble_windows import FPS, FRAMES, STRIDE, Cut, Reading, WindowReading, windows_of
from rppg_graph.inference.wave_stream import RawWave

if TYPE_CHECKING:
    from rppg_graph.inference.ensemble import Ensemble

AT_ONCE = 8  # windows read together where nobody waits for them


class EnsembleStream:
    """Reads a window of ten seconds every second; one is certain 2.5 s after its end, when its steady colours are.

    A stretch of face that is shorter than a window, but of ``LEAST_SECONDS``, is one window.
    """

    def __init__(self, ensemble: Ensemble, step_seconds: float | None) -> None:
        self.ensemble, self.step_seconds = ensemble, step_seconds
        self._start, self._stepped = 0, -np.inf
        self._done, self._waiting = Reading(ensemble), []
        self._begin()

    def _begin(self) -> None:
        self._reader = TraceReader()
        self._first = self._next = self._newest = None  # grid point of the run and of the next window, latest seconds

    @property
    def windows(self) -> list[WindowReading]:
        """Of the windows that are certain."""
        return self._done.windows

    def push(self, frame: FaceFrame, skip: bool = False) -> bool:
        if frame.crop is None:
            return False
        if self._newest is not None and frame.seconds - self._newest > MAX_GAP_SECONDS:
            self.finish()
        self._newest = frame.seconds
        if self._next is None:
            self._first = self._next = int(np.ceil(frame.seconds * FPS - ON_GRID))
        self._reader.push(frame)
        if frame.seconds > (self._next + FRAMES) / FPS + STEADY_SECONDS:
            if not skip:
                self._waiting.append(self._cut(self._reader.result(), self._next, FRAMES))
            self._next += STRIDE
            self._reader.forget((self._next - 1) / FPS)
            if len(self._waiting) >= (AT_ONCE if self.step_seconds is None else 1):
                self._read_waiting()
        stepped = self.step_seconds is not None and frame.seconds - self._stepped >= self.step_seconds
        if stepped:
            self._stepped = frame.seconds
        return stepped

    def finish(self) -> None:
        """The stretch of face ends here; the next frame begins another."""
        self._waiting += self._rest()
        self._read_waiting()
        self._begin()

    def result(self) -> RawWave:
        """The wave so far; windows that are not certain yet are read by what is known of them: live, the latest alone,
        which is what is shown, for a third of the time."""
        done, rest = deepcopy(self._done), self._rest()
        done.add([*self._waiting, *(rest if self.step_seconds is None else rest[-1:])])
        return done.result().since(self._start)

    def forget(self, before_seconds: float) -> None:
        self._start = max(self._start, int(np.floor(before_seconds * FPS)))
        kept = [cut.start for cut in self._waiting[:1]] + [self._next] * (self._next is not None)
        self._done.forget(min(self._start, *kept) if kept else self._start)

    def _read_waiting(self) -> None:
        self._done.add(self._waiting)
        self._waiting = []

    def _rest(self) -> list[Cut]:
        """The windows of the stretch that are not certain yet."""
        if self._newest is None:
            return []
        starts, length = windows_of(self._first, self._next, self._newest)
        traces = self._reader.result()
        return [self._cut(traces, start, length) for start in starts]

    def _cut(self, traces: FaceTraces, start: int, length: int) -> Cut:
        return Cut.of(traces, start, length, cured=self.ensemble.judge is not None)


def read_traces(ensemble: Ensemble, traces: FaceTraces, stride: int = STRIDE) -> RawWave:
    """The wave of traces that were read before; ``stride`` grid points from a window to the next."""
    done = Reading(ensemble)
    for run in traces.runs():
        first, newest = int(np.ceil(traces.seconds[run.start] * FPS - ON_GRID)), traces.seconds[run.stop - 1]
        starts, length = windows_of(first, first, newest, stride)
        part, cured = traces.part(run), ensemble.judge is not None
        for i in range(0, len(starts), AT_ONCE):
            done.add([Cut.of(part, start, length, cured) for start in starts[i : i + AT_ONCE]])
    return done.result()
