"""Where the faces of one frame are: the detectors by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import cv2
import numpy as np

from rppg_graph.data.picture import Picture

MODEL_SIZE = (320, 240)  # width, height that the network was trained for
SCORE_THRESHOLD = 0.7
OVERLAP_THRESHOLD = 0.3
LOOK_LATER_SECONDS = 2.0
SURE_ODDS, BETTER_ODDS = 4.0, 2.0  # logarithms: on real faces the upright picture leads by 3 and more
TURNS = {1: "a quarter turn to the left", 2: "a half turn", 3: "a quarter turn to the right"}
HAAR_WIDTH = 320  # frames are shrunk to this width for the cascade, which takes 44 ms of a 640-pixel frame


class UltraLightDetector:
    """RFB-320 of the Ultra-Light-Fast-Generic-Face-Detector-1MB project (MIT licence, beside the model in assets/).

    Finds faces in profile and in dim light too; ONNX Runtime takes 2.5 ms a frame on one core, OpenCV's own 6.
    """

    seen_size = MODEL_SIZE  # width and height to which a frame is shrunk before it is looked at

    def __init__(self) -> None:
        import onnxruntime  # here, so that a machine that only trains can do without it

        model = resources.files("rppg_graph.data").joinpath("assets/ultra_light_rfb_320.onnx").read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._network.get_inputs()[0].name

    def _forward(self, rgb: np.ndarray) -> np.ndarray:
        """(4420, 6): background score, face score, x0, y0, x1, y1 in widths and heights of the frame."""
        small = cv2.resize(rgb, MODEL_SIZE, interpolation=cv2.INTER_AREA)
        return self._network.run(None, {self._input: (small[np.newaxis].astype(np.float32) - 127.0) / 128.0})[0][0]

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


def boxes_in(picture: Picture, detect: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Boxes (n, 4) of a picture's faces in its pixels; a detector that has a ``seen_size`` is shown no more of it."""
    if not hasattr(detect, "seen_size"):
        return detect(picture.rgb)
    (height, width), size = picture.shape[:2], detect.seen_size
    return detect(picture.shrunk(size)) * np.tile((width / size[0], height / size[1]), 2)


def _inset(boxes: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """The part of each box that landmarks would span, ear to ear and brow to chin, so that all detectors agree.

    The fractions were measured on frontal faces: the network's box begins at the hairline, the cascade's is wider
    than the face and ends at the lips.
    """
    x, y, w, h = boxes.T
    return np.stack([x + left * w, y + top * h, width * w, height * h], axis=1)


class TurnVote:
    """Whether the faces of a video stand better after a turn of the picture, by a look now and then.

    The first two are two seconds apart, and each after them two seconds more.

    Args:
        detector: one of FACE_DETECTORS, made; one that cannot weigh faces (`log_odds`) finds no turn.
    """

    def __init__(self, detector: Callable[[np.ndarray], np.ndarray]) -> None:
        self._log_odds = getattr(detector, "log_odds", None)
        self._looks: list[list[float]] = []
        self._due = -np.inf

    def look(self, seconds: float, picture: Picture) -> None:
        """Weigh a frame in all four positions where a look is due."""
        if self._log_odds is not None and seconds >= self._due:
            seen = [picture.shrunk(MODEL_SIZE), picture.shrunk(MODEL_SIZE[::-1])]
            turned = (np.ascontiguousarray(np.rot90(seen[turn % 2], turn)) for turn in range(4))
            self._looks.append([self._log_odds(rgb) for rgb in turned])
            self._due = seconds + LOOK_LATER_SECONDS * len(self._looks)

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
