"""The named ways to turn a wave and its reference into errors; every result carries the name and settings of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.fft import irfft, rfft

from rppg_graph.pulse import toolbox
from rppg_graph.pulse.beats import heart_rate_by_peaks
from rppg_graph.pulse.filters import PULSE_BAND_HZ, bandpass, detrend, smoothness_for, usable_band
from rppg_graph.pulse.heart_rate import HeartRate, SpectrumReader
from rppg_graph.pulse.quality import snr_db
from rppg_graph.registry import choose

NATIVE_CUTOFF_HZ = 0.5

HeartRateMeasure = Callable[[np.ndarray, float, SpectrumReader], HeartRate]
"""(wave (T,), fps, reader of its spectrum) → its heart rate."""


@dataclass(frozen=True)
class Protocol:
    """How waves are filtered, cut into windows and measured.

    `prepare(wave, fps)` filters one wave; `heart_rates` holds one measure for each method; `snr(wave, fps, bpm)` is in
    dB. With `windows_of_filtered`, the whole recording is filtered and then cut, and a remainder shorter than a window
    is left out; without it each window is filtered by itself, the remainder included.
    """

    name: str
    settings: dict[str, object]
    band_hz: tuple[float, float]
    prepare: Callable[[np.ndarray, float], np.ndarray]
    heart_rates: dict[str, HeartRateMeasure]
    snr: Callable[[np.ndarray, float, float], float | None]
    windows_of_filtered: bool
    least_window_frames: int

    def heart_rate_by(self, method: str) -> HeartRateMeasure:
        """Return the measure of heart rate named `method`.

        Raises:
            InputError: there is no such method.
        """
        return choose("heart-rate method", self.heart_rates, method)

    def to_dict(self) -> dict[str, object]:
        """The stamp of a result: name, band in Hz and settings in words and numbers."""
        return {"name": self.name, "band_hz": list(self.band_hz), **self.settings}


def macc(prediction: np.ndarray, label: np.ndarray) -> float | None:
    """Maximum amplitude of cross-correlation: the largest |r| of a wave (T,) with its label (T,) over circular lags.

    None where one of them is constant. The last lag, T − 1, is left out, as in the field's tool.

    Source: Cho, Julier, Bianchi-Berthouze, "Instant stress", JMIR Mental Health 6(4), 2019.
    """
    first, second = prediction - prediction.mean(), label - label.mean()
    scale = len(first) * first.std() * second.std()
    if scale == 0:
        return None
    correlations = irfft(rfft(first) * np.conj(rfft(second)), len(first)) / scale
    return float(np.abs(correlations[: max(1, len(first) - 1)]).max())


def prepare_native(wave: np.ndarray, fps: float) -> np.ndarray:
    """Detrend at 0.5 Hz whatever the rate, and band-pass with order 2 in what of the band `fps` carries; zero phase."""
    trendless = detrend(wave, smoothness_for(NATIVE_CUTOFF_HZ, fps))
    return bandpass(trendless, fps, *usable_band(PULSE_BAND_HZ, fps), order=2)


def _toolbox(year: str, band_hz: tuple[float, float]) -> Protocol:
    return Protocol(
        name=f"toolbox-{year}",
        settings={
            "detrending": "smoothness priors, λ = 100 samples",
            "filter": "Butterworth of order 1, forward and backward",
            "heart_rate": "largest bin of the periodogram padded to a power of two, or mean distance of all maxima",
            "windows": "filtered one by one, the last one shorter",
        },
        band_hz=band_hz,
        prepare=partial(toolbox.prepare, band_hz=band_hz),
        heart_rates={
            "fft": lambda wave, fps, _: toolbox.fft_heart_rate(wave, fps, band_hz),
            "peak": lambda wave, fps, _: toolbox.peak_heart_rate(wave, fps, band_hz),
        },
        snr=partial(toolbox.snr, band_hz=band_hz),
        windows_of_filtered=False,
        least_window_frames=9,
    )


_NATIVE = Protocol(
    name="native",
    settings={
        "detrending": f"smoothness priors, half amplitude at {NATIVE_CUTOFF_HZ} Hz",
        "filter": "Butterworth of order 2, forward and backward",
        "heart_rate": "highest interpolated peak of f·P(f), P the mean spectrum of 10-s Hann windows "
        "(the overtones of a contact reference or a network need no third one); or regular beats",
        "windows": "cut from the filtered recording, whole ones only",
    },
    band_hz=PULSE_BAND_HZ,
    prepare=prepare_native,
    heart_rates={
        "fft": lambda wave, fps, reader: reader.heart_rate(wave, fps),
        "peak": lambda wave, fps, _: heart_rate_by_peaks(wave, fps),
    },
    snr=lambda wave, fps, bpm: snr_db(wave, fps, bpm, usable_band(PULSE_BAND_HZ, fps)),
    windows_of_filtered=True,
    least_window_frames=1,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (_NATIVE, _toolbox("2023", (0.75, 2.5)), _toolbox("2025", (0.6, 3.3)))
}
"""Name → protocol; `native` is the default everywhere."""
