"""How fast does a video become a heart rate, where does the time go, and how soon does a live stream have a number?

``python benchmarks/bench_predict.py [--quick]`` (Linux)

The video shows a rendered face with the noise of a sensor and the bit rate of a good camera, played forwards and
backwards again and again, on two cores. ``whole`` is ``predict_video`` from the first byte to the bpm; the stages are
those of one more run with a stopwatch between them, by wall time (decoding goes on beside, in a thread). ``streaming``
pushes the same frames, decoded before the clock runs, into ``predict.Stream`` as if they came at their own rate: each
waits until it is filmed and until the one before it is done. The networks have fresh weights, which cost the same.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import harness
import numpy as np
import torch
from pipeline_stages import on_cores
from pipeline_videos import FPS, name_of, render, repeat

from rppg_graph.data.face import FaceCropper
from rppg_graph.data.video import probe, read_video
from rppg_graph.inference.methods import ClassicalMethod, Method, NetworkMethod
from rppg_graph.inference.predict import Stream, Tally, predict_video, summarise
from rppg_graph.memory import keep_freed_memory
from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded

COLUMNS = ["method", "stage", "frames_per_second", "share", "times_real_time", "first_number_seconds",
           "most_lag_seconds", "peak_mb"]  # fmt: skip
CLIP_FRAMES = 160
CROPS = {"stgnet_small": 32, "stgnet_released": 64}  # network: side of its crop in pixels
METHODS = ("pos", *CROPS)
JUDGED = "stgnet_released"
CORES = 2


class Plan(NamedTuple):
    """How much is measured: a video of so many seconds, of which so many are rendered."""

    size: tuple[int, int]
    seconds: int
    rendered_seconds: int
    effort: harness.Effort


FULL = Plan((640, 480), 60, 2, harness.Effort(rounds=2, seconds=20.0))
QUICK = Plan((320, 240), 12, 1, harness.QUICK)


def method_of(name: str) -> Method:
    """A method by its name, a network with fresh weights and as ``NetworkMethod.from_checkpoint`` would run it."""
    if name not in MODELS:
        return ClassicalMethod(name)
    torch.manual_seed(0)
    return NetworkMethod(folded(MODELS[name]()), name, CLIP_FRAMES, FPS, CROPS[name])


def whole_rows(video: Path, methods: dict[str, Method], effort: harness.Effort, frames: int) -> list[dict]:
    """``predict_video``, everything included but the start of Python."""
    runs = {name: partial(predict_video, video, method) for name, method in methods.items()}
    rows = []
    for name, seconds in harness.time_providers(runs, effort, "cpu").items():
        p20, median, p80 = frames / np.percentile(seconds, [80, 50, 20])
        row = {"method": name, "stage": "whole", "calls": len(seconds), "frames_per_second": median, "p20": p20}
        rows.append(row | {"p80": p80, "times_real_time": median / FPS})
    return rows


def stage_rows(video: Path, name: str, method: Method) -> list[dict]:
    """The wall time of each stage of one prediction."""
    spent: dict[str, float] = defaultdict(float)
    tally, started = Tally(), time.perf_counter()
    decoded = _watched(read_video(video), spent, "decode")
    faces = _watched(tally.count(FaceCropper(method.crop_size).crops(decoded, str(video))), spent, "decode, face")
    raw = method.wave(faces, probe(video).fps)
    waved = time.perf_counter()
    summarise(name, raw, tally, str(video))
    ended = time.perf_counter()
    seconds = {
        "decode": spent["decode"],
        "detect and crop": spent["decode, face"] - spent["decode"],
        "method": waved - started - spent["decode, face"],
        "filters and heart rate": ended - waved,
    }
    whole = ended - started
    return [
        {"method": name, "stage": stage, "frames_per_second": tally.frames / took, "share": took / whole}
        for stage, took in seconds.items()
    ]


def _watched(items: Iterable, spent: dict[str, float], stage: str) -> Iterator:
    """The same items; the time it takes to have each is added to a stage's."""
    iterator, end = iter(items), object()
    while True:
        started = time.perf_counter()
        item = next(iterator, end)
        spent[stage] += time.perf_counter() - started
        if item is end:
            return
        yield item


def stream_row(video: Path, name: str, method: Method) -> dict:
    """When the first number is there, and how far a number is behind at most, on the clock of the one who is filmed."""
    stream = Stream(method, FPS)
    ready = busy = 0.0
    first, lags, at = None, [], 0.0
    for at, rgb in read_video(video):
        started = time.perf_counter()
        update = stream.push(at, rgb)
        took = time.perf_counter() - started
        busy, ready = busy + took, max(ready, at) + took
        if update is not None and update.bpm is not None:
            first = ready if first is None else first
            lags.append(ready - float(update.wave_seconds[-1]))
    if first is None:
        raise SystemExit(f"the stream of {name} gave no number in {at:.0f} s of video")
    return {
        "method": name, "stage": "streaming", "frames_per_second": stream.frames / busy, "times_real_time": at / busy,
        "first_number_seconds": first, "most_lag_seconds": max(lags), "skipped_steps": stream.skipped_steps,
    }  # fmt: skip


def memory_row(video: Path, name: str, threads: int) -> dict:
    """Peak memory of a prediction in a fresh process, above the imported modules and the weights."""
    setup = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from bench_predict import method_of, predict_video\n"
        f"method = method_of({name!r})"
    )
    call = f"predict_video(Path({str(video)!r}), method)"
    return {"method": name, "stage": "memory", "peak_mb": harness.peak_extra_mb(setup, "", call, threads)}


def measure(folder: Path, plan: Plan, options: argparse.Namespace) -> list[dict]:
    rows: list[dict] = []

    def add(*more: dict) -> None:
        rows.extend({**row, "size": name_of(plan.size)} for row in more)
        harness.show(list(more), COLUMNS)

    source, video = render(folder, plan.size, plan.rendered_seconds), folder / "long.mp4"
    repeat(source.video, video, int(np.ceil(plan.seconds * FPS / len(source.pulse))))
    methods = {name: method_of(name) for name in METHODS}
    with on_cores(min(CORES, len(os.sched_getaffinity(0)))):
        add(*whole_rows(video, methods, plan.effort, sum(1 for _ in read_video(video))))
        for name, method in methods.items():
            add(*stage_rows(video, name, method), stream_row(video, name, method))
            add(memory_row(video, name, options.threads))
    return rows


def targets_of(rows: list[dict]) -> list[harness.Target]:
    found = {row["stage"]: row for row in rows if row["method"] == JUDGED}
    whole, streaming = found["whole"], found["streaming"]
    video = f"video {whole['size']} → bpm, STGNet, everything included"
    return [
        harness.Target(f"{video}, against real time", whole["times_real_time"], 5, 15),
        harness.Target("first number of a stream, STGNet", streaming["first_number_seconds"], 12, 11, " s", True),
        harness.Target("a stream's number behind the newest frame, at most, STGNet", streaming["most_lag_seconds"], 2,
                       1, " s", True),
    ]  # fmt: skip


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    plan = QUICK if options.quick else FULL
    keep_freed_memory()  # as the command line does
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), plan, options)
    harness.write("predict", options, rows, targets_of(rows))


if __name__ == "__main__":
    main()
