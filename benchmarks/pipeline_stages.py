"""The stages of preprocessing one by one, for ``bench_pipeline``: frames per second of a worker on each core."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import harness
import numpy as np
from pipeline_videos import name_of

from rppg_graph.data import cache_builder
from rppg_graph.data.face import DEFAULT_DETECTOR, FaceCropper, FaceFrame
from rppg_graph.data.face_detectors import FACE_DETECTORS, boxes_in
from rppg_graph.data.picture import Picture
from rppg_graph.data.video import read_pictures
from rppg_graph.files import move_into_place

SIZE = 64  # of a crop
LOADED_FRAMES, WRITTEN_FRAMES = 24, 600  # held by each worker; of a recording that is written
BARRIER_SECONDS = 120


@cache
def loaded(video: Path) -> tuple[list[Picture], list[FaceFrame]]:
    """The first frames of a video and their crops."""
    frames = list(itertools.islice(read_pictures(video), LOADED_FRAMES))
    return [picture for _, picture, _ in frames], list(FaceCropper(SIZE).crops(frames))


@cache
def detector() -> Callable[[np.ndarray], np.ndarray]:
    return FACE_DETECTORS[DEFAULT_DETECTOR]()


def decode(video: Path) -> int:
    return sum(1 for _ in read_pictures(video))


def detect(video: Path) -> int:
    return len([boxes_in(picture, detector()) for picture in loaded(video)[0]])


def crop(video: Path) -> int:
    return len([shown.cut(face.box, SIZE) for _ in range(5) for shown, face in zip(*loaded(video), strict=True)])


def write(video: Path) -> int:
    """Write a recording's crops to the disk as ``cache_builder.build`` does, whose parts are called here."""
    crops = itertools.islice(itertools.cycle(loaded(video)[1]), WRITTEN_FRAMES)
    partial = Path(tempfile.mkdtemp(dir=video.parent))
    whole = partial.with_suffix(".whole")
    cache_builder._write_frames(partial / "frames.npy", crops, SIZE)
    move_into_place(partial, whole)
    shutil.rmtree(whole)
    return WRITTEN_FRAMES


STAGES: dict[str, Callable[[Path], int]] = {"decode": decode, "detect": detect, "crop": crop, "write": write}
_barrier = None


def start_worker(barrier) -> None:
    global _barrier
    _barrier = barrier
    cv2.setNumThreads(1)  # as the workers of preprocess do


def work(stage: str, video: Path) -> int:
    """One worker's part: all begin at once, so that each takes one."""
    loaded(video)
    _barrier.wait(BARRIER_SECONDS)
    return STAGES[stage](video)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """This process and those that it starts have so many cores only."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def stage_rows(videos: dict[tuple[int, int], Path], cores: int, effort: harness.Effort) -> list[dict]:
    """Frames per second of every stage by itself, a worker on each core."""
    context, rows = multiprocessing.get_context("spawn"), []
    barrier = context.Barrier(cores)
    with on_cores(cores), ProcessPoolExecutor(cores, context, start_worker, (barrier,)) as pool:
        for size, video in videos.items():
            runs = {
                stage: lambda stage=stage, video=video: sum(pool.map(work, [stage] * cores, [video] * cores))
                for stage in STAGES
            }
            frames = {stage: run() for stage, run in runs.items()}
            for stage, seconds in harness.time_providers(runs, effort, "cpu").items():
                p20, median, p80 = frames[stage] / np.percentile(seconds, [80, 50, 20])
                row = {"stage": stage, "size": name_of(size), "cores": cores, "calls": len(seconds)}
                rows.append(row | {"frames_per_second": median, "p20": p20, "p80": p80})
    return rows
