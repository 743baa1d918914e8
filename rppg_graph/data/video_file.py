"""Opening a file as a video: what is refused and why, and which of several streams is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

from rppg_graph.errors import InputError
from rppg_graph.files import refuse_lfs_pointer

# FFmpeg opens text as ANSI art and pictures as videos of one frame.
MOST_PIXELS = 8192 * 4320  # of a frame: 8K, as cinema has it
NOT_VIDEO_FORMATS = {"tty", "bin", "xbin", "idf", "image2"}


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """The file, open, and the stream of it that is the video.

    Raises:
        InputError: no such file, no file at all, no permission, or not a video.
    """
    _check_file(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or record it again")
    try:
        container = av.open(f"file:{path}")  # the prefix keeps a name such as "a:b.mp4" from being read as a protocol
    except PermissionError:
        raise InputError(f"{path}: no permission to read it; change its mode or owner") from None
    except (av.error.FFmpegError, OSError) as error:
        hint = "; an MP4 whose recording was cut off looks like this" if path.suffix.lower() in (".mp4", ".mov") else ""
        raise InputError(f"{path}: not a readable video ({error.strerror or error}){hint}") from None
    with container:
        formats = set(container.format.name.split(","))
        if formats & NOT_VIDEO_FORMATS or container.format.name.endswith("_pipe"):
            raise InputError(f"{path}: not a video (FFmpeg takes it for {container.format.name})")
        if not container.streams.video:
            held = "audio only" if container.streams.audio else "no video stream"
            raise InputError(f"{path}: {held}; a video of a face is needed")
        stream = container.streams[_liveliest(container, path)]
        refuse_size(path, stream.width, stream.height)
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # of frames that say otherwise later
        yield container, stream


def refuse_size(place: Path | str, width: int, height: int) -> None:
    """Refuse pictures that no camera makes and no memory holds; InputError."""
    if width * height > MOST_PIXELS:
        raise InputError(f"{place}: {width}×{height} pixels, and 8192×4320 are read at most; scale it down")


def _check_file(path: Path) -> None:
    """Refuse what is no file, with what is possible instead."""
    if not path.exists():
        if re.match(r"[a-z][a-z0-9+.-]*:/", str(path), re.IGNORECASE):
            cure = "save some of it first, for example: ffmpeg -i ADDRESS -t 60 -c copy face.mkv"
            raise InputError(f"{path}: an address, and videos are read from files; {cure}")
        if str(path) == "-":
            raise InputError("-: standard input is not read; write the video into a file and name that")
        raise InputError(f"{path}: no such file")
    if path.is_char_device() or path.is_block_device():
        raise InputError(f"{path}: a device, not a file; a camera is read by run.py live --camera N")
    if path.is_fifo() or path.is_socket():
        raise InputError(f"{path}: a pipe, which can be read only once; write the video into a file and name that")
    if not path.is_file():
        raise InputError(f"{path}: not a file; name one video file")
    refuse_lfs_pointer(path)


def moving_pictures(container: InputContainer) -> list[av.VideoStream]:
    """The video streams that are no attached pictures, such as a cover."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _liveliest(container: InputContainer, path: Path) -> int:
    """Index of the video stream in which most moves: it has most bytes, where equal packets count once.

    A longer and a larger stream have more of them; of a still picture hardly any follow the first.
    """
    streams = moving_pictures(container)
    if not streams:
        raise InputError(f"{path}: pictures only, no video; a video of a face is needed")
    if len(streams) == 1:
        return streams[0].index
    content = {stream.index: {} for stream in streams}
    with av.open(f"file:{path}") as again, suppress(av.error.FFmpegError, OSError):
        for packet in again.demux([again.streams[index] for index in content]):
            content[packet.stream.index][hash(bytes(packet))] = packet.size
    return max(content, key=lambda index: sum(content[index].values()))
