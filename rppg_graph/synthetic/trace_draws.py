"""What a simulated person is drawn from: the range of every number, and the waves and noise of it all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Name → (low, high, how it is drawn, where from). "log": evenly over the logarithm; "share": probability of a person.
RANGES: dict[str, tuple[float, float, str, str]] = {
    "bpm": (38, 200, "even", "resting hearts to exercise; the search band is 36 to 216"),
    "drift_bpm": (-10, 10, "even", "over ten seconds; the UBFC-rPPG task changes rates by about as much"),
    "breathing_bpm": (0, 4, "even", "respiratory sinus arrhythmia, half its size; Task Force 1996"),
    "ectopic": (0.05, 0.05, "share", "a beat that comes too early; seen in a few percent of healthy people"),
    "pulse": (2.5e-4, 1e-2, "log", "relative, in green; 0.005 at most for a webcam, de Haan and Jeanne 2013"),
    "delay_seconds": (0, 0.06, "even", "between regions of one face; Kamshilin et al. 2015"),
    "light": (1e-4, 1e-2, "log", "slow changes of light and exposure, 1/f"),
    "lamp": (1e-4, 2e-2, "log", "a lamp, a screen or mains flicker aliased into the band"),
    "lamp_share": (0.25, 0.25, "share", "of people under such a light"),
    "step": (0.01, 0.15, "log", "of exposure or white balance; webcams move in steps of about a tenth"),
    "step_share": (0.15, 0.15, "share", ""),
    "shift": (1e-3, 0.25, "log", "of the crop over the face in patches, after tracking"),
    "rhythm_share": (0.35, 0.35, "share", "of people who nod, chew, jog or sit in a car"),
    "shading": (1e-4, 1e-2, "log", "relative change of a patch as the head turns to the light"),
    "specular": (1e-5, 8e-3, "log", "gloss that comes and goes with the head, colour of the lamp"),
    "noise": (3e-4, 1.2e-2, "log", "of a patch's mean a frame; 1 % is a dim webcam"),
    "quantised": (1e-4, 2e-2, "log", "what a codec's coarse steps leave of a patch"),
    "coded_share": (0.75, 0.75, "share", "of people whose video went through a lossy codec"),
}


class Draw:
    """Draws what RANGES names, one value a person, and keeps it."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n, self.parameters = rng, n, {}

    def __call__(self, name: str) -> np.ndarray:
        """(n,) values; of a share, whether the person has it."""
        low, high, how, _ = RANGES[name]
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
