"""What the benches of videos share: videos of a rendered face with a pulse beside them, and the stages one by one."""

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
from typing import NamedTuple

import av
import cv2
import harness
import numpy as np

from rppg_graph.data import cache_builder
from rppg_graph.data.face import DEFAULT_DETECTOR, FaceCropper, FaceFrame
from rppg_graph.data.face_detectors import FACE_DETECTORS, boxes_in
from rppg_graph.data.picture import Picture
from rppg_graph.data.recordings import Recording, find_recordings
from rppg_graph.data.video import read_pictures, write_video
from rppg_graph.files import move_into_place
from rppg_graph.synthetic import generate

FPS = 30.0
NOISE_LEVELS, BITS_PER_PIXEL = 2.0, 0.4  # 3.7 Mbit/s at 640×480, 25 at 1920×1080: what good cameras write
SIZE = 64  # of a crop
LOADED_FRAMES, WRITTEN_FRAMES = 24, 600  # held by each worker; of a recording that is written
BARRIER_SECONDS = 120


class Source(NamedTuple):
    """A short video, with the pulse at its frames."""

    video: Path
    pulse: np.ndarray


def render(folder: Path, size: tuple[int, int], seconds: int) -> Source:
    """A face for so many seconds, then the same backwards, so that a repetition follows without a jump."""
    width, height = size
    recording = generate("easy", 1, seconds=seconds, fps=FPS, size=(height, width), noise_levels=NOISE_LEVELS)
    frames = list(recording.camera_frames())
    video = folder / f"{width}x{height}.mp4"
    write_video(video, frames + frames[::-1], FPS, kbit_per_second=BITS_PER_PIXEL * width * height * FPS / 1000)
    return Source(video, np.concatenate([recording.pulse, recording.pulse[::-1]]))


def recordings_of(source: Source, folder: Path, seconds: int, count: int) -> list[Recording]:
    """So many recordings of at least so many seconds, each the source again and again, with its pulse beside it."""
    folder.mkdir()
    times = int(np.ceil(seconds * FPS / len(source.pulse)))
    repeat(source.video, folder / "0.mp4", times)
    rows = (f"{number / FPS:.6f},{value:.6f}\n" for number, value in enumerate(np.tile(source.pulse, times)))
    (folder / "0.csv").write_text("seconds,pulse\n" + "".join(rows))
    for number, suffix in itertools.product(range(1, count), (".mp4", ".csv")):
        os.link(folder / f"0{suffix}", folder / f"{number}{suffix}")
    return find_recordings(folder, "folder")


def repeat(video: Path, longer: Path, times: int) -> None:
    """The encoded packets of a video again and again, later each time; encoding ten minutes would take a minute."""
    with av.open(str(longer), "w") as target, av.open(str(video)) as source:
        frames = source.streams.video[0]
        stream = target.add_stream_from_template(frames)
        packets = [packet for packet in source.demux(frames) if packet.size]
        for number, packet in itertools.product(range(times), packets):
            later = av.Packet(bytes(packet))
            later.pts, later.dts = (at + number * frames.duration for at in (packet.pts, packet.dts))
            later.time_base, later.duration = packet.time_base, packet.duration
            later.is_keyframe, later.stream = packet.is_keyframe, stream
            target.mux(later)


def name_of(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


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
