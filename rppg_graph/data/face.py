"""From frames to face crops: detect, follow, smooth, cut a square, resize."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.errors import InputError
from rppg_graph.registry import choose

Box = tuple[float, float, float, float]

POLICIES = ("fail", "skip", "full-frame")
DEFAULT_DETECTOR = "ultra-light"
LEAST_DETECTION_RATE = 0.5
HOLD_SECONDS = 1.0
# Boxes between two detections are interpolated, so a detection every sixth frame loses nothing but sudden jumps.
DETECT_EVERY_FRAMES = 6
DETECT_EVERY_SECONDS = 0.25
SAME_FACE_OVERLAP = 0.2
MOST_OVERSAMPLING = 8


@dataclass(frozen=True)
class FaceFrame:
    """One frame's crop (S, S, 3) uint8 and its square box (x, y, w, h in pixels of the upright frame).

    `detected` is False with a crop where the box of an earlier frame is held (for one second at most) or, by policy
    "full-frame", where the middle of the frame stands in; crop and box are None where there is no face.
    """

    seconds: float
    crop: np.ndarray | None
    box: Box | None
    detected: bool


class FaceCropper:
    """Cuts the face out of each frame of one video at a time.

    The box is the largest face's (then the one that goes on from it), widened by 5 % of its width left and right, 30 %
    of its height above and 5 % below and squared (the crop of STGNet), shrunk or moved where that would leave the
    frame, and smoothed over time.

    Args:
        size: side of the crop in pixels.
        detector: a name of FACE_DETECTORS.
        policy: "fail" and "skip" give no crop for a frame without a face, "full-frame" the middle square of the frame.
    """

    def __init__(self, size: int = 64, detector: str = DEFAULT_DETECTOR, policy: str = "fail") -> None:
        choose("face policy", POLICIES, policy)
        self.size, self.policy = size, policy
        self._detect = choose("face detector", FACE_DETECTORS, detector)()
        self._begin()

    def _begin(self) -> None:
        self.frames = self.detected = 0
        self._track, self._waiting = _Track(), []

    @property
    def detection_rate(self) -> float:
        """Share of the frames so far whose face was found, by detection or between two detections; held boxes not."""
        return self.detected / self.frames if self.frames else 0.0

    def crops(self, frames: Iterable[tuple[float, np.ndarray]], source: str = "the video") -> Iterator[FaceFrame]:
        """Yield one FaceFrame for each (seconds, RGB uint8 (H, W, 3)); at most six frames wait in memory.

        Raises:
            InputError: after the last frame, naming `source` and the share: policy "fail", and a face in under half
                of the frames; policy "skip", and a face in none.
        """
        self._begin()
        for seconds, rgb in frames:
            yield from self.push(seconds, rgb)
        if self._waiting:
            yield from self._placed()
        self._check(source)

    def push(self, seconds: float, rgb: np.ndarray) -> list[FaceFrame]:
        """The FaceFrames that are certain with this frame, whose own may wait for one of the five that follow."""
        self._waiting.append((seconds, rgb))
        return list(self._placed()) if self._track.needs_detection(seconds, len(self._waiting)) else []

    def _placed(self) -> Iterator[FaceFrame]:
        """Detect in the last of the waiting frames, and cut all of them."""
        waiting, self._waiting = self._waiting, []
        squares = self._track.advance(self._detect(waiting[-1][1]), [at for at, _ in waiting])
        for (at, frame), (square, detected) in zip(waiting, squares, strict=True):
            self.frames += 1
            self.detected += detected
            if square is None and self.policy == "full-frame":
                height, width = frame.shape[:2]
                square = (width / 2, height / 2, float(min(height, width)))
            if square is None:
                yield FaceFrame(at, None, None, False)
            else:
                box = _inside(square, frame.shape)
                yield FaceFrame(at, crop_square(frame, box, self.size), box, detected)

    def _check(self, source: str) -> None:
        found = f"a face was found in {self.detected} of {self.frames} frames ({self.detection_rate:.0%})"
        cure = (
            "Light the face, let it look at the camera and fill a fifth of the height, try another face detector, or "
            'choose the face policy "full-frame" for a video that is cropped to the face already'
        )
        if self.detected == 0 and self.policy != "full-frame":
            raise InputError(f"{source}: no face in any of the {self.frames} frames. {cure}")
        if self.detection_rate < LEAST_DETECTION_RATE and self.policy == "fail":
            raise InputError(
                f'{source}: {found}, under half of them. {cure}; "skip" leaves out the frames without a face'
            )


class _Track:
    """The square (centre x, centre y, side) of one face over time, fed by one detection every few frames."""

    def __init__(self) -> None:
        self._square: np.ndarray | None = None  # at the latest detection that found the face
        self._box: np.ndarray | None = None  # of that detection, as the detector gave it
        self._seconds = -math.inf
        self._lost = True
        self._smooth = OneEuroFilter()

    def needs_detection(self, seconds: float, waiting: int) -> bool:
        """Whether to detect in this frame: in every frame while there is no face, else every few."""
        return self._lost or waiting >= DETECT_EVERY_FRAMES or seconds - self._seconds >= DETECT_EVERY_SECONDS

    def advance(self, boxes: np.ndarray, seconds: list[float]) -> list[tuple[tuple[float, float, float] | None, bool]]:
        """The square and whether it is a detected one, for each of the frames up to the one that `boxes` belong to."""
        box = self._choose(boxes)
        now, before = seconds[-1], self._seconds
        if box is None:
            self._lost = True
            return [self._held(at) for at in seconds]
        old, followed = self._square, not self._lost and _overlap(box, self._box) > SAME_FACE_OVERLAP
        earlier = [self._held(at) for at in seconds[:-1]]
        if not followed and (old is None or now - before > HOLD_SECONDS or _overlap(box, self._box) == 0.0):
            self._smooth = OneEuroFilter()  # another face, or a long gap: no reason to glide there
        self._square = self._smooth(now, _widened_square(box))
        self._box, self._seconds, self._lost = box, now, False
        if followed:
            weights = [(at - before) / (now - before) for at in seconds[:-1]]
            earlier = [(tuple(old + w * (self._square - old)), True) for w in weights]
        return [*earlier, (tuple(self._square), True)]

    def _choose(self, boxes: np.ndarray) -> np.ndarray | None:
        if len(boxes) == 0:
            return None
        overlaps = np.array([_overlap(box, self._box) for box in boxes])
        if overlaps.max() > SAME_FACE_OVERLAP:
            return boxes[overlaps.argmax()]
        return boxes[(boxes[:, 2] * boxes[:, 3]).argmax()]

    def _held(self, seconds: float) -> tuple[tuple[float, float, float] | None, bool]:
        held = self._square is not None and seconds - self._seconds <= HOLD_SECONDS
        return (tuple(self._square) if held else None), False


class OneEuroFilter:
    """Low pass of a square whose cut-off rises with speed: still boxes do not tremble, moving ones do not lag.

    Casiez, Roussel, Vogel, "1 € filter", CHI 2012, for centre x, centre y and side each; speeds are in sides a second.
    The side gains less from speed: detectors err in it most, and distances change slowly.
    """

    REST_HZ, SPEED_GAIN, SPEED_HZ = 0.1, np.array([6.0, 6.0, 1.0]), 1.0

    def __init__(self) -> None:
        self._seconds, self._value, self._speed = 0.0, None, None

    def __call__(self, seconds: float, value: np.ndarray) -> np.ndarray:
        """The smoothed (centre x, centre y, side) at `seconds`, which must rise from call to call."""
        if self._value is None:
            self._seconds, self._value, self._speed = seconds, value, np.zeros_like(value)
            return value
        step = seconds - self._seconds
        speed = (value - self._value) / (step * self._value[-1])  # sides per second
        self._speed = self._speed + _gain(self.SPEED_HZ, step) * (speed - self._speed)
        gain = _gain(self.REST_HZ + self.SPEED_GAIN * np.abs(self._speed), step)
        self._seconds, self._value = seconds, self._value + gain * (value - self._value)
        return self._value


def _gain(cutoff_hz: float | np.ndarray, step_seconds: float) -> float | np.ndarray:
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * step_seconds))


def _overlap(a: np.ndarray, b: np.ndarray | None) -> float:
    """Intersection over union of two boxes (x, y, w, h); 0 where there is no second."""
    if b is None:
        return 0.0
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _widened_square(box: np.ndarray) -> np.ndarray:
    """(centre x, centre y, side) of the face box with 5 % more left and right, 30 % above and 5 % below."""
    x, y, width, height = box
    top, bottom = y - 0.30 * height, y + 1.05 * height
    return np.array([x + width / 2, (top + bottom) / 2, max(1.10 * width, bottom - top)])


def _inside(square: tuple[float, float, float], shape: tuple[int, ...]) -> Box:
    """The square as a box (x, y, w, h) that lies in the frame: padding would be a still border around a moving face."""
    height, width = shape[:2]
    side = min(square[2], float(width), float(height))
    x = min(max(square[0] - side / 2, 0.0), width - side)
    y = min(max(square[1] - side / 2, 0.0), height - side)
    return (float(x), float(y), float(side), float(side))


def crop_square(rgb: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The square box of an RGB uint8 (H, W, 3) frame as (size, size, 3) uint8, to a fraction of a pixel.

    Enlarged bicubically; shrunk by the mean over each target pixel's area, since every pixel that bicubic weights
    leave out is pulse signal lost to noise.
    """
    oversampling = min(max(math.ceil(box[2] / size), 1), MOST_OVERSAMPLING)
    inner = size * oversampling
    step = box[2] / inner  # source pixels a step
    matrix = np.array([[step, 0.0, box[0] + 0.5 * step - 0.5], [0.0, step, box[1] + 0.5 * step - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if oversampling == 1 else cv2.INTER_LINEAR)
    cut = cv2.warpAffine(rgb, matrix, (inner, inner), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cut if oversampling == 1 else cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)
