"""Real video files out of frames; read them back with `video.read_video`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.files import write_whole
from rppg_graph.registry import choose


@dataclass(frozen=True)
class Codec:
    """An FFmpeg encoder, the pixel format it is given, and its options."""

    encoder: str
    pixel_format: str
    options: dict[str, str]


X265 = "bframes=0:pools=none:frame-threads=1:log-level=error"
CODECS = {
    # With both switched on, libx264 gives other bytes now and then; video calls use neither.
    "h264": Codec("libx264", "yuv420p", {"preset": "veryfast", "x264-params": "bframes=0:mbtree=0"}),
    "hevc": Codec("libx265", "yuv420p", {"preset": "ultrafast", "x265-params": X265}),
    "vp9": Codec("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "mpeg4": Codec("mpeg4", "yuv420p", {}),
    "mjpeg": Codec("mjpeg", "yuvj420p", {}),
    "ffv1": Codec("ffv1", "bgr0", {}),
    "rawvideo": Codec("rawvideo", "bgr24", {}),
}

FINE_BITS_PER_PIXEL = 2.0  # where mpeg4 and mjpeg are given no bit rate; FFmpeg's own default is very coarse
MOST_TICKS = 65535  # of a second, in MPEG-4


def write_video(
    path: str | Path, frames: Iterable[np.ndarray], fps: float, *, codec: str = "h264", crf: float | None = None,
    kbit_per_second: float | None = None, key_frame_every: int | None = None, seconds: Iterable[float] | None = None,
) -> Path:  # fmt: skip
    """Write RGB uint8 (H, W, 3) frames to a video file; the suffix of `path` names the container.

    The file appears under its name only when it is whole: it is written beside it and moved into place. The same
    frames give the same bytes. `codec` is one of `CODECS`; "ffv1" and "rawvideo" are lossless. `crf` (h264; 23
    by default) or `kbit_per_second` (not the lossless ones; nearly no loss by default for mpeg4 and mjpeg) sets the
    compression. `key_frame_every` puts key frames at this distance in frames, and nowhere else. `seconds`, rising from
    any start, gives each frame its own timestamp (containers .mp4, .mov, .mkv).

    Raises:
        InputError: an unknown codec, or a folder that is missing, not writable or full.
        ValueError: no frame, frames of different shape or dtype, or of an odd size (h264, mpeg4).
    """
    path = Path(path)
    encoding = choose("codec", CODECS, codec)
    if seconds is not None and path.suffix.lower() == ".avi":
        raise ValueError(f"{path.name}: AVI cannot hold a timestamp of each frame; use .mp4, .mov or .mkv")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; create it first")
    quality = crf, kbit_per_second, key_frame_every
    try:
        write_whole(path, lambda partial: _encode(partial, frames, fps, encoding, quality, seconds))
    except av.error.FFmpegError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be written ({reason}); free some space or choose another folder") from None
    return path


def rate_of_codecs(fps: float) -> Fraction:
    """A frame rate as every codec can write it: MPEG-4 counts the ticks of a second in sixteen bits."""
    return Fraction(fps).limit_denominator(max(1, int(MOST_TICKS / fps)))


def _encode(partial: Path, frames, fps: float, codec: Codec, quality: tuple, seconds) -> None:
    rate = rate_of_codecs(fps)
    clock = iter(seconds) if seconds is not None else None
    container = av.open(f"file:{partial}", "w", options={"fflags": "bitexact"})
    try:
        stream, shape, start = None, None, None
        for number, rgb in enumerate(frames):
            if stream is None:
                shape = rgb.shape
                if codec.pixel_format == "yuv420p" and (shape[0] % 2 or shape[1] % 2):
                    raise ValueError(f"{codec.encoder} takes even widths and heights, not {shape[1]}×{shape[0]}")
                stream = container.add_stream(codec.encoder, rate=rate)
                set_up(stream.codec_context, codec, shape[:2], rate, *quality)
                stream.codec_context.time_base = 1 / rate if clock is None else Fraction(1, 90000)
            if rgb.shape != shape or rgb.dtype != np.uint8:
                raise ValueError(f"frame {number} is {rgb.dtype} {rgb.shape}, wanted uint8 {shape}")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            if clock is None:
                frame.pts, frame.time_base = number, 1 / rate
            else:
                at = next(clock)
                start = at if start is None else start
                frame.pts, frame.time_base = round((at - start) * 90000), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("no frame to write: a video has at least one")
        container.mux(stream.encode(None))
        container.close()
    except BaseException:
        with suppress(Exception):  # the first error says more than what closing a broken file adds
            container.close()
        raise


def set_up(
    encoder: av.VideoCodecContext, codec: Codec, size: tuple[int, int], rate: Fraction,
    crf: float | None, kbit_per_second: float | None, key_frame_every: int | None,
) -> None:  # fmt: skip
    """Give an encoder that is not open yet its picture format and quality; arguments as for `write_video`."""
    encoder.height, encoder.width = size
    encoder.pix_fmt = codec.pixel_format
    encoder.thread_count = 1  # with more, the bytes depend on the number of cores
    encoder.options = dict(codec.options) | ({"crf": str(crf)} if crf is not None else {})
    if kbit_per_second is not None:
        encoder.bit_rate = round(kbit_per_second * 1000)
    elif codec.encoder in ("mpeg4", "mjpeg"):
        encoder.bit_rate = round(FINE_BITS_PER_PIXEL * size[0] * size[1] * rate)
    if key_frame_every is not None and codec.encoder in ("libx264", "libx265", "libvpx-vp9", "mpeg4"):
        encoder.gop_size = key_frame_every
        no_other = {
            "libx264": {"sc_threshold": "0"},
            "libx265": {"x265-params": f"{X265}:scenecut=0:open-gop=0"},
            "libvpx-vp9": {"keyint_min": str(key_frame_every)},
            "mpeg4": {"sc_threshold": "1000000000"},
        }
        encoder.options = encoder.options | no_other[codec.encoder]
