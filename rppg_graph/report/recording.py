"""One recording as figures: waves, spectra and heart-rate tracks of every method beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import frames_in, is_constant, usable_band
from rppg_graph.pulse.heart_rate import CONTACT, WINDOW_SECONDS, HeartRateTrack, SpectrumReader, cut_windows, spectrum
from rppg_graph.pulse.measure import Measurement, Wave
from rppg_graph.pulse.protocols import Protocol
from rppg_graph.report.page import Figure
from rppg_graph.report.svg import KINDS, Plot, span_of

EXCERPT_SECONDS = 10.0
DEVIATIONS = 4.0  # of a standardised wave that are shown


@dataclass(frozen=True)
class Trace:
    """A pulse wave as it is drawn.

    ``wave`` (T,) filtered, NaN where there is none, or None where there is no wave at all; ``track`` its heart rate in
    windows; ``bpm`` that of the whole; ``interval_bpm`` (n,) half the 95 % interval of each window, if calibrated.
    """

    wave: np.ndarray | None
    fps: float
    track: HeartRateTrack | None
    bpm: float | None
    interval_bpm: np.ndarray | None = None


@dataclass(frozen=True)
class Compared:
    """One method's trace of a recording and the reference's on the same frames.

    ``reason``: why there is no wave; ``kind``: the CSS class of its lines.
    """

    method: str
    prediction: Trace
    reference: Trace | None
    reason: str | None = None
    kind: str = KINDS[0]


def compared(method: str, kind: str, wave: Wave, protocol: Protocol, row: Measurement) -> Compared:
    """Filter a prediction and its label as the protocol does, and track their heart rates."""
    prediction, reason = _trace(wave.prediction, wave, protocol, row.bpm, wave.reader)
    reference = None
    if wave.label is not None:
        reference, _ = _trace(wave.label, wave, protocol, row.reference_bpm, CONTACT)
    elif wave.label_bpm is not None:
        seconds = np.arange(len(wave.label_bpm)) / wave.fps
        unknown = np.full(len(seconds), np.nan)
        device = HeartRateTrack(seconds, np.asarray(wave.label_bpm, dtype=float), unknown, unknown, unknown)
        reference = Trace(None, wave.fps, device, row.reference_bpm)
    return Compared(method, prediction, reference, reason, kind)


def recording_figures(methods: Sequence[Compared], band_hz: tuple[float, float]) -> list[Figure]:
    """The four figures of a recording."""
    traces = [trace for m in methods for trace in (m.prediction, m.reference) if trace is not None]
    end = max(0.0 if trace.wave is None else len(trace.wave) / trace.fps for trace in traces)
    parts = []
    if end > EXCERPT_SECONDS:
        middle = end / 2
        excerpt = (middle - EXCERPT_SECONDS / 2, middle + EXCERPT_SECONDS / 2)
        parts.append(_waves(methods, excerpt, "The ten seconds in the middle of the recording"))
    parts.append(_waves(methods, (0.0, end or 1.0), "The whole recording"))
    return [*parts, _spectra(methods, band_hz), _tracks(methods, end or 1.0)]


def _trace(
    values: np.ndarray, wave: Wave, protocol: Protocol, bpm: float | None, reader: SpectrumReader
) -> tuple[Trace, str | None]:
    if not np.isfinite(values).all() or not len(values) or is_constant(values):
        return Trace(None, wave.fps, None, bpm), "the wave is empty, constant or not finite"
    try:
        filtered = protocol.prepare(np.cumsum(values) if wave.differenced else np.asarray(values, float), wave.fps)
        track = reader.track(filtered, wave.fps, band_hz=protocol.band_hz)
        return Trace(filtered, wave.fps, track, bpm), None
    except InputError as error:
        return Trace(None, wave.fps, None, bpm), str(error)


def _entries(methods: Sequence[Compared]) -> list[tuple[str, str]]:
    reference = [("ref", "reference")] if any(m.reference is not None for m in methods) else []
    return [*reference, *((m.kind, m.method) for m in methods)]


def _waves(methods: Sequence[Compared], span: tuple[float, float], what: str) -> Figure:
    lanes = []
    for method in methods:
        last = method is methods[-1]
        height = 190 if len(methods) == 1 else 100 + 32 * last
        plot = Plot(span, (-DEVIATIONS, DEVIATIONS), "time (s)" if last else "", "BVP (sd)", height)
        if method.reference is not None:
            _standardised(plot, method.reference, span, "ref")
        _standardised(plot, method.prediction, span, method.kind)
        if method.reason is not None:
            plot.note(f"no wave: {method.reason}")
        lanes.append(plot.svg(f"pulse wave by {method.method}"))
    unit = "in its standard deviations"
    if any(m.reference is not None for m in methods):
        unit = "over the reference, each in its own standard deviations"
    caption = (
        f"{what}: the filtered pulse wave {unit}. Every peak is a heart beat: look at "
        "the distance of the peaks; height and delay do not matter for the heart rate."
    )
    return Figure(Markup("").join(lanes), caption, _entries(methods))


def _standardised(plot: Plot, trace: Trace, span: tuple[float, float], kind: str) -> None:
    if trace.wave is None:
        return
    scaled = (trace.wave - np.nanmean(trace.wave)) / max(float(np.nanstd(trace.wave)), 1e-300)
    first, last = max(0, int(span[0] * trace.fps)), int(np.ceil(span[1] * trace.fps)) + 1
    shown = scaled[first:last]
    plot.line((first + np.arange(len(shown))) / trace.fps, shown, kind)


def _spectra(methods: Sequence[Compared], band_hz: tuple[float, float]) -> Figure:
    plot = Plot((60 * band_hz[0], 60 * band_hz[1]), (0.0, 1.08), "frequency (bpm)", "power (share of the peak)")
    reference = next((m.reference for m in methods if m.reference is not None), None)
    for kind, trace in [("ref", reference), *((m.kind, m.prediction) for m in methods)]:
        if trace is None:
            continue
        if trace.wave is not None:
            _mean_spectrum(plot, trace, band_hz, kind)
        if trace.bpm is not None:
            plot.mark(trace.bpm, kind)
    if not plot.inside:
        plot.note("no wave, so no spectrum")
    caption = (
        "Spectrum of the pulse wave, the mean of ten-second windows. A clean pulse is one sharp peak, with perhaps a "
        "lower one at twice its rate; dashed upright lines are the heart rates that count in the tables."
    )
    return Figure(plot.svg("spectra"), caption, _entries(methods))


def _mean_spectrum(plot: Plot, trace: Trace, band_hz: tuple[float, float], kind: str) -> None:
    wave = np.nan_to_num(trace.wave)
    length = min(len(wave), frames_in(WINDOW_SECONDS, trace.fps))
    try:
        low, high = usable_band(band_hz, trace.fps)
    except InputError:
        return
    frequencies, power, _ = spectrum(cut_windows(wave, length, max(1, round(trace.fps))), trace.fps, high)
    power = power[:, frequencies >= low]
    sums = power.sum(axis=1, keepdims=True)
    moving = sums[:, 0] > 1e-12 * sums.max()
    if power.size and moving.any():
        mean = (power[moving] / sums[moving]).mean(axis=0)
        plot.line(60 * frequencies[frequencies >= low], mean / mean.max(), kind)


def _tracks(methods: Sequence[Compared], end: float) -> Figure:
    reference = next((m.reference for m in methods if m.reference is not None), None)
    tracks = [trace.track for trace in (reference, *(m.prediction for m in methods)) if trace and trace.track]
    rates = [trace.bpm for trace in (reference, *(m.prediction for m in methods)) if trace and trace.bpm]
    plot = Plot((0.0, end), span_of(rates, *(t.bpm for t in tracks), least=10.0), "time (s)", "heart rate (bpm)")
    if reference is not None and reference.track is not None:
        plot.line(reference.track.seconds, reference.track.bpm, "ref")
    for method in methods:
        track = method.prediction.track
        if track is not None and len(track.seconds):
            calibrated = method.prediction.interval_bpm
            reach = 1.96 * track.uncertainty_bpm if calibrated is None else calibrated
            plot.band(track.seconds, track.bpm - reach, track.bpm + reach, method.kind)
            plot.line(track.seconds, track.bpm, method.kind)
            if len(track.seconds) < 3:
                plot.dots(track.seconds, track.bpm, method.kind)
    if not any(len(track.seconds) for track in tracks):
        plot.note("no window of ten seconds with a wave")
    band = (
        "The shaded band is ± 1.96 standard deviations by the noise beside the peak; a window in which noise makes the "
        "highest peak jumps, and no band tells of that."
    )
    if any(m.prediction.interval_bpm is not None for m in methods):
        band = "The shaded band held 95 % of the errors on validation recordings; a window without a line is a guess."
    caption = f"Heart rate of ten-second windows, each drawn at its middle. {band}"
    return Figure(plot.svg("heart rate over time"), caption, _entries(methods))
