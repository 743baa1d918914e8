"""Video files: frames with their own timestamps, streamed one by one; `video_writer` writes them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from rppg_graph.data.picture import Picture, Turn, picture_of
from rppg_graph.data.video_file import moving_pictures, opened
from rppg_graph.data.video_writer import CODECS, write_video
from rppg_graph.errors import InputError

__all__ = ["CODECS", "VideoInfo", "probe", "read_video", "write_video"]

MOST_HOURS = 24  # of a video
SILENCE_SECONDS = 60.0  # without a frame from a file that is read on and on
TOLERATED_LOSS_SECONDS = 0.5
TOLERATED_ASPECT_CHANGE = 0.02
USUAL_FPS = np.array([10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240])
TOLERATED_FPS = 0.04  # of a usual rate: webcams of 30 fps write 29
EVEN_STEPS = 0.1  # of a step: timestamps that differ by less were counted from the header's rate, not measured


@dataclass(frozen=True)
class VideoInfo:
    """What a video file declares; width and height are those of the frames as `read_video` yields them."""

    path: Path
    width: int
    height: int
    fps: float
    frames: int | None
    seconds: float | None


def probe(path: str | Path) -> VideoInfo:
    """Size, rate and length of a video by its header and first frame.

    Raises:
        InputError: no such file, no permission, not a video, no video stream, or no frame that can be decoded.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        frame = next((frame for frame in _decoded(container, stream, []) if frame is not None), None)
        if frame is None:
            raise InputError(f"{path}: the video holds no frame that can be decoded; record or export it again")
        height, width = picture_of(frame).shape[:2]
        return VideoInfo(path, width, height, _fps(stream), stream.frames or None, _declared_seconds(container, stream))


def read_video(path: str | Path, fps: float | None = None) -> Iterator[tuple[float, np.ndarray]]:
    """Yield `(seconds since the first frame, RGB uint8 (H, W, 3))`; the frames of `read_pictures`, turned to RGB."""
    return ((seconds, picture.rgb) for seconds, picture, _ in read_pictures(path, fps))


