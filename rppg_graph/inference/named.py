"""A method by its name, and a video read by it in one call."""

from __future__ import annotations

from pathlib import Path

from rppg_graph.errors import InputError
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.judged import by_calibration
from rppg_graph.inference.methods import BY_NAME, DEFAULT, InferenceOptions, Method
from rppg_graph.inference.predict import Prediction, predict_video
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.registry import nearest


def named_method(name: str | Path | None = None) -> Method:
    """What a face is read by.

    Args:
        name: one of ``BY_NAME``, a network that comes with the package, or the path of a
            checkpoint; None for what ``run.py predict`` takes without options.

    Raises:
        InputError: none of these, or a checkpoint that cannot be read.
    """
    return named(name)[0]


def predict(
    video: str | Path,
    method: str | Path | Method | None = None,
    *,
    face: int | None = None,
    face_policy: str = "fail",
    fps: float | None = None,
) -> Prediction:
    """The pulse of the face in a video file, as ``run.py predict`` reads it.

    Args:
        video: a file of any size, frame rate and length.
        method: a method, or a name of one for ``named_method``; None for the default.
        face: which face, counted from the left; None for the largest.
        face_policy: what to do without a face in half of the frames: "fail", "skip" or "full-frame".
        fps: the true frame rate, where the file's clock is wrong.

    Returns:
        ``rate.bpm`` is the heart rate in beats a minute, or None with ``rate.reason``; ``rate.quality`` is from 0 to 1;
        ``bvp`` (T,) is the wave at ``seconds`` (T,); ``track`` holds the heart rate of ten-second windows.

    Raises:
        InputError: no usable video, no face, a video shorter than the method needs, or an unknown method.
    """
    known = None
    if method is None or isinstance(method, str | Path):
        method, known = named(method)
    prediction = predict_video(Path(video), method, policy=face_policy, face=face, fps=fps)
    return prediction if known is None else by_calibration(prediction, known)


def named(name: str | Path | None) -> tuple[Method, Calibration | None]:
    """The method as by ``named_method``, and what is known about its uncertainty."""
    name = DEFAULT if name is None else name
    if name in BY_NAME:
        return BY_NAME[name](), None
    from rppg_graph.models.checkpoint import load  # brings PyG, three seconds that a formula need not wait
    from rppg_graph.models.weights import SHIPPED, load_weights

    if name not in SHIPPED and not Path(name).exists():
        raise InputError(f"no method and no checkpoint file {str(name)!r}{nearest(name, [*BY_NAME, *SHIPPED])}")
    checkpoint, reading = load_weights(name) if name in SHIPPED else load(Path(name)), InferenceOptions()
    return reading.of(checkpoint), calibration_for(checkpoint, reading)
