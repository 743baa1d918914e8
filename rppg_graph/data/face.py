"""From frames to face crops: detect, follow, cut a square, resize; and which crops a pulse can be read from."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rppg_graph.data.face_detectors import FACE_DETECTORS, TURNS, TurnVote, boxes_in
from rppg_graph.data.face_track import Square, Track
from rppg_graph.data.picture import Box, Picture, as_picture, crop_square
from rppg_graph.data.skin import colour_fault
from rppg_graph.data.traces import MAX_GAP_SECONDS
from rppg_graph.errors import InputError
from rppg_graph.registry import choose

__all__ = ["FaceCropper", "FaceFrame", "background", "crop_square"]

POLICIES = ("fail", "skip", "full-frame")
DEFAULT_DETECTOR = "ultra-light"
LEAST_DETECTION_RATE = 0.5
# From brow to chin. One drawn face of 72 bpm, shrunk step by step, gave wrong numbers at 40 pixels and less, and right
# ones from 48 on by the network of that time; real people were not measured at these sizes.
LEAST_FACE_PIXELS, GOOD_FACE_PIXELS = 48, 80
SIDE_OF_FACE = 1.35  # side of the square, in heights of the face
SAME_PERSON = 0.4  # correlation of a face's look with that of the frame before; less is a cut to another picture
LEAST_CONTRAST = 8.0  # grey levels that a look must have for that
FAULTS = {
    "small": f"the face is {{:.0f}} pixels high from brow to chin, which is too small: {LEAST_FACE_PIXELS} are needed "
    f"and {GOOD_FACE_PIXELS} are good; come nearer, or record at a higher resolution",
    "black": "the video is black, or lacks a colour",
    "white": "the video is saturated: light the face less, or lower the exposure",
    "grey": "the video is grey, and a pulse is a change of colour; record in colour",
}
BACKGROUND_BLOCKS = (4, 6)  # rows and columns that a frame is divided into
BACKGROUND_SAMPLES = 120  # along the shorter side of a frame: what a mean of a block needs


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
    background: np.ndarray | None = None
    key_frame: bool | None = None


class FaceCropper:
    """Cuts the face out of each frame of one video at a time.

    The box is that of one face (see `face_track.Track`), widened by 5 % of its width left and right, 30 %
    of its height above and 5 % below and squared (the crop of STGNet), shrunk or moved where that would leave the
    frame, and smoothed over time.

    Args:
        size: side of the crop in pixels.
        detector: a name of FACE_DETECTORS.
        policy: "fail" and "skip" give no crop for a frame without a face, "full-frame" the middle square of the frame.
        face: number of the face to follow, counted from the left; None: the largest, see `face_track.Track`.
    """

    def __init__(
        self, size: int = 64, detector: str = DEFAULT_DETECTOR, policy: str = "fail", face: int | None = None
    ) -> None:
        choose("face policy", POLICIES, policy)
        if face is not None and face < 1:
            raise InputError(f"face {face}: faces are counted from the left, from 1 on")
        self.size, self.policy, self.face = size, policy, face
        self._detect = choose("face detector", FACE_DETECTORS, detector)()
        self._begin()

    def _begin(self) -> None:
        self.frames = self.detected = 0
        self._track, self._waiting = Track(self.face), []
        self._turns, self._faults = TurnVote(self._detect), Counter()
        self._look, self._cuts, self._sides, self._resumes = None, 0, [], -math.inf

    @property
    def detection_rate(self) -> float:
        """Share of the frames so far with a usable face, by detection or between two detections; held boxes not."""
        return self.detected / self.frames if self.frames else 0.0

    @property
    def obstacle(self) -> str | None:
        """Why over half of the frames so far show no face that a pulse can be read from, as far as it is known."""
        fault, count = next(iter(self._faults.most_common(1)), (None, 0))
        if count < (self.frames - self.detected) / 2 or self.detection_rate >= LEAST_DETECTION_RATE:
            fault = None
        turn = self._turns.best()
        if turn and fault in (None, "small"):
            return f"is the picture turned? A face is found better after {TURNS[turn]}; turn the video"
        return fault and FAULTS[fault].format(np.median(self._sides or [0.0]) / SIDE_OF_FACE)

    def remarks(self) -> list[str]:
        """What is worth knowing about the faces in the frames so far, one sentence each."""
        said, faces = [], len(self._track.company.persisting())
        if faces > 1:
            said.append(f"{faces} faces; number {self._track.number()} from the left is read, --face N takes another")
        if self._track.swaps + self._cuts:
            said.append(f"another face takes the place {self._track.swaps + self._cuts} times; the wave begins anew")
        return said + ([self.obstacle] if self.obstacle else [])

    def crops(self, frames: Iterable[tuple], source: str = "the video") -> Iterator[FaceFrame]:
        """Yield one FaceFrame for each (seconds, picture or RGB uint8 (H, W, 3)), where known with whether it is a key
        frame.

        At most six frames wait in memory.

        Raises:
            InputError: after the last frame, naming `source` and the share: policy "fail", and a usable face in under
                half of the frames; policy "skip", and one in none. Warns of `remarks` otherwise.
        """
        self._begin()
        for seconds, picture, *key_frame in frames:
            yield from self.push(seconds, picture, *key_frame)
        if self._waiting:
            yield from self._placed()
        self._check(source)

    def push(self, seconds: float, picture: Picture | np.ndarray, key_frame: bool | None = None) -> list[FaceFrame]:
        """The FaceFrames that are certain with this frame, whose own may wait for one of the five that follow."""
        self._waiting.append((seconds, as_picture(picture), key_frame))
        return list(self._placed()) if self._track.needs_detection(seconds, len(self._waiting)) else []

    def _placed(self) -> Iterator[FaceFrame]:
        """Detect in the last of the waiting frames, and cut all of them."""
        waiting, self._waiting = self._waiting, []
        now, latest, _ = waiting[-1]
        self._turns.look(now, latest)
        swaps = self._track.swaps
        squares = self._track.advance(boxes_in(latest, self._detect), [at for at, *_ in waiting], latest)
        if self._track.swaps > swaps:
            self._resumes, self._look = now + MAX_GAP_SECONDS, None
        for (at, frame, key_frame), (square, detected) in zip(waiting, squares, strict=True):
            self.frames += 1
            yield self._cut(at, frame, key_frame, square, detected)

    def _cut(
        self, at: float, frame: Picture, key_frame: bool | None, square: Square | None, detected: bool
    ) -> FaceFrame:
        if square is None and self.policy == "full-frame":
            box = _inside((frame.shape[1] / 2, frame.shape[0] / 2, float(min(frame.shape[:2]))), frame.shape)
        elif square is None:
            return FaceFrame(at, None, None, False)
        else:
            box = _inside(square, frame.shape)
        crop = frame.cut(box, self.size)
        fault = colour_fault(crop)
        if square is not None and fault is None and square[2] < SIDE_OF_FACE * LEAST_FACE_PIXELS:
            fault = "small"
            self._sides.append(square[2])
        if fault is None and detected and self._is_cut(crop):
            self._cuts, self._resumes = self._cuts + 1, at + MAX_GAP_SECONDS
        if fault is not None:
            self._faults[fault] += 1
            return FaceFrame(at, None, None, False)
        self.detected += detected
        if at < self._resumes:
            return FaceFrame(at, None, None, False)
        return FaceFrame(at, crop, box, detected, background(frame, box), key_frame)

    def _is_cut(self, crop: np.ndarray) -> bool:
        """Whether the face looks so unlike that of the frame before that it is another picture."""
        look = cv2.resize(crop, (12, 12), interpolation=cv2.INTER_AREA).mean(axis=2)
        look, before = look - look.mean(), self._look
        self._look = look
        if before is None or min(look.std(), before.std()) < LEAST_CONTRAST:
            return False
        return float((look * before).mean()) < SAME_PERSON * look.std() * before.std()

    def _check(self, source: str) -> None:
        found = f"a face was found in {self.detected} of {self.frames} frames ({self.detection_rate:.0%})"
        cure = (
            "Light the face, let it look at the camera and fill a fifth of the height, try another face detector, or "
            'choose the face policy "full-frame" for a video that is cropped to the face already'
        )
        usable = self.frames - self._faults.total()
        if self._faults.total() and (usable == 0 if self.policy == "full-frame" else self.detected == 0):
            raise InputError(f"{source}: {self.obstacle} ({self._faults.total()} of {self.frames} frames)")
        cure = f"{self.obstacle}. {cure}" if self.obstacle else cure
        if self.detected == 0 and self.policy != "full-frame":
            raise InputError(f"{source}: no face in any of the {self.frames} frames. {cure}")
        if self.detection_rate < LEAST_DETECTION_RATE and self.policy == "fail":
            raise InputError(
                f'{source}: {found}, under half of them. {cure}; "skip" leaves out the frames without a face'
            )
        for remark in self.remarks():
            warnings.warn(f"{source}: {remark}", stacklevel=3)


def _inside(square: Square, shape: tuple[int, ...]) -> Box:
    """The square as a box (x, y, w, h) that lies in the frame: padding would be a still border around a moving face."""
    height, width = shape[:2]
    side = min(square[2], float(width), float(height))
    x = min(max(square[0] - side / 2, 0.0), width - side)
    y = min(max(square[1] - side / 2, 0.0), height - side)
    return (float(x), float(y), float(side), float(side))


def background(picture: Picture | np.ndarray, box: Box) -> np.ndarray:
    """Mean colours (24, 3) float32 of 4 × 6 blocks of a frame (H, W, 3), row by row, by one pixel in a few of them.

    A block that the face's box, widened by half, reaches into is NaN: its colour would change with the head's place.
    """
    height, width = picture.shape[:2]
    step = max(1, min(height, width) // BACKGROUND_SAMPLES)
    rows, columns = BACKGROUND_BLOCKS
    colours = as_picture(picture).blocks(columns, rows, step)
    x, y, side = box[0] - box[2] / 4, box[1] - box[3] / 4, 1.5 * box[2]
    top, bottom = np.floor(y * rows / height), np.ceil((y + side) * rows / height)
    left, right = np.floor(x * columns / width), np.ceil((x + side) * columns / width)
    colours[int(max(top, 0)) : int(bottom), int(max(left, 0)) : int(right)] = np.nan
    return colours.reshape(-1, 3)
