"""How fast do videos become face crops, in how much memory, and does training ever wait for them?

``python benchmarks/bench_pipeline.py [--quick]`` (Linux)

The videos show a rendered face with the noise of a sensor and the bit rate of a good camera, played forwards and
backwards again and again. Everything runs on one core and on all, which one worker each has: decoding, detecting,
cropping and writing alone, frames per second of all workers together; then the whole of ``preprocess``, start of its
processes included. Detection runs in every sixth frame there; its share is of processor time, on one core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import harness
import numpy as np
from kept import Target, show, where
from pipeline_parts import FPS, SIZE, Source, detector, name_of, on_cores, recordings_of, render, stage_rows

from rppg_graph.config import AugmentConfig
from rppg_graph.data.augment import Augment
from rppg_graph.data.cache import CachedRecording, CropSettings, load_cache, preprocess
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.data.recordings import Recording
from rppg_graph.models import MODELS
from rppg_graph.training.trainer import Trainer, read_metrics

COLUMNS = ["stage", "size", "cores", "frames_per_second", "times_real_time", "share", "peak_mb", "waiting_for_data"]
CLIP_FRAMES, STRIDE = 160, 60


class Plan(NamedTuple):
    """How much is measured: seconds of video by its width and height; one and many times as long for the memory."""

    preprocessed: dict[tuple[int, int], int]
    rendered_seconds: int
    memory_seconds: tuple[int, int]
    effort: harness.Effort
    steps: int
    batch: int


FULL = Plan({(640, 480): 60, (1920, 1080): 12}, 2, (60, 600), harness.Effort(rounds=2, seconds=3.0), 40, 4)
QUICK = Plan({(320, 240): 8}, 1, (2, 6), harness.QUICK, 1, 1)


IMPORTS = """
from rppg_graph.data.cache import CropSettings, preprocess
from rppg_graph.data.recordings import find_recordings
"""
PREPROCESS = f"""{IMPORTS}
import sys, time
from pathlib import Path
recordings = find_recordings(Path(sys.argv[1]), "folder")
start = time.perf_counter()
preprocess(recordings, Path(sys.argv[2]), CropSettings({SIZE}))
print(time.perf_counter() - start)
"""


def preprocess_row(recordings: list[Recording], out: Path, size: tuple[int, int], cores: int) -> dict:
    """The whole of preprocess, from the first byte read to the manifest.

    In a process of its own, as ``run.py preprocess`` is: the workers of this one would first load torch, as it did.
    """
    root = str(recordings[0].files[0].parent)
    with on_cores(cores):
        done = subprocess.run(
            [sys.executable, "-c", PREPROCESS, root, str(out)], stdout=subprocess.PIPE, text=True, check=True
        )
    seconds = float(done.stdout.split()[-1])
    cached = load_cache(out)
    if min(recording.detection_rate for recording in cached) < 0.99:
        raise SystemExit(f"the face is not found in every frame of {name_of(size)}; no figure would mean anything")
    frames = sum(len(recording.seconds) for recording in cached)
    bits = 8 * sum(file.stat().st_size for recording in recordings for file in recording.files if file.suffix == ".mp4")
    return {
        "stage": "preprocess", "size": name_of(size), "cores": cores, "recordings": len(cached), "frames": frames,
        "mbit_per_second": bits / (frames / FPS) / 1e6,
        "frames_per_second": frames / seconds, "times_real_time": frames / FPS / seconds,
    }  # fmt: skip


def detection_row(recording: Recording, out: Path, size: tuple[int, int]) -> dict:
    """The detector's share of the processor time of preprocessing one recording on one core."""
    spent: list[float] = []
    detect_face = detector()

    def timed(rgb: np.ndarray) -> np.ndarray:
        start = time.thread_time()
        boxes = detect_face(rgb)
        spent.append(time.thread_time() - start)
        return boxes

    timed.seen_size = detect_face.seen_size
    FACE_DETECTORS["timed"] = lambda: timed
    with on_cores(1):
        start = time.process_time()
        preprocess([recording], out, CropSettings(SIZE, detector="timed"), workers=1)
        seconds = time.process_time() - start
    row = {"stage": "detection in preprocess", "size": name_of(size), "cores": 1, "detections": len(spent)}
    return row | {"share": sum(spent) / seconds}


