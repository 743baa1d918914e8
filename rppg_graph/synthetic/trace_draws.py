"""The draws of simulated people: numbers from their ranges, and the waves and noise of it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Ranges = Mapping[str, tuple[float, float, str, str]]  # see `traces.RANGES`


class Draw:
    """Draws what ``ranges`` names, one value a person, and keeps it."""

    def __init__(self, rng: np.random.Generator, n: int, ranges: Ranges) -> None:
        self.rng, self.n, self.ranges, self.parameters = rng, n, ranges, {}

    def __call__(self, name: str) -> np.ndarray:
        """(n,) values; of a share, whether the person has it."""
        low, high, how, _ = self.ranges[name]
        if how == "share":
            value = (self.rng.random(self.n) < low).astype(np.float32)
        else:
            value = self.rng.uniform(*((np.log(low), np.log(high)) if how == "log" else (low, high)), self.n)
            value = np.exp(value) if how == "log" else value
        self.parameters[name] = value
        return value.astype(np.float32)

    def even(self, low: float, high: float, *shape: int) -> np.ndarray:
        """(n, *shape) between two numbers."""
        return self.rng.uniform(low, high, (self.n, *shape)).astype(np.float32)

    def normal(self, *shape: int) -> np.ndarray:
        """(n, *shape) of unit deviation."""
        return self.rng.standard_normal((self.n, *shape), dtype=np.float32)

    def chance(self, share: float, *shape: int) -> np.ndarray:
        """(n, *shape) of True for a share."""
        return self.rng.random((self.n, *shape)) < share

    def process(self, seconds: np.ndarray, low: float, high: float, series: int = 1) -> np.ndarray:
        """(n, series, T) of unit deviation in a band, from between two numbers to 1.2 to 4 times that."""
        start = np.exp(self.even(np.log(low), np.log(high), series, 1))
        return self._shaped(seconds, lambda hz: ((hz >= start) & (hz <= start * self.even(1.2, 4, series, 1))) + 1e-3)

    def drift(self, seconds: np.ndarray, series: int = 1) -> np.ndarray:
        """(n, series, T) of unit deviation, power falling with the frequency."""
        return self._shaped(seconds, lambda hz: np.maximum(hz, hz[1]) ** -self.even(0.8, 2, series, 1))

    def _shaped(self, seconds: np.ndarray, shape: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        frames = len(seconds)
        hz = np.fft.rfftfreq(2 * frames, seconds[1] - seconds[0]).astype(np.float32)  # twice as long: no wrap
        amplitude = shape(hz)
        spectrum = self.normal(*amplitude.shape[1:]) + 1j * self.normal(*amplitude.shape[1:])
        spectrum[..., 0] = 0
        wave = np.fft.irfft(spectrum * amplitude, axis=-1)[..., :frames].astype(np.float32)
        return wave / (wave.std(-1, keepdims=True) + 1e-9)
