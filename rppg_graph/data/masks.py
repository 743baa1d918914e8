"""Which pixels of a crop count in its mean colour, as streams: frames in, mean colours out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

STEADY_SECONDS = 2.5  # on either side of a frame; at 30 fps 75 crops and 150 masks of 128 px, 6 MB


class MaskedMean:
    """Mean colours of crops, each pixel weighted by the share of frames around its own in which it was skin.

    A mask made anew for each frame follows motion, and flickers with a codec's noise; the mean of many does not
    flicker. A frame's colour is certain, and given, once a frame comes that is later by more than the reach.

    Args:
        reach_seconds: how far before and after a frame masks count; 0: the frame's own; None: every pixel.
    """

    def __init__(self, reach_seconds: float | None) -> None:
        self.reach = reach_seconds
        self._masks: deque[tuple[float, np.ndarray]] = deque()  # that the sum holds
        self._crops: deque[tuple[float, np.ndarray]] = deque()  # that wait for later masks
        self._sum: np.ndarray | None = None

    def push(self, seconds: float, crop: np.ndarray, skin: np.ndarray) -> list[np.ndarray]:
        """The colours (3,) that are certain with this frame, in the order of their frames.

        Args:
            crop: (S, S, 3) uint8.
            skin: (S, S) uint8, 255 where it is skin, else 0.
        """
        if not self.reach:
            return [np.array(cv2.mean(crop, None if self.reach is None else skin)[:3], np.float32)]
        certain = []
        while self._crops and self._crops[0][0] + self.reach < seconds:
            certain.append(self._next(self._crops.popleft(), self._masks, self._sum))
        mask = (skin > 0).view(np.uint8)
        self._sum = mask.astype(np.float32) if self._sum is None else np.add(self._sum, mask, out=self._sum)
        self._masks.append((seconds, mask))
        self._crops.append((seconds, crop))
        return certain

    def waiting(self) -> list[np.ndarray]:
        """The colours of the frames that are not certain yet, by the masks so far."""
        masks, total = self._masks.copy(), None if self._sum is None else self._sum.copy()
        return [self._next(waits, masks, total) for waits in self._crops]

    def finish(self) -> list[np.ndarray]:
        """The same colours for good: the next frame begins anew."""
        certain = self.waiting()
        self.__init__(self.reach)
        return certain

    def _next(self, waits: tuple[float, np.ndarray], masks: deque, total: np.ndarray) -> np.ndarray:
        """The colour of the next crop; masks that are too old for it leave `masks` and their `total`."""
        seconds, crop = waits
        while masks[0][0] < seconds - self.reach:
            total -= masks.popleft()[1]
        weights = total.ravel()
        return weights @ crop.reshape(-1, 3).astype(np.float32) / weights.sum()


MASKS: dict[str, Callable[[], MaskedMean]] = {
    "skin": partial(MaskedMean, 0.0),
    "steady": partial(MaskedMean, STEADY_SECONDS),
    "whole": partial(MaskedMean, None),
}
"""Name → a new stream: skin by each frame's own mask, by the mean of the masks around it, and the whole crop."""
