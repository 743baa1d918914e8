"""The windows that a network sees a clip through; its prediction is the mean of the waves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CORNER = math.sqrt(0.8)  # side of a window in a corner: the least of what networks of crop_area (0.8, 1) are trained on
_FAR = 1 - CORNER
WHOLE = (0.0, 0.0, 1.0)

# Name → windows (top, left, side) in shares of the crop.
VIEWS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "whole": (WHOLE,),
    "corners": (WHOLE, *((top, left, CORNER) for top in (0.0, _FAR) for left in (0.0, _FAR))),
}


def seen(video: Tensor, views: str) -> Iterator[Tensor]:
    """The video (B, 3, T, H, W) through each window of a name of VIEWS, at its full size.

    Noise and compression fall on other patches in each, the pulse on all: the mean of the predicted waves has less of
    them (averaging over crops: Krizhevsky et al., NIPS 2012, section 4.1).
    """
    import torch  # the names of the views are known without it

    from rppg_graph.data.augment import look_through

    for window in VIEWS[views]:
        yield video if window == WHOLE else look_through(video, *map(torch.tensor, window))