def memory_row(source: Source, folder: Path, seconds: int, threads: int) -> dict:
    """Peak memory of preprocessing one video in a fresh process, above what the imported modules take."""
    recordings_of(source, folder, seconds, 1)
    call = f"preprocess(find_recordings({str(folder)!r}, 'folder'), {f'{folder}-cache'!r}, CropSettings({SIZE}), 1)"
    peak = harness.peak_extra_mb(IMPORTS, "", call, threads)
    return {"stage": "memory of preprocess", "video_seconds": seconds, "peak_mb": peak}


def training_rows(recordings: list[CachedRecording], folder: Path, plan: Plan, device: str) -> list[dict]:
    """What the trainer itself records of a short run: the first half, with the start of everything, and the second."""
    augment = Augment(CLIP_FRAMES, **AugmentConfig().model_dump())
    trainer = Trainer(
        MODELS["stgnet_paper"](),
        "neg_pearson",
        ClipDataset(recordings[:-1], CLIP_FRAMES, STRIDE, augment),
        ClipDataset(recordings[-1:], CLIP_FRAMES, stride=len(recordings[-1].seconds)),  # a single clip
        steps=plan.steps, batch=plan.batch, learning_rate=1e-4, validate_every=(plan.steps + 1) // 2, workers=1,
        device=device,
    )  # fmt: skip
    folder.mkdir()
    trainer.run(folder, {}, 72.0)
    keys, about = ("step", "seconds_per_step", "waiting_for_data"), {"stage": "training", "size": name_of((SIZE, SIZE))}
    return [about | {key: row[key] for key in keys} for row in read_metrics(folder)]


def targets_of(rows: list[dict], plan: Plan) -> list[Target]:
    size = name_of(next(iter(plan.preprocessed)))
    cores = min(2, max(row["cores"] for row in where(rows, stage="preprocess")))
    (whole,) = where(rows, stage="preprocess", size=size, cores=cores)
    share = where(rows, stage="detection in preprocess", size=size)[0]["share"]
    short, long = (row["peak_mb"] for row in where(rows, stage="memory of preprocess"))
    waiting = max(row["waiting_for_data"] for row in where(rows, stage="training"))
    lengths = "{1} s against {0} s of video".format(*plan.memory_seconds)
    return [
        Target(f"preprocessing of {size} against real time on {cores} cores", whole["times_real_time"], 15, 20),
        Target(f"face detection of preprocessing {size}", 100 * share, 50, 33, " %", True),
        Target(f"peak memory of {lengths}", long / short, 1.2, 1, smaller_is_better=True),
        Target("waiting for data of a training step", 100 * waiting, 5, 1, " %", True),
    ]


def measure(folder: Path, plan: Plan, options: argparse.Namespace) -> list[dict]:
    rows: list[dict] = []

    def add(*more: dict) -> None:
        rows.extend(more)
        show(more, COLUMNS)

    own = len(os.sched_getaffinity(0))
    sources = {size: render(folder, size, plan.rendered_seconds) for size in plan.preprocessed}
    videos = {size: source.video for size, source in sources.items()}
    for cores in sorted({1} if options.quick else {1, min(2, own), own}):
        add(*stage_rows(videos, cores, plan.effort))
        for size, seconds in plan.preprocessed.items():
            place = folder / f"{name_of(size)}-{cores}"
            recordings = recordings_of(sources[size], place, seconds, 2 * cores)
            add(preprocess_row(recordings, folder / f"{place.name}-cache", size, cores))
            if cores == 1:
                add(detection_row(recordings[0], folder / f"{place.name}-timed", size))
    first = next(iter(sources))
    for seconds in plan.memory_seconds:
        add(memory_row(sources[first], folder / f"memory-{seconds}", seconds, options.threads))
    cached = load_cache(folder / f"{name_of(first)}-1-cache")
    add(*training_rows(cached, folder / "run", plan, options.device))
    return rows


def main() -> None:
    harness.as_the_command_line()
    options = harness.arguments(__doc__)
    cv2.setNumThreads(1)
    plan = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), plan, options)
    harness.write("pipeline", options, rows, targets_of(rows, plan))


if __name__ == "__main__":
    main()
