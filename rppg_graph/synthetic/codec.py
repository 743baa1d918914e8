"""Real codecs in memory: what a decoder makes of frames that were compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np

from rppg_graph.data import video
from rppg_graph.data.picture import rgb_of
from rppg_graph.data.video_writer import rate_of_codecs, set_up

LOSSY = ("h264", "hevc", "vp9", "mpeg4", "mjpeg")  # of video.CODECS
CODECS = ("none", *LOSSY)
# Of a part's area share, for its share of the bit rate: between 0 (the rest costs nothing, as a still background at a
# low rate) and 1 (noise costs the same everywhere, as at a high rate). At 0.85 the squared error of a face is within
# a fifth of that in the whole frame, for H.264 at 150 to 4,000 kbit/s and MJPEG at 1,000 to 4,000, 320×240 pixels.
PART_EXPONENT = 0.85
FINE_CRF = 8.0  # of h264 and hevc where no bit rate is given
FINE_KBIT_PER_PIXEL = 0.06  # of the others, a second


def quality_options(codec: str, kbit_per_second: float | None, size: tuple[int, int]) -> dict[str, float]:
    """The options of `video.write_video` for a bit rate, or for nearly no loss (None)."""
    if kbit_per_second is not None:
        return {"kbit_per_second": kbit_per_second}
    if codec in ("h264", "hevc"):
        return {"crf": FINE_CRF}
    return {"kbit_per_second": FINE_KBIT_PER_PIXEL * size[0] * size[1]}


def bit_rate_of_part(kbit_per_second: float, part: tuple[int, int], whole: tuple[int, int]) -> float:
    """The bit rate at which the part (H, W) with the face is coded about as coarsely as in the whole frame."""
    return kbit_per_second * (part[0] * part[1] / (whole[0] * whole[1])) ** PART_EXPONENT


def through_codec(
    frames: Iterable[np.ndarray],
    fps: float,
    codec: str,
    kbit_per_second: float | None,
    key_frame_every: int | None = None,
) -> Iterator[np.ndarray]:
    """Encode and decode frames as they come, with the encoder settings of `video.write_video`.

    Args:
        frames: RGB uint8 (H, W, 3), H and W even.
        codec: one of CODECS.
        kbit_per_second: bit rate; None is nearly lossless.
        key_frame_every: distance of key frames; None: as the encoder likes.

    Yields:
        RGB uint8 (H, W, 3), as many as came in.
    """
    if codec == "none":
        yield from frames
        return
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    encoder = None
    for index, frame in enumerate(frames):
        encoder = encoder or _open_encoder(codec, frame.shape[:2], fps, kbit_per_second, key_frame_every)
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = index, encoder.time_base
        for packet in encoder.encode(picture):
            yield from _decoded(decoder, packet)
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from _decoded(decoder, packet)
        yield from _decoded(decoder, None)


def _open_encoder(
    codec: str, size: tuple[int, int], fps: float, kbit_per_second: float | None, key_frame_every: int | None
) -> av.VideoCodecContext:
    encoder = av.CodecContext.create(video.CODECS[codec].encoder, "w")
    rate = rate_of_codecs(fps)
    quality = {"crf": None, "kbit_per_second": None} | quality_options(codec, kbit_per_second, size)
    set_up(encoder, video.CODECS[codec], size, rate, **quality, key_frame_every=key_frame_every)
    encoder.time_base, encoder.framerate = 1 / rate, rate
    return encoder


def _decoded(decoder: av.VideoCodecContext, packet: av.Packet | None) -> Iterator[np.ndarray]:
    for picture in decoder.decode(packet):
        yield rgb_of(picture)
