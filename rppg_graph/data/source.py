"""Where a person's own frames come from: a video file, a folder of pictures, or raw frames on standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rppg_graph.data.recordings.sources import is_video, read_images
from rppg_graph.data.video import probe, read_pictures
from rppg_graph.errors import InputError

STANDARD_INPUT = Path("-")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")


@dataclass(frozen=True)
class Source:
    """Frames `(seconds, RGB uint8 (H, W, 3))`, where known with whether each is a key frame, and how many they are."""

    fps: float
    count: int | None
    frames: Iterator[tuple]


def found_in(paths: Sequence[Path]) -> list[Path]:
    """The paths, each folder replaced by the videos in it, or kept where it holds pictures instead.

    Raises:
        InputError: a folder with neither, or standard input beside others.
    """
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and is_video(each.name))
            if not inside and not _pictures(path):
                raise InputError(f"{path}: a folder without a video or a picture; name another")
            found += inside or [path]
        else:
            found.append(path)
    if STANDARD_INPUT in found and len(found) > 1:
        raise InputError("-: standard input is one video; name it alone")
    return found


def opened_source(path: Path, fps: float | None = None, size: tuple[int, int] | None = None) -> Source:
    """The frames of a video file, of a folder of pictures in the order of their numbers, or of standard input.

    Args:
        path: a file, a folder, or ``STANDARD_INPUT`` for raw RGB bytes, row by row.
        fps: the true frame rate; None for the file's clock. Pictures and raw frames have no clock.
        size: width and height of raw frames in pixels.

    Raises:
        InputError: no frame rate or size where they are needed, or what `probe` refuses.
    """
    if path == STANDARD_INPUT:
        if fps is None or size is None:
            cure = "ffmpeg -i face.mp4 -f rawvideo -pix_fmt rgb24 - | rppg-graph predict - --size 640x480 --fps 30"
            raise InputError(f"-: raw frames need --size WIDTHxHEIGHT and --fps RATE, for example: {cure}")
        return Source(fps, None, _raw(sys.stdin.buffer, *size, fps))
    if path.is_dir():
        pictures = _pictures(path)
        if not pictures:
            raise InputError(f"{path}: a folder without a picture; name a video file or a folder of pictures")
        if fps is None:
            raise InputError(f"{path}: {len(pictures)} pictures do not say when they were taken; add --fps RATE")
        return Source(fps, len(pictures), read_images(pictures, np.arange(len(pictures)) / fps))
    info = probe(path)
    return Source(fps or info.fps, info.frames, read_pictures(path, fps))


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, 2.png before 10.png."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file()]
    return sorted(found, key=lambda path: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", path.name)])


def _raw(stream: BinaryIO, width: int, height: int, fps: float) -> Iterator[tuple[float, np.ndarray]]:
    size, number = width * height * 3, 0
    while data := stream.read(size):
        if len(data) < size:
            said = f"frame {number} is cut off ({len(data)} of {size} bytes)"
            raise InputError(f"-: {said}; is it rgb24 of {width}×{height} pixels, as --size says?")
        yield number / fps, np.frombuffer(data, np.uint8).reshape(height, width, 3)
        number += 1
