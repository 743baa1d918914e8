"""Where the faces of one frame are: the detectors by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import cv2
import numpy as np

MODEL_SIZE = (320, 240)  # width, height that the network was trained for
SCORE_THRESHOLD = 0.7
OVERLAP_THRESHOLD = 0.3
LOOK_EVERY_SECONDS = 2.0
SURE_ODDS, BETTER_ODDS = 4.0, 2.0  # logarithms: on real faces the upright picture leads by 3 and more
TURNS = {1: "a quarter turn to the left", 2: "a half turn", 3: "a quarter turn to the right"}
HAAR_WIDTH = 320  # frames are shrunk to this width for the cascade, which takes 44 ms of a 640-pixel frame


class UltraLightDetector:
    """RFB-320 of the Ultra-Light-Fast-Generic-Face-Detector-1MB project (MIT licence, beside the model in assets/).

    Finds faces in profile and in dim light too; 5 to 6 ms a frame of any size on one core.
    """

    def __init__(self) -> None:
        model = resources.files("rppg_graph.data").joinpath("assets/ultra_light_rfb_320.onnx").read_bytes()
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def _forward(self, rgb: np.ndarray) -> np.ndarray:
        """(4420, 6): background score, face score, x0, y0, x1, y1 in widths and heights of the frame."""
        small = cv2.resize(rgb, MODEL_SIZE, interpolation=cv2.INTER_AREA)
        self._network.setInput((small[np.newaxis].astype(np.float32) - 127.0) / 128.0)
        return self._network.forward()[0]

    def log_odds(self, rgb: np.ndarray) -> float:
        """Logarithm of the odds that there is a face: above 7 for an upright one, 1 to 9 for one that is turned."""
        background, face = self._forward(rgb)[:, :2].astype(np.float64).T
        return float(np.log(face / np.maximum(background, 1e-12)).max())

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) float64 of the faces in an RGB uint8 (H, W, 3) frame: x, y, width, height in pixels."""
        height, width = rgb.shape[:2]
        output = self._forward(rgb)
        output = output[output[:, 1] > SCORE_THRESHOLD].astype(np.float64)
        corners = output[:, 2:] * (width, height, width, height)
        boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), output[:, 1].tolist(), SCORE_THRESHOLD, OVERLAP_THRESHOLD)
        return _inset(boxes[np.asarray(kept, dtype=int)], left=0.0, top=0.24, width=1.0, height=0.76)


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola and Jones 2001): frontal faces in good light only."""

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) float64 of the faces in an RGB uint8 (H, W, 3) frame: x, y, width, height in pixels."""
        scale = min(1.0, HAAR_WIDTH / rgb.shape[1])
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        smallest = max(20, round(0.1 * min(grey.shape)))
        found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(smallest, smallest))
        boxes = np.asarray(found, dtype=np.float64).reshape(-1, 4) / scale
        return _inset(boxes, left=0.11, top=0.23, width=0.78, height=0.83)


def _inset(boxes: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """The part of each box that landmarks would span, ear to ear and brow to chin, so that all detectors agree.

    The fractions were measured on frontal faces: the network's box begins at the hairline, the cascade's is wider
    than the face and ends at the lips.
    """
    x, y, w, h = boxes.T
    return np.stack([x + left * w, y + top * h, width * w, height * h], axis=1)


class TurnVote:
    """Whether the faces of a video stand better after a turn of the picture, by a look every two seconds.

    Args:
        detector: one of FACE_DETECTORS, made; one that cannot weigh faces (`log_odds`) finds no turn.
    """

    def __init__(self, detector: Callable[[np.ndarray], np.ndarray]) -> None:
        self._log_odds = getattr(detector, "log_odds", None)
        self._looks: list[list[float]] = []
        self._due = -np.inf

    def look(self, seconds: float, rgb: np.ndarray) -> None:
        """Weigh a frame in all four positions where a look is due."""
        if self._log_odds is not None and seconds >= self._due:
            self._due = seconds + LOOK_EVERY_SECONDS
            self._looks.append([self._log_odds(np.ascontiguousarray(np.rot90(rgb, turn))) for turn in range(4)])

    def best(self) -> int | None:
        """Quarter turns counter-clockwise after which there is clearly a better face; None where it is upright."""
        if not self._looks:
            return None
        medians = np.median(self._looks, axis=0)
        turn = int(medians.argmax())
        return turn if turn and medians[turn] > max(SURE_ODDS, medians[0] + BETTER_ODDS) else None


FACE_DETECTORS: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
    "ultra-light": UltraLightDetector,
    "haar": HaarDetector,
}
