"""Where the time of one prediction goes: every stage by itself, of a run on one core and in one thread.

A stage's time is without that of the stages inside it, and what belongs to none is "rest", so that they add up to the
whole. In a real prediction decoding, cutting and reading go on side by side.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from rppg_graph.data import face, source
from rppg_graph.data.clips import ClipCutter
from rppg_graph.data.face_detectors import TurnVote
from rppg_graph.data.face_track import Track
from rppg_graph.data.traces import TraceReader
from rppg_graph.inference import ensemble, ensemble_windows, predict, wave_stream
from rppg_graph.inference.methods import Method, NetworkMethod

# Stage → what it is in the code: owner and name.
STAGES = {
    "detect": ((face, "boxes_in"), (TurnVote, "look"), (Track, "advance")),
    "cut": ((face.FaceCropper, "_cut"),),
    "mean colours": ((TraceReader, "push"), (TraceReader, "result"), (wave_stream, "mean_rgb")),
    "clips": ((ClipCutter, "push"),),
    "network": ((ensemble.Ensemble, "_network_waves"), (NetworkMethod, "_waves")),
    "formulas": ((ensemble, "_formula_wave"), (wave_stream.ClassicalStream, "result")),
    "cures": ((ensemble_windows, "without_background"), (ensemble_windows, "without_key_frames")),
    "judgement": ((ensemble_windows.Reading, "_judged"),),
    "heart rate": ((ensemble_windows.Reading, "add"), (predict, "summarise")),
}


class Stopwatch:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._running, self._since = ["rest"], time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._stop()
        self._running.append(name)
        try:
            yield
        finally:
            self._stop()
            self._running.pop()

    def _stop(self) -> None:
        now = time.perf_counter()
        self.spent[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, call: Callable, name: str) -> Callable:
        """The same function, whose time is the stage's."""
        return self.stage(name)(call)

    def made(self, items: Iterable, name: str) -> Iterator:
        """The same items; the making of each is the stage's, their use is not."""
        iterator, end = iter(items), object()
        while True:
            with self.stage(name):
                item = next(iterator, end)
            if item is end:
                return
            yield item


def seconds_by_stage(video: Path, method: Method) -> dict[str, float]:
    """Seconds of one prediction by stage; what ran before has loaded and compiled everything."""
    read, watch = source.read_pictures, Stopwatch()
    with ExitStack() as stack:
        for name, places in STAGES.items():
            for owner, attribute in places:
                stack.enter_context(patch.object(owner, attribute, watch.timed(getattr(owner, attribute), name)))
        stack.enter_context(patch.object(predict, "ahead", lambda items, most: nullcontext(items)))
        stack.enter_context(patch.object(source, "read_pictures", lambda *args: watch.made(read(*args), "decode")))
        with watch.stage("rest"):
            predict.predict_video(video, method)
    return dict(watch.spent)
