"""One wave from the waves of overlapping clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


class HannMean:
    """The mean Σ w·v / Σ w of overlapping stretches of values, w a Hann taper: above zero at both ends of each.

    Dividing by Σ w makes the weights sum to 1 at every covered frame, whatever the strides. A frame that no stretch
    covers is NaN. Memory: two numbers a frame that is not forgotten; stretches may come as a stream.
    """

    def __init__(self) -> None:
        self.first_frame = 0
        self._sum = np.zeros(0)
        self._weight = np.zeros(0)
        self._length = 0

    def add(self, start_frame: int, values: np.ndarray) -> None:
        """Add the values (T,) of the stretch that starts at `start_frame`, none of which may be forgotten."""
        taper, place = hann_taper(len(values)), self._place(start_frame, len(values))
        self._sum[place] += taper * values
        self._weight[place] += taper

    def sum_at(self, start_frame: int, length: int) -> np.ndarray:
        """Σ w·v (length,) from `start_frame` on, 0 where no stretch was."""
        place = self._place(start_frame, length)
        return self._sum[place]

    def result(self) -> np.ndarray:
        """Return the mean (frames,) from `first_frame` on, so far; NaN where no stretch was."""
        weight = self._weight[: self._length]
        return np.divide(self._sum[: self._length], weight, out=np.full(self._length, np.nan), where=weight > 0)

    def forget(self, before_frame: int) -> None:
        """Give up the frames before `before_frame`, which becomes the first, and their memory."""
        count = before_frame - self.first_frame
        if count > 0:
            kept = slice(count, max(count, self._length))
            self._sum, self._weight = self._sum[kept].copy(), self._weight[kept].copy()
            self.first_frame, self._length = before_frame, len(self._sum)

    def _place(self, start_frame: int, length: int) -> slice:
        """Where the frames lie, with room made for them."""
        start = start_frame - self.first_frame
        if start < 0:
            raise ValueError(f"frame {start_frame} is before the first that is kept, {self.first_frame}")
        end = start + length
        if end > len(self._sum):
            # grown by doubling, so that a stream of clips costs linear time
            room = max(end, 2 * len(self._sum))
            self._sum = np.pad(self._sum, (0, room - len(self._sum)))
            self._weight = np.pad(self._weight, (0, room - len(self._weight)))
        self._length = max(self._length, end)
        return slice(start, end)


def unit_deviation(waves: np.ndarray) -> np.ndarray:
    """Waves (…, T) with zero mean and unit deviation, 0 where one is constant but for rounding."""
    deviation = waves.std(axis=-1, keepdims=True)
    varies = deviation > 1e-12 * np.abs(waves).max(axis=-1, keepdims=True)
    return np.where(varies, waves - waves.mean(axis=-1, keepdims=True), 0.0) / np.where(varies, deviation, 1.0)


def hann_taper(length: int) -> np.ndarray:
    """Hann taper (length,), above zero at both ends."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


class OverlapAdd:
    """Merge clip predictions, in the order of their frames, into one wave: Σ w·s·z / Σ w, without a seam.

    z is the clip's wave with zero mean and unit deviation (a network trained on a correlation leaves its scale open),
    s = ±1 the sign that agrees with what is already there, and w a Hann taper, see `HannMean`.
    """

    def __init__(self) -> None:
        self._mean = HannMean()

    def add(self, start_frame: int, wave: ArrayLike) -> None:
        """Add the wave (T,) of the clip that starts at `start_frame`.

        Raises:
            ValueError: the wave is empty, not one-dimensional or not finite, or the start is negative.
        """
        clip = np.asarray(wave, dtype=np.float64)
        if clip.ndim != 1 or not len(clip):
            raise ValueError(f"the clip at frame {start_frame} has shape {clip.shape}, wanted (T,) with T ≥ 1")
        if start_frame < 0:
            raise ValueError(f"a clip starts at frame {start_frame}; the first frame is 0")
        if not np.isfinite(clip).all():
            frame = start_frame + int(np.argmin(np.isfinite(clip)))
            raise ValueError(f"the prediction of the clip at frame {start_frame} is not finite at frame {frame}")
        clip = unit_deviation(clip)
        # Σ w·sum is the correlation with the merged wave wherever there is one, and 0 where there is none
        agreement = np.dot(hann_taper(len(clip)) * clip, self._mean.sum_at(start_frame, len(clip)))
        self._mean.add(start_frame, -clip if agreement < 0 else clip)

    @property
    def first_frame(self) -> int:
        """The first that is kept."""
        return self._mean.first_frame

    def result(self) -> np.ndarray:
        """Return the merged wave (frames,) so far, NaN where no clip was; it begins with the first frame kept."""
        return self._mean.result()

    def forget(self, before_frame: int) -> None:
        """Give up the frames before `before_frame`, see `HannMean.forget`."""
        self._mean.forget(before_frame)
