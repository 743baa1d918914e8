"""Videos one after the other: one that fails does not stop the rest."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rppg_graph.errors import InputError
from rppg_graph.inference.judged import by_calibration
from rppg_graph.inference.methods import Method
from rppg_graph.inference.predict import Prediction, predict_video
from rppg_graph.pulse.uncertainty import Calibration


@dataclass(frozen=True)
class Outcome:
    """What became of one video: a prediction with remarks, or the error that it failed with."""

    path: Path
    prediction: Prediction | None
    remarks: list[str]
    error: InputError | None = None


def predict_each(
    paths: Sequence[Path], method: Method, calibration: Calibration | None = None, **options: Any
) -> Iterator[Outcome]:
    """Predict each; a bar on the terminal tells how many are left and how long that takes.

    Args:
        calibration: of the method, where it has one.
        options: of `predict_video`.
    """
    for path in tqdm(paths, unit="video", disable=True if len(paths) == 1 else None, leave=False):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                prediction, error = predict_video(path, method, **options), None
            except (InputError, OSError) as failed:
                prediction, error = None, failed if isinstance(failed, InputError) else InputError(f"{path}: {failed}")
        if prediction is not None and calibration is not None:
            prediction = by_calibration(prediction, calibration)
        said, ours = (str(warning.message) for warning in caught), f"{path}: "  # not what other packages remark
        yield Outcome(path, prediction, [text.removeprefix(ours) for text in said if text.startswith(ours)], error)
