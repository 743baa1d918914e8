"""Where the faces of one frame are: the detectors by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import cv2
import numpy as np

MODEL_SIZE = (320, 240)  # width, height that the network was trained for
SCORE_THRESHOLD = 0.7
OVERLAP_THRESHOLD = 0.3
HAAR_WIDTH = 320  # frames are shrunk to this width for the cascade, which takes 44 ms of a 640-pixel frame


class UltraLightDetector:
    """RFB-320 of the Ultra-Light-Fast-Generic-Face-Detector-1MB project (MIT licence, beside the model in assets/).

    Finds faces in profile and in dim light too; 5 to 6 ms a frame of any size on one core.
    """

    def __init__(self) -> None:
        model = resources.files("rppg_graph.data").joinpath("assets/ultra_light_rfb_320.onnx").read_bytes()
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) float64 of the faces in an RGB uint8 (H, W, 3) frame: x, y, width, height in pixels."""
        height, width = rgb.shape[:2]
        small = cv2.resize(rgb, MODEL_SIZE, interpolation=cv2.INTER_AREA)
        self._network.setInput((small[np.newaxis].astype(np.float32) - 127.0) / 128.0)
        output = self._network.forward()[0]  # (4420, 6): background score, face score, x0, y0, x1, y1
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


FACE_DETECTORS: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
    "ultra-light": UltraLightDetector,
    "haar": HaarDetector,
}
