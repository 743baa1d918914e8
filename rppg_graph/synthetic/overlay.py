"""A disturbance over a video that was filmed: light multiplies, motion moves the whole frame, a codec codes again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import cv2
import numpy as np

from rppg_graph.registry import choose
from rppg_graph.synthetic.camera import expose, tone_curve
from rppg_graph.synthetic.codec import bit_rate_of_part, through_codec
from rppg_graph.synthetic.disturbances import DISTURBANCES, QUIET_CAMERA, draw_disturbance, rate_hz
from rppg_graph.synthetic.light import flicker
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.scene import exercise_phase, shaking, stride
from rppg_graph.synthetic.skin import to_linear

OVERLAYS = ("lamp", "coloured lamp", "mains", "jogging", "car", "key frames", "rate control")  # of DISTURBANCES
DITHER_LEVELS = 0.3  # so that half a level of light is not lost in the rounding
SIZE = (240, 320)  # of the frames that the bit rates of DISTURBANCES are for


def lay_over(
    frames: Iterable[tuple[float, np.ndarray]], fps: float, kind: str, seed: int, **overrides: Any
) -> tuple[dict[str, Any], Iterator[tuple[float, np.ndarray]]]:
    """A disturbance over frames as `data.video.read_video` gives them, one by one.

    Args:
        fps: of the frames; kind: of OVERLAYS.
        **overrides: fields of Parameters, in place of what is drawn.

    Returns:
        What was drawn with kind, strength and rate_hz, and the frames as they come out: seconds and RGB uint8.

    Raises:
        InputError: unknown kind.
    """
    rng = np.random.default_rng(seed)
    choose("disturbance to lay over", dict.fromkeys(OVERLAYS), kind)
    _, drawn = draw_disturbance(kind, rng, fps=fps)
    drawn = {name: value for name, value in drawn.items() if name not in QUIET_CAMERA} | overrides
    p, phase, key = Parameters(**drawn), rng.uniform(0, 2 * np.pi), int(rng.integers(2**63))
    row = {"kind": kind, "strength": drawn[DISTURBANCES[kind].strength], "rate_hz": rate_hz(kind, drawn, fps), **drawn}
    times: deque[float] = deque()

    def laid_over() -> Iterator[np.ndarray]:
        for number, (seconds, rgb) in enumerate(frames):
            times.append(seconds)
            yield _disturbed(rgb, seconds, fps, p, phase, (seed, key + number))

    def coded() -> Iterator[tuple[float, np.ndarray]]:
        film = laid_over()
        for first in film:
            rate = p.kbit_per_second and bit_rate_of_part(p.kbit_per_second, first.shape[:2], SIZE)
            for rgb in through_codec(chain([first], film), fps, p.codec, rate, p.key_frame_every):
                yield times.popleft(), rgb

    return row, coded()


def _disturbed(
    rgb: np.ndarray, seconds: float, fps: float, p: Parameters, phase: float, keys: tuple[int, int]
) -> np.ndarray:
    height, width = rgb.shape[:2]
    if not (p.flicker or p.rhythm or p.shake):
        return rgb
    linear = _LINEAR[rgb]
    if p.flicker:
        rows = np.arange(height if p.readout else 1) / height
        linear *= (1 + flicker(p, seconds + p.readout / fps * rows, phase)).astype(np.float32)[:, None]
    at, motion = np.array([seconds]), np.random.default_rng(keys[0])  # the same draws, so one motion, for all frames
    shift = np.stack(stride(p, exercise_phase(p, at, motion)), axis=1)[0] + shaking(p, at, motion)[0]
    if shift.any():
        x, y = p.face_size * height * shift
        move = np.array([[1, 0, x], [0, 1, y]], np.float64)
        linear = cv2.warpAffine(linear, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    out = np.empty_like(rgb)
    expose(linear, np.ones(3), _CODES, DITHER_LEVELS, np.uint64(keys[1]), out)
    return out


_LINEAR = to_linear(np.arange(256) / 255).astype(np.float32)
_CODES = tone_curve(2.4)
