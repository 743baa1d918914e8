"""Mean colours of a face over time: what formulas, the map network and the evidence beside a wave read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

GRID = 8  # patches along a side of the crop; a grid of four is the mean of two by two of these


@dataclass(frozen=True)
class FaceTraces:
    """Mean colours of the F frames that have a face; RGB of 0 to 255, float32.

    Args:
        seconds: (F,) times of the frames, rising.
        masks: (F, 3) by name of the mask that says which pixels of the crop count; NaN where it holds none.
        patches: (F, GRID², 3) of the crop's patches, row by row from the top left.
        background: (F, Q, 3) of blocks of the frame outside of the face; None where only crops are there.
        boxes: (F, 4) x, y, width and height of the face's square in pixels of the upright frame; None likewise.
        key_frames: (F,) whether the codec coded the frame by itself; None where that is not known.
    """

    seconds: np.ndarray
    masks: Mapping[str, np.ndarray]
    patches: np.ndarray
    background: np.ndarray | None = None
    boxes: np.ndarray | None = None
    key_frames: np.ndarray | None = None
