"""Where frames come from: a video file, a folder of images, an array in a MATLAB file."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from rppg_graph.data.picture import Picture
from rppg_graph.data.recordings.labels import make_reference
from rppg_graph.data.video import read_pictures
from rppg_graph.data.video_file import opened, refuse_size
from rppg_graph.errors import InputError
from rppg_graph.files import refuse_lfs_pointer

Frames = Iterator[tuple[float, Picture | np.ndarray]]
VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv")


def is_video(name: str) -> bool:
    """Whether the file name has one of the suffixes of a video, in any case."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def the_video(folder: Path, candidates: Sequence[str]) -> Path:
    """The one video of a recording's folder, by the names that its layout allows.

    Raises:
        InputError: none of them is there, or more than one.
    """
    present = [folder / name for name in candidates if (folder / name).is_file()]
    if len(present) != 1:
        seen = "both " + " and ".join(path.name for path in present) if present else "none of them"
        wanted = " or ".join(candidates)
        raise InputError(f"{folder}: one video ({wanted}) belongs here; {seen} found. Mend the folder.")
    return present[0]


def read_file(path: Path) -> Frames:
    """The frames of a video at the times of its own clock, see data.video.read_pictures."""
    return ((seconds, picture) for seconds, picture, _ in read_pictures(path))


def video_seconds(path: Path) -> np.ndarray:
    """(T,) float64 times of a video's frames from the first on, from its packets, without decoding.

    Raises:
        InputError: not a video, or one without timestamps.
    """
    try:
        with opened(path) as (container, stream):
            base = float(stream.time_base)
            stamps = [
                packet.pts if packet.pts is not None else packet.dts
                for packet in container.demux(stream)
                if packet.size
            ]
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: no video can be read from it ({error}). Restore the file.") from error
    known = np.sort(np.array([stamp for stamp in stamps if stamp is not None], dtype=np.float64)) * base
    if not len(known):
        raise InputError(f"{path}: a video without frames. Restore the file or leave this recording out.")
    return known - known[0]


MOST_FRAMES_APART = 2  # a camera's log and its video differ by as many where one was stopped before the other


def on_clock(find: Callable[[], Path], clock: Callable[[], np.ndarray | None] | None = None) -> np.ndarray:
    """(T,) times of a video's frames by a list with one for each: time i belongs to frame i.

    Frames beyond its end follow at its median step. Where the counts differ by more than two, the times are the
    file's own, with a warning; where there is no list, too.

    Args:
        find: the video, or an InputError.
        clock: what frame_clock gives, or None; None for the file's own times.
    """
    video = find()
    own, listed = video_seconds(video), clock and clock()
    if listed is None:
        return own
    if abs(len(listed) - len(own)) > MOST_FRAMES_APART:
        warnings.warn(
            f"{video}: {len(own)} frames, but times of {len(listed)}: frames are paired with the label by the file's "
            f"own clock, not by number",
            stacklevel=2,
        )
        return own
    beyond = listed[-1] + np.arange(1, MOST_FRAMES_APART + 1) * np.median(np.diff(listed))
    return np.concatenate([listed, beyond])[: len(own)]


def read_on_clock(find: Callable[[], Path], clock: Callable[[], np.ndarray | None] | None = None) -> Frames:
    """The frames of a video at the times that `on_clock` gives them."""
    if clock is None:
        yield from read_file(find())
        return
    seconds, video = on_clock(find, clock), find()
    own = video_seconds(video)
    for when, frame in read_file(video):
        yield float(np.interp(when, own, seconds)), frame


def frame_clock(path: Path, seconds: Sequence[float]) -> np.ndarray:
    """Times of frames, one for each, from the first one on.

    Raises:
        InputError: fewer than two, one that is not finite, or one that is before another.
    """
    seconds = np.asarray(seconds, dtype=np.float64)
    return make_reference(path, rising(seconds - seconds[:1])).seconds


def rising(seconds: np.ndarray) -> np.ndarray:
    """Times of which no two are equal: of those that are, each after the first moves towards the next time."""
    distinct, first = np.unique(seconds, return_index=True)
    if len(distinct) < 2 or not (np.diff(seconds) >= 0).all():
        return seconds  # for make_reference to refuse
    step = np.median(np.diff(distinct))
    return np.interp(np.arange(len(seconds)), [*first, len(seconds)], [*distinct, distinct[-1] + step])


def image_seconds(paths: Sequence[Path]) -> np.ndarray:
    """(T,) float64 seconds from the first image, from the nanoseconds in names like Image1392643993642815000.png."""
    stamps = [int(re.search(r"([0-9]+)\.[A-Za-z]+$", path.name).group(1)) for path in paths]
    return np.array([(stamp - stamps[0]) / 1e9 for stamp in stamps])


def read_timed(paths: Sequence[Path], clock: Callable[[], np.ndarray]) -> Frames:
    """`read_images` at times that are asked for with the first image."""
    yield from read_images(paths, clock())


def read_images(paths: Sequence[Path], seconds: np.ndarray) -> Frames:
    """The images one after the other, each with its time.

    An image that cannot be read is refused, not skipped: whoever wants to go on without it deletes the file, and its
    time then is a gap like any other.

    Raises:
        InputError: an image that cannot be decoded or has another size than the first, with its number and name.
    """
    size = None
    for frame, (path, when) in enumerate(zip(paths, seconds, strict=True)):
        try:
            data = np.fromfile(path, dtype=np.uint8)
        except OSError as error:
            raise InputError(f"{path}: frame {frame}: {error.strerror or error}. Restore the image.") from error
        # imdecode instead of imread: any file name, and 16-bit or grey images come out as 8-bit BGR.
        refuse_size(path, *_declared_size(path, data))
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if image is None:
            refuse_lfs_pointer(path)
            raise InputError(
                f"{path}: frame {frame} ({len(data)} bytes) is not a readable image. Copy it again from the dataset; "
                f"or delete it, and the recording has a gap of one frame there."
            )
        size = size or image.shape
        if image.shape != size:
            raise InputError(
                f"{path}: frame {frame} is {image.shape[1]}×{image.shape[0]} pixels, the frames before it "
                f"{size[1]}×{size[0]}. Restore the image."
            )
        yield float(when), cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _declared_size(path: Path, data: np.ndarray) -> tuple[int, int]:
    """Width and height by an image's header, (0, 0) where Pillow knows none: some bytes may claim terabytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its own limit is another
        try:
            with Image.open(io.BytesIO(data)) as image:
                return image.size
        except Image.DecompressionBombError as error:
            raise InputError(f"{path}: a picture that no camera makes ({error}); delete it") from error
        except (OSError, ValueError, SyntaxError):
            return 0, 0


def frames_to_uint8(frames: np.ndarray, brightest: float, path: Path, first: int) -> np.ndarray:
    """Frames (t, H, W, 3) of a MATLAB array as uint8: as they are, or rounded from [0, 1] or [0, 255].

    Args:
        brightest: the largest value at the start of the video; above 1 it says that the range is [0, 255].
        first: the number of the first of these frames, for messages.

    Raises:
        InputError: a value that is not finite, with its frame.
    """
    if frames.dtype == np.uint8:
        return np.ascontiguousarray(frames)
    finite = np.isfinite(frames).all(axis=(1, 2, 3))
    if not finite.all():
        frame = first + int(np.argmin(finite))
        raise InputError(f"{path}: frame {frame} has pixels that are not finite. Restore the file.")
    scale = 1.0 if brightest > 1 else 255.0
    return np.clip(np.rint(frames * scale), 0, 255).astype(np.uint8)
