"""How fast does a video become a heart rate, where does the time go, and how soon does a live stream have a number?

``python benchmarks/bench_predict.py [--quick]`` (Linux)

The videos show a rendered face with the noise of a sensor and the bit rate of a good camera, played forwards and
backwards again and again, on two cores. ``whole`` is ``predict_video`` from the first byte to the bpm; the stages are
those of one more run on one core, see ``stopwatch``. ``first`` is ``run.py predict`` on two seconds of video, a fresh
process from its start to its end (which is a refusal: a heart rate needs five). ``streaming`` pushes the same frames,
decoded before the clock runs, into ``predict.Stream`` as if they came at their own rate: each waits until it is filmed
and until the one before it is done. The networks have fresh weights, which cost the same; the ensemble has its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import harness
import numpy as np
import torch
from kept import ROOT, Target, show, where
from pipeline_parts import FPS, name_of, on_cores, render, repeat
from stopwatch import seconds_by_stage

from rppg_graph.data.video import read_pictures, read_video
from rppg_graph.inference.methods import BY_NAME, DEFAULT, Method, NetworkMethod
from rppg_graph.inference.predict import Stream, predict_video
from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded

COLUMNS = ["method", "stage", "size", "frames_per_second", "seconds", "share", "times_real_time",
           "first_number_seconds", "most_lag_seconds", "peak_mb"]  # fmt: skip
CLIP_FRAMES = 160
JUDGED = "stgnet_released"
FIRST_SECONDS = 2
CORES = 2


class Plan(NamedTuple):
    """How much is measured: seconds of video by size, of which so many are rendered; the first with every method."""

    seconds: dict[tuple[int, int], int]
    rendered_seconds: int
    effort: harness.Effort
    first_runs: int
    crops: dict[str, int]  # network: side of its crop in pixels


FULL = Plan({(640, 480): 30, (1920, 1080): 12}, 1, harness.Effort(rounds=2, seconds=4.0), 3,
            {"stgnet_small": 32, JUDGED: 64})  # fmt: skip
QUICK = Plan({(320, 240): 12}, 1, harness.Effort(rounds=1, seconds=0.0, in_a_row=1), 1, {JUDGED: 16})


def method_of(name: str, crop: int | None) -> Method:
    """A method by its name, a network with fresh weights and as ``NetworkMethod.from_checkpoint`` would run it."""
    if name not in MODELS:
        return BY_NAME[name]()
    torch.manual_seed(0)
    return NetworkMethod(folded(MODELS[name]()), name, CLIP_FRAMES, FPS, crop)


def whole_rows(video: Path, methods: dict[str, Method], effort: harness.Effort, frames: int) -> list[dict]:
    """``predict_video``, everything included but the start of Python."""
    runs = {name: partial(predict_video, video, method) for name, method in methods.items()}
    rows = []
    for name, seconds in harness.time_providers(runs, effort, "cpu").items():
        p20, median, p80 = frames / np.percentile(seconds, [80, 50, 20])
        row = {"method": name, "stage": "whole", "calls": len(seconds), "frames_per_second": median, "p20": p20}
        rows.append(row | {"p80": p80, "times_real_time": median / FPS})
    return rows


def stage_rows(video: Path, name: str, method: Method, frames: int) -> list[dict]:
    """The stages of one prediction."""
    with on_cores(1):
        spent = seconds_by_stage(video, method)
    whole = sum(spent.values())
    return [
        {"method": name, "stage": stage, "frames_per_second": frames / took, "seconds": took, "share": took / whole}
        for stage, took in spent.items()
    ]


def first_row(video: Path, name: str, runs: int) -> dict:
    """The median of a few runs of the command line, everything included."""
    command = [sys.executable, str(ROOT / "run.py"), "predict", str(video), "--method", name]
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
        if "too short" not in done.stderr:
            raise SystemExit(f"predict on {FIRST_SECONDS} s of video said something else: {done.stderr[-500:]}")
    return {"method": name, "stage": "first", "seconds": float(np.median(seconds))}


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


def memory_row(video: Path, name: str, crop: int | None, threads: int) -> dict:
    """Peak memory of a prediction in a fresh process, above the imported modules and the weights."""
    setup = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    setup += f"from bench_predict import Path, method_of, predict_video\nmethod = method_of({name!r}, {crop})"
    peak = harness.peak_extra_mb(setup, "", f"predict_video(Path({str(video)!r}), method)", threads)
    return {"method": name, "stage": "memory", "peak_mb": peak}


def measure(folder: Path, plan: Plan, options: argparse.Namespace) -> list[dict]:
    rows: list[dict] = []
    main_size = next(iter(plan.seconds))

    def add(size: tuple[int, int], *more: dict) -> None:
        new = [row | {"size": name_of(size)} for row in more]
        rows.extend(new)
        show(new, COLUMNS)

    methods = {name: method_of(name, plan.crops.get(name)) for name in (DEFAULT, "pos", *plan.crops)}
    with on_cores(min(CORES, len(os.sched_getaffinity(0)))):
        for size, seconds in plan.seconds.items():
            source, video = render(folder, size, plan.rendered_seconds), folder / f"{name_of(size)}-long.mp4"
            repeat(source.video, video, int(np.ceil(seconds * FPS / len(source.pulse))))
            frames = sum(1 for _ in read_pictures(video))
            wanted = methods if size == main_size else {DEFAULT: methods[DEFAULT], "pos": methods["pos"]}
            add(size, *whole_rows(video, wanted, plan.effort, frames))
            for name, method in wanted.items():
                add(size, *stage_rows(video, name, method, frames))
                if size == main_size:
                    add(size, stream_row(video, name, method))
                    add(size, memory_row(video, name, plan.crops.get(name), options.threads))
            if size == main_size:
                short = folder / "short.mp4"
                repeat(source.video, short, FIRST_SECONDS // (2 * plan.rendered_seconds))
                add(size, *(first_row(short, name, plan.first_runs) for name in (DEFAULT, "pos")))
    return rows


def targets_of(rows: list[dict]) -> list[Target]:
    size = rows[0]["size"]
    found = {(row["method"], row["stage"]): row for row in where(rows, size=size)}
    streaming, video = found[JUDGED, "streaming"], f"video {size} → bpm"
    whole = {row["method"]: row for row in where(rows, size=size, stage="whole")}
    rest = max(row["share"] for row in where(rows, stage="rest"))
    return [
        *(Target(f"{video}, {said}, everything included, against real time", whole[name]["times_real_time"], *at)
          for said, name, *at in (("STGNet", JUDGED, 5, 15), ("no option", DEFAULT, 10, 15), ("POS", "pos", 15, 25))),
        Target("first import to the last frame of two seconds of video, no option",
               found[DEFAULT, "first"]["seconds"], 2.5, 1.5, " s", True),
        Target("time of a prediction that is in no named stage", 100 * rest, 5, 2, " %", True),
        Target("first number of a stream, STGNet", streaming["first_number_seconds"], 12, 11, " s", True),
        Target("a stream's number behind the newest frame, at most, STGNet", streaming["most_lag_seconds"], 2, 1, " s",
               True),
    ]  # fmt: skip


def main() -> None:
    harness.as_the_command_line()
    options = harness.arguments(__doc__)
    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), plan, options)
    harness.write("predict", options, rows, targets_of(rows))


if __name__ == "__main__":
    main()
