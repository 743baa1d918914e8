"""Where in its beat a pulse wave is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import hilbert

from rppg_graph.pulse.filters import PULSE_BAND_HZ, bandpass, resample, usable_band


def pulse_phase(seconds: ArrayLike, pulse: ArrayLike, fps: float) -> np.ndarray:
    """The unwrapped phase of a pulse's fundamental, ``φ = arg(x + i·H[x])`` of the band-passed wave (H: Hilbert).

    Args:
        seconds: (T,) rising, of the samples.
        pulse: (T,) finite.
        fps: rate of the even clock on which it is filtered.

    Returns:
        (T,) float64 radians, rising by 2π with every beat.

    Raises:
        InputError: the wave is too short for the filter, or not finite.
    """
    grid, even = resample(seconds, pulse, fps)
    analytic = hilbert(bandpass(even, fps, *usable_band(PULSE_BAND_HZ, fps)))
    return np.interp(seconds, grid, np.unwrap(np.angle(analytic)))