def read_pictures(path: str | Path, fps: float | None = None) -> Iterator[tuple[float, Picture, bool]]:
    """Yield `(seconds since the first frame, picture, key frame or not)` of each, one in memory at a time.

    The seconds are the file's own timestamps, so a variable rate is kept. Rotation and mirroring by the first frame's
    metadata are applied; every pixel format (grey, 10 and 16 bit, with alpha) can become RGB uint8. When the resolution
    changes within the video, frames are scaled to the size of the first. A frame whose timestamp does not follow that
    of the frame before is left out with a warning. Warned of are a rate that no camera has, and a choice among several
    streams.

    Args:
        fps: the true frame rate, where the file's clock is wrong; None for the file's clock.

    Raises:
        InputError: what `probe` refuses; a change of the aspect ratio within the video; and, after the last frame,
            a video of which over half a second is missing against the length its header declares (a truncated or
            damaged file; a smaller loss is a warning), or one without any frame.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        clock, declared = _Clock(_fps(stream), container.format.name), _declared_seconds(container, stream)
        if (streams := len(moving_pictures(container))) > 1:
            said = f"the one in which most moves ({stream.width}×{stream.height}) is read"
            warnings.warn(f"{path}: {streams} video streams; {said}", stacklevel=2)
        undecodable: list[str] = []
        size, scaled, stored_size, turn = None, 0, None, None
        for frame in _decoded(container, stream, undecodable):
            number = clock.frames
            if not clock.take(frame):
                continue
            if clock.seconds > 3600 * MOST_HOURS:
                raise InputError(f"{path}: it lasts over {MOST_HOURS} hours by its clock; cut it into parts")
            if (frame.width, frame.height) != stored_size:  # the first, or the video changes; see picture_of
                stored_size, turn = (frame.width, frame.height), Turn.of(frame)
            picture = picture_of(frame, turn)
            own = picture.shape[1::-1]
            size = size or own
            if own != size:
                place = f"{path}, frame {number} ({clock.seconds:.2f} s)"
                picture, scaled = Picture(_rescaled(picture.rgb, size, place)), scaled + 1
            yield clock.seconds if fps is None else number / fps, picture, bool(frame.key_frame)
        if scaled:
            warnings.warn(f"{path}: the resolution changes; {scaled} frames were scaled to {size}", stacklevel=2)
        if clock.backwards:
            warnings.warn(f"{path}: {clock.backwards} frames whose timestamps do not rise were left out", stacklevel=2)
        if fps is None and clock.is_odd():
            said = f"{clock.rate:.4g} frames a second, as its header says, is an odd rate for a camera"
            cure = "if it was filmed at another, say so with --fps (in Python: fps=)"
            warnings.warn(f"{path}: {said}, and a heart rate is wrong by as much as that is; {cure}", stacklevel=2)
        _check_whole(path, clock.frames, clock.end, declared, clock.fps, undecodable)


class _Clock:
    """A file's own clock, frame by frame from the first one on: what time it is, and what is odd about it.

    Args:
        fps: what the header declares, for a frame that does not say how long it lasts.
        container: a format of FFmpeg.
    """

    def __init__(self, fps: float, container: str) -> None:
        self.fps, self.container = fps, container
        self.seconds, self.end = -1.0, 0.0  # of the latest frame, and when that is over
        self.frames = self.backwards = 0
        self._first: float | None = None
        self._shortest, self._longest = np.inf, 0.0  # step between frames

    def take(self, frame: av.VideoFrame) -> bool:
        """Go on to a frame; False for one whose timestamp does not follow that of the frame before."""
        # AVI stores no presentation time. FFmpeg makes one up that jumps about where there are B-frames; frames come
        # out in the order of presentation, so the decoding times, which rise, fit them.
        ticks = frame.dts if self.container == "avi" else frame.pts
        at = (self._first or 0.0) + self.end if ticks is None else float(ticks * frame.time_base)
        self._first = at if self._first is None else self._first
        step = at - self._first - self.seconds
        if at - self._first <= self.seconds:
            self.backwards += 1
            return False
        if self.frames:
            self._shortest, self._longest = min(self._shortest, step), max(self._longest, step)
        self.seconds = at - self._first
        self.end = self.seconds + (float(frame.duration * frame.time_base) if frame.duration else 1.0 / self.fps)
        self.frames += 1
        return True

    @property
    def rate(self) -> float:
        """Frames a second, so far."""
        return self.frames / self.end

    def is_odd(self) -> bool:
        """Whether the frames are spread evenly, as by a header and by no camera, at a rate that no camera has."""
        even = self.frames > 1 and self._longest - self._shortest < EVEN_STEPS * self._longest
        return even and np.abs(USUAL_FPS / self.rate - 1).min() > TOLERATED_FPS


def _check_whole(
    path: Path, frames: int, end: float, declared: float | None, fps: float, undecodable: list[str]
) -> None:
    if frames == 0:
        detail = f" ({undecodable[0]})" if undecodable else ""
        raise InputError(f"{path}: the video holds no frame that can be decoded{detail}; record or export it again")
    missing = max(0.0, (declared or 0.0) - end) + len(undecodable) / fps
    if missing <= 3.0 / fps:
        return
    detail = f"; {len(undecodable)} packets cannot be decoded, the first {undecodable[0]}" if undecodable else ""
    message = (
        f"{path}: {missing:.1f} s of the video are missing: it decodes to frame {frames - 1} ({end:.1f} s)"
        + (f" of {declared:.1f} s that its header declares" if declared else "")
        + detail
    )
    if missing > TOLERATED_LOSS_SECONDS:
        raise InputError(
            f"{message}. The file is truncated or damaged: copy it again from its source, or cut it to the part that "
            "plays and re-export it"
        )
    warnings.warn(message, stacklevel=3)


def _decoded(container, stream, undecodable: list[str]) -> Iterator[av.VideoFrame]:
    """Frames until the file ends or stops being readable; errors of single packets are noted in `undecodable`."""
    packets, packet_number, since = container.demux(stream), 0, time.monotonic()
    while True:
        if time.monotonic() - since > SILENCE_SECONDS:
            raise InputError(f"{container.name[5:]}: {packet_number} packets give no frame; record or export it again")
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            undecodable.append(f"number {packet_number}: {error}")
            return
        try:
            for frame in packet.decode():
                yield frame
                since = time.monotonic()
        except av.error.FFmpegError as error:
            undecodable.append(f"number {packet_number}: {error.strerror or error}")
        packet_number += 1


def _rescaled(rgb: np.ndarray, size: tuple[int, int], place: str) -> np.ndarray:
    height, width = rgb.shape[:2]
    if abs(width / height * size[1] / size[0] - 1.0) > TOLERATED_ASPECT_CHANGE:
        raise InputError(
            f"{place}: the frame size changes from {size[0]}×{size[1]} to {width}×{height}, another aspect ratio; "
            "cut the video there, or export it at one size"
        )
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if width > size[0] else cv2.INTER_CUBIC)


def _fps(stream) -> float:
    """The average rate that the file declares, or its base rate, or 30 where the container holds neither."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 30)


def _declared_seconds(container, stream) -> float | None:
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)  # FFmpeg shortens the duration of a truncated AVI
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # Matroska declares the length of the whole file only, which an audio stream may extend.
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
