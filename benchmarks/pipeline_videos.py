"""The videos of ``bench_pipeline``: a rendered face, seconds or minutes long, with a pulse beside it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from rppg_graph.data.recordings import Recording, find_recordings
from rppg_graph.data.video import write_video
from rppg_graph.synthetic import generate

FPS = 30.0
NOISE_LEVELS, BITS_PER_PIXEL = 2.0, 0.4  # 3.7 Mbit/s at 640×480, 25 at 1920×1080: what good cameras write


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
