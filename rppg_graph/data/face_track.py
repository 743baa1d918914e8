"""The square of one face from frame to frame: which face is followed, until when, and how smoothly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rppg_graph.data.picture import Picture

Square = tuple[float, float, float]

HOLD_SECONDS = 1.0
# Boxes between two detections are interpolated, so a detection every sixth frame loses nothing but sudden jumps.
DETECT_EVERY_FRAMES = 6
DETECT_EVERY_SECONDS = 0.25
SAME_FACE_OVERLAP = 0.2
SAME_FACE_SIZE = 1.5  # times as large or as small
PERSISTS = 0.3  # of the detections: a face that is in view less often is none of the company
JUDGED_AFTER = 8  # detections: two seconds
STILL, LIVELIER = 0.7, 3.0  # grey levels that a poster changes by at most, and how many times as much a person does


class Track:
    """The square (centre x, centre y, side) of one face over time, fed by one detection every few frames.

    Args:
        face: follow the face of this number, counted from the left; None: the largest, but for one that stands still
            as a poster does beside one that moves.
    """

    def __init__(self, face: int | None = None) -> None:
        self.company, self.swaps = Company(), 0
        self._face = face
        self._square: np.ndarray | None = None  # at the latest detection that found the face
        self._box: np.ndarray | None = None  # of that detection, as the detector gave it
        self._seconds = -math.inf
        self._lost = True
        self._smooth = OneEuroFilter()

    def needs_detection(self, seconds: float, waiting: int) -> bool:
        """Whether to detect in this frame: in every frame while there is no face, else every few."""
        return self._lost or waiting >= DETECT_EVERY_FRAMES or seconds - self._seconds >= DETECT_EVERY_SECONDS

    def advance(self, boxes: np.ndarray, seconds: list[float], picture: Picture) -> list[tuple[Square | None, bool]]:
        """The square and whether it is a detected one, for each frame up to the picture, which `boxes` belong to."""
        now, before = seconds[-1], self._seconds
        self.company.add(boxes, picture)
        box = self._choose(boxes, now)
        if box is None:
            self._lost = True
            return [self._held(at) for at in seconds]
        old, followed = self._square, not self._lost and _overlap(box, self._box) > SAME_FACE_OVERLAP
        earlier = [self._held(at) for at in seconds[:-1]]
        other = old is not None and not _same_face(box, self._box)
        if other or (not followed and (old is None or now - before > HOLD_SECONDS)):
            self._smooth = OneEuroFilter()  # another face, or a long gap: no reason to glide there
        self.swaps += other
        x, y, width, height = box  # with 5 % more left and right, 30 % above and 5 % below, squared
        top, bottom = y - 0.30 * height, y + 1.05 * height
        square = np.array([x + width / 2, (top + bottom) / 2, max(1.10 * width, bottom - top)])
        self._square = self._smooth(now, square)
        self._box, self._seconds, self._lost = box, now, False
        if followed:
            weights = [(at - before) / (now - before) for at in seconds[:-1]]
            earlier = [(tuple(old + w * (self._square - old)), True) for w in weights]
        return [*earlier, (tuple(self._square), True)]

    def number(self) -> int:
        """That of the face which is followed, among those that persist, counted from the left; 0 without one."""
        lefts = sorted(seen.box[0] for seen in self.company.persisting())
        return 0 if self._box is None else sum(left <= self._box[0] + 1e-6 for left in lefts)

    def _choose(self, boxes: np.ndarray, now: float) -> np.ndarray | None:
        """The followed face's box; another's only where it is lost for long, or was a poster's."""
        if self._box is not None and len(boxes):
            overlaps = np.array([_overlap(box, self._box) for box in boxes])
            if overlaps.max() > SAME_FACE_OVERLAP:
                livelier = None if self._face else self.company.livelier(boxes[overlaps.argmax()])
                return boxes[overlaps.argmax()] if livelier is None else livelier
            if now - self._seconds <= HOLD_SECONDS:
                return next((box for box in boxes if _same_face(box, self._box)), None)
        if self._face:
            in_order = boxes[boxes[:, 0].argsort()]
            return in_order[self._face - 1] if len(boxes) >= self._face else None
        largest = max(boxes, key=lambda box: box[2] * box[3], default=None)
        return largest if largest is None or self.company.livelier(largest) is None else self.company.livelier(largest)

    def _held(self, seconds: float) -> tuple[Square | None, bool]:
        held = self._square is not None and seconds - self._seconds <= HOLD_SECONDS
        return (tuple(self._square) if held else None), False


@dataclass
class _Seen:
    box: np.ndarray  # the latest
    place: np.ndarray  # the first box, whose pixels are watched
    look: np.ndarray  # (16, 16) of those pixels at first, without their mean
    detection: int  # number of the latest
    times: int = 1
    change: float = 0.0  # grey levels, summed over the detections


class Company:
    """The faces in view: which of them persist, and which of them move."""

    def __init__(self) -> None:
        self._detections, self._seen = 0, []

    def add(self, boxes: np.ndarray, picture: Picture) -> None:
        """Take the faces of a further frame."""
        self._detections += 1
        for box in boxes:
            known = self._known(box)
            if known is None:
                self._seen.append(_Seen(box, box, _look(picture, box), self._detections))
            else:
                known.times, known.detection, known.box = known.times + 1, self._detections, box
                known.change += float(np.abs(_look(picture, known.place) - known.look).mean())

    def persisting(self) -> list[_Seen]:
        """The faces that are in view in a good part of the frames."""
        return [seen for seen in self._seen if seen.times >= PERSISTS * self._detections]

    def livelier(self, box: np.ndarray) -> np.ndarray | None:
        """The largest face that moves beside a face that stands still; None where that moves or is alone."""
        mine = self._known(box)
        if mine is None or mine.times < JUDGED_AFTER or mine.change > STILL * mine.times:
            return None
        least = max(LIVELIER * mine.change / mine.times, STILL)
        others = [
            seen.box
            for seen in self.persisting()
            if seen.detection == self._detections and seen.times >= JUDGED_AFTER and seen.change > least * seen.times
        ]
        return max(others, key=lambda other: other[2] * other[3], default=None)

    def _known(self, box: np.ndarray) -> _Seen | None:
        best = max(self._seen, key=lambda seen: _overlap(box, seen.box), default=None)
        return None if best is None or _overlap(box, best.box) <= SAME_FACE_OVERLAP else best


def _look(picture: Picture, box: np.ndarray) -> np.ndarray:
    """The pixels of a box (x, y, w, h) as (16, 16) grey levels without their mean."""
    x, y = (max(0, int(value)) for value in box[:2])
    rows, columns = slice(y, max(y + 1, int(box[1] + box[3]))), slice(x, max(x + 1, int(box[0] + box[2])))
    grey = picture.shrunk((16, 16), rows, columns).mean(axis=2)
    return grey - grey.mean()


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


def _same_face(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes may be one face that moved: their centres lie within a width, their sizes are alike."""
    apart = math.hypot(a[0] - b[0] + (a[2] - b[2]) / 2, a[1] - b[1] + (a[3] - b[3]) / 2)
    return apart < max(a[2], b[2]) and 1 / SAME_FACE_SIZE < a[2] / b[2] < SAME_FACE_SIZE
