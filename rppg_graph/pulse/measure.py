"""One wave and its reference → the numbers of the recording or of each of its windows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import as_wave, check_fps, frames_in, is_constant
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO, HeartRate, SpectrumReader
from rppg_graph.pulse.metrics import Sample
from rppg_graph.pulse.protocols import HeartRateMeasure, Protocol, macc
from rppg_graph.pulse.uncertainty import deviation_bpm
from rppg_graph.pulse.votes import PooledSpectra


@dataclass(frozen=True)
class Wave:
    """A predicted pulse with its reference, both at the same evenly spaced frames.

    `prediction` (T,); `label` (T,), the reference pulse, or None; `label_bpm` (T,), a device's heart
    rate (NaN where it has none), used only without a label; `differenced`: prediction and label are frame differences;
    `samples` (S, T), predictions by Monte-Carlo dropout, None without it; `reader`: of the prediction's
    heart rates (a label's is `CONTACT`); `spectra`: where they are read, by the protocol `native` and its `fft`, if not
    in the prediction's own spectrum.

    Raises:
        InputError: lengths differ, a shape is not (T,), or fps is not above zero.
    """

    name: str
    subject: str
    prediction: np.ndarray
    label: np.ndarray | None
    fps: float
    differenced: bool = False
    label_bpm: np.ndarray | None = None
    samples: np.ndarray | None = None
    reader: SpectrumReader = VIDEO
    spectra: PooledSpectra | None = None

    def __post_init__(self) -> None:
        check_fps(self.fps)
        shape = np.shape(self.prediction)
        if len(shape) != 1:
            raise InputError(f"{self.name}: the prediction has shape {shape}; one wave, shape (T,), is needed")
        for what, values in (("label", self.label), ("heart-rate reference", self.label_bpm)):
            if values is not None and np.shape(values) != shape:
                raise InputError(
                    f"{self.name}: the prediction has {shape[0]} samples and the {what} has shape {np.shape(values)}: "
                    "put both on the same frames, or cut both to the frames they share"
                )
        if self.samples is not None and np.shape(self.samples)[1:] != shape:
            raise InputError(f"{self.name}: samples of shape {np.shape(self.samples)}; (S, {shape[0]}) is needed")


@dataclass(frozen=True)
class Measurement:
    """The numbers of one recording or one of its windows; None where the signal cannot carry one, `reason` says why.

    `mc_sd_bpm`: standard deviation of the heart rate over Monte-Carlo samples; None without them.
    """

    name: str
    subject: str
    start_seconds: float
    seconds: float
    reference_bpm: float | None = None
    bpm: float | None = None
    snr_db: float | None = None
    macc: float | None = None
    quality: float = 0.0
    uncertainty_bpm: float | None = None
    mc_sd_bpm: float | None = None
    at_band_edge: bool = False
    reference_at_band_edge: bool = False
    reason: str | None = None

    @property
    def error_bpm(self) -> float | None:
        """Predicted minus reference heart rate."""
        return None if self.bpm is None or self.reference_bpm is None else self.bpm - self.reference_bpm

    def to_dict(self) -> dict[str, object]:
        """The fields and the error, as JSON takes them."""
        return {**asdict(self), "error_bpm": self.error_bpm}

    def sample(self) -> Sample:
        """What it contributes to the metrics."""
        return Sample(self.subject, self.reference_bpm, self.bpm, self.snr_db, self.macc)


@dataclass(frozen=True)
class _Side:
    """A prediction or label ready to be measured: integrated, filtered where filtering comes first, or a reason."""

    wave: np.ndarray | None
    reason: str | None = None


def measure(
    wave: Wave, protocol: Protocol, method: str, window_seconds: float | None, step_seconds: float | None = None
) -> list[Measurement]:
    """The rows of one recording: one for the whole, or one for each window, side by side or every `step_seconds`."""
    length = len(wave.prediction) if window_seconds is None else max(1, frames_in(window_seconds, wave.fps))
    step = length if step_seconds is None else max(1, frames_in(step_seconds, wave.fps))
    first = protocol if protocol.windows_of_filtered else None
    samples = () if wave.samples is None else wave.samples
    whole = [
        _side(wave, wave.prediction, first, "prediction"),
        _side(wave, wave.label, first, "label"),
        *(_side(wave, sample, first, "sample") for sample in samples),
    ]
    rate = protocol.heart_rate_by(method)
    rows, frames, spans = [], len(wave.prediction), [(0, len(wave.prediction))]
    if window_seconds is not None:
        least = length if protocol.windows_of_filtered else protocol.least_window_frames
        ends = ((start, min(start + length, frames)) for start in range(0, frames, step))
        spans = [(start, end) for start, end in ends if end - start >= least]
    for start, end in spans:
        parts = [side if side.wave is None else _Side(side.wave[start:end]) for side in whole]
        prediction, label, *drawn = [part if first else _filtered(part, protocol, wave.fps) for part in parts]
        if prediction.wave is None:
            found = HeartRate(None, reason=prediction.reason)
        elif wave.spectra is not None and (protocol.name, method) == ("native", "fft"):
            found = wave.spectra.heart_rate(start / wave.fps, end / wave.fps)
        else:
            found = rate(prediction.wave, wave.fps, wave.reader)
        row = _row(wave, protocol, found, rate, start, end, prediction, label)
        rates = [rate(side.wave, wave.fps, wave.reader).bpm for side in drawn if side.wave is not None]
        rows.append(replace(row, mc_sd_bpm=deviation_bpm(rates)))
    return rows


def _side(wave: Wave, values: np.ndarray | None, protocol: Protocol | None, what: str) -> _Side:
    if values is None:
        return _Side(None, f"there is no {what}")
    try:
        signal = as_wave(values, f"the {what}")
    except InputError as error:
        return _Side(None, str(error))
    if is_constant(signal):
        return _Side(None, f"the {what} is constant")
    if wave.differenced:
        signal = np.cumsum(signal)
    return _filtered(_Side(signal), protocol, wave.fps) if protocol else _Side(signal)


def _filtered(side: _Side, protocol: Protocol, fps: float) -> _Side:
    if side.wave is None:
        return side
    if is_constant(side.wave):
        return _Side(None, "the wave is constant")
    try:
        return _Side(protocol.prepare(side.wave, fps))
    except InputError as error:
        return _Side(None, str(error))


def _row(
    wave: Wave, protocol: Protocol, found: HeartRate, rate: HeartRateMeasure,
    start: int, end: int, prediction: _Side, label: _Side,
) -> Measurement:  # fmt: skip
    reference = _reference(wave, rate, start, end, label)
    both = prediction.wave is not None and label.wave is not None
    has_snr = prediction.wave is not None and reference.bpm is not None
    return Measurement(
        name=wave.name,
        subject=wave.subject,
        start_seconds=start / wave.fps,
        seconds=(end - start) / wave.fps,
        reference_bpm=reference.bpm,
        bpm=found.bpm,
        snr_db=protocol.snr(prediction.wave, wave.fps, reference.bpm) if has_snr else None,
        macc=macc(prediction.wave, label.wave) if both else None,
        quality=found.quality,
        uncertainty_bpm=found.uncertainty_bpm,
        at_band_edge=found.at_band_edge,
        reference_at_band_edge=reference.at_band_edge,
        reason=found.reason or (f"no reference heart rate: {reference.reason}" if reference.reason else None),
    )


def _reference(wave: Wave, rate: HeartRateMeasure, start: int, end: int, label: _Side) -> HeartRate:
    if label.wave is not None:
        return rate(label.wave, wave.fps, CONTACT)
    if wave.label is not None or wave.label_bpm is None:
        return HeartRate(None, reason=label.reason)
    device = np.asarray(wave.label_bpm, dtype=np.float64)[start:end]
    device = device[np.isfinite(device) & (device > 0)]
    if not len(device):
        return HeartRate(None, reason="the device gave no heart rate here")
    return HeartRate(float(device.mean()))
