"""What a video's pulse came out as: in words, as JSON, as CSV, and as a report of one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rppg_graph.data.source import STANDARD_INPUT
from rppg_graph.files import csv_text
from rppg_graph.inference.judged import POOR, WIDEST_BPM
from rppg_graph.inference.methods import Method, network_of
from rppg_graph.inference.predict import Prediction, first_clip
from rppg_graph.pulse.filters import PULSE_BAND_HZ

if TYPE_CHECKING:
    from rppg_graph.report.graph_view import NetworkView


def answer(prediction: Prediction) -> str:
    """The heart rate and how sure it is, or why there is none, in one sentence."""
    p = prediction
    if p.rate.bpm is None:
        return f"No heart rate: {p.rate.reason}."
    poor = "; the signal is poor, so do not rely on it" * (p.rate.quality < POOR)
    sure = "" if p.verdict is None else f", right within 5 bpm with a probability of {p.verdict.probability:.0%}"
    return f"{p.rate.bpm:.0f}{_interval(p, 0)} beats a minute{sure}{poor}."


def _interval(p: Prediction, digits: int) -> str:
    known = p.interval_bpm is not None and p.interval_bpm <= WIDEST_BPM
    return f" ± {p.interval_bpm:.{digits}f}" if known else ""


def facts(prediction: Prediction) -> dict[str, str]:
    """What there is to say about a video's pulse, by name."""
    p = prediction
    track = p.track.bpm[np.isfinite(p.track.bpm)]
    rate = f"{p.rate.bpm:.1f} bpm" if p.rate.bpm is not None else f"none: {p.rate.reason}"
    sure = f"{_interval(p, 1)} bpm (95 %, empirical)" if _interval(p, 1) else ""
    edge = "  (at the edge of the band, so it may lie outside)" if p.rate.at_band_edge else ""
    told = {
        "heart rate": rate + sure + edge,
        **({} if p.verdict is None else {"certainty": f"{p.verdict.probability:.0%} that it is within 5 bpm"}),
        "range": f"{track.min():.1f} to {track.max():.1f} bpm in windows of 10 s" if len(track) else "in no window",
        "signal quality": f"{p.rate.quality:.2f} of 1{'  (poor: do not rely on it)' * (p.rate.quality < POOR)}",
        "face": f"in {p.frames_with_face} of {p.frames} frames ({p.frames_with_face / max(p.frames, 1):.0%})",
    }
    told |= beats_told(p.beat_to_beat)
    if p.spread is not None:
        sd = "none" if p.spread.sd_bpm is None else f"{p.spread.sd_bpm:.2f} bpm"
        variance = f"mean variance of the wave {np.nanmean(p.spread.variance):.3f}"
        told["Monte Carlo"] = f"sd of the heart rate {sd}, {variance} ({p.spread.samples} samples)"
    return told


BEATS = {  # of `pulse.hrv.beat_to_beat`: name, decimals, unit
    "mean_interval_ms": ("mean interval", 0, " ms"), "sdnn_ms": ("SDNN", 0, " ms"), "rmssd_ms": ("RMSSD", 0, " ms"),
    "pnn50_percent": ("pNN50", 0, " %"), "lf_ms2": ("LF", 0, " ms²"), "hf_ms2": ("HF", 0, " ms²"),
    "lf_hf": ("LF/HF", 2, ""),
}  # fmt: skip


def beats_told(found: dict[str, Any]) -> dict[str, str]:
    """Variability and breathing in words."""
    known = [f"{name} {found[key]:.{digits}f}{unit}" for key, (name, digits, unit) in BEATS.items()
             if found[key] is not None]  # fmt: skip
    reason = next((found["reasons"][key] for key in BEATS if found[key] is None), None)
    rest = [] if reason is None else [f"the rest {reason}" if known else f"none: {reason}"]
    breaths, why = found["breaths_per_minute"], found["reasons"].get("breaths_per_minute")
    return {
        "beat to beat": "; ".join([", ".join(known)] * bool(known) + rest),
        "breathing": f"none: {why}" if breaths is None else f"{breaths:.0f} a minute",
    }


def to_dict(name: str, prediction: Prediction) -> dict[str, Any]:
    """All numbers as JSON takes them; times in seconds, rates in beats per minute."""
    p = prediction
    return {
        "video": name,
        "method": p.method,
        "bpm": p.rate.bpm,
        "reason": p.rate.reason,
        "at_band_edge": p.rate.at_band_edge,
        "quality": p.rate.quality,
        "uncertainty_bpm": p.rate.uncertainty_bpm,
        "interval_bpm": p.interval_bpm,
        "judgement": None if p.verdict is None else asdict(p.verdict),
        "frames": p.frames,
        "frames_with_face": p.frames_with_face,
        "track": {
            "seconds": p.track.seconds.tolist(),
            "bpm": _nullable(p.track.bpm),
            "quality": p.track.quality.tolist(),
            **{name: _nullable(values) for name, (values, _) in _of_windows(p).items()},
        },
        "fps": p.fps,
        "beat_to_beat": p.beat_to_beat,
        "mc": None
        if p.spread is None
        else {
            "samples": p.spread.samples,
            "sd_bpm": p.spread.sd_bpm,
            "mean_variance": float(np.nanmean(p.spread.variance)),
        },
    }


def _of_windows(p: Prediction) -> dict[str, tuple[np.ndarray, int]]:
    """What is known of a window's certainty, by name, each with the decimals to show."""
    known = {"interval_bpm": (p.track_interval_bpm, 2), "sd_bpm": (p.spread and p.spread.track_sd_bpm, 3)}
    return {name: value for name, value in known.items() if value[0] is not None}


def row_of(name: str, prediction: Prediction | None, error: str | None, remarks: Sequence[str]) -> dict[str, Any]:
    """A video in one row of a table: its numbers, or the error that it failed with."""
    p = prediction
    row = {"video": name, "error": error, "remarks": "; ".join(remarks)}
    if p is None:
        return row
    return row | {
        "bpm": p.rate.bpm, "interval_bpm": p.interval_bpm, "probability": p.verdict and p.verdict.probability,
        "quality": p.rate.quality, "reason": p.rate.reason, "seconds": len(p.bvp) / p.fps, "frames": p.frames,
        "frames_with_face": p.frames_with_face, **{key: p.beat_to_beat[key] for key in (*BEATS, "breaths_per_minute")},
    }  # fmt: skip


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of `row_of` as CSV."""
    names = ["video", "bpm", "interval_bpm", "probability", "quality", "reason", "error", "seconds", "frames",
             "frames_with_face", *BEATS, "breaths_per_minute", "remarks"]  # fmt: skip
    rounded = [{key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()} for row in rows]
    return csv_text(rounded, names, end="\r\n")


def csv_of(prediction: Prediction) -> str:
    """One row a sample; heart rate, interval and deviation are those of the window whose centre is nearest."""
    p = prediction
    samples = {"bvp": (p.bvp, 6)} | ({} if p.spread is None else {"bvp_variance": (p.spread.variance, 6)})
    windows = {"bpm": (p.track.bpm, 2)} | _of_windows(p)
    rows = []
    for i, seconds in enumerate(p.seconds):
        at = np.abs(p.track.seconds - seconds).argmin() if len(p.track.bpm) else None
        found = {name: (values[i], digits) for name, (values, digits) in samples.items()}
        found |= {name: (np.nan if at is None else values[at], digits) for name, (values, digits) in windows.items()}
        cells = {name: "" if np.isnan(value) else f"{value:.{digits}f}" for name, (value, digits) in found.items()}
        rows.append({"seconds": f"{seconds:.4f}"} | cells)
    return csv_text(rows, ["seconds", *samples, *windows], end="\r\n")


def report_of(
    name: str, prediction: Prediction, remarks: Sequence[str] = (), network: NetworkView | None = None,
    face: np.ndarray | None = None,
) -> str:  # fmt: skip
    """The report of one video without a reference, as HTML: the answer, the picture, the rest.

    Args:
        name: of the video.
        remarks: what else a reader should know, one sentence each.
        network: what `report.graph_view.view_network` saw, where the method is a network.
        face: a face crop (S, S, 3) uint8 to be shown.
    """
    # Figures bring matplotlib, which the screen need not wait for.
    from rppg_graph.report.graph_figures import network_figures
    from rppg_graph.report.page import page, picture
    from rppg_graph.report.recording import Compared, Trace, recording_figures

    p = prediction
    against = p.verdict.reason if p.verdict is not None and p.rate.bpm is not None else None
    trace = Trace(p.bvp, p.fps, p.track, p.rate.bpm, p.track_interval_bpm)
    return page(
        "prediction.html", name=name, method=p.method, answer=answer(p), facts=facts(p),
        remarks=[*([f"against it: {against}"] if against else []), *remarks],
        drawn=recording_figures([Compared(p.method, trace, None)], PULSE_BAND_HZ),
        face=None if face is None else picture(face),
        networks={} if network is None else {p.method: network_figures(network)},
    )  # fmt: skip


def report_of_video(
    video: Path, prediction: Prediction, method: Method, remarks: Sequence[str], show_face: bool, **finding: Any
) -> str:
    """`report_of` with a look inside a network, which takes one clip, and a face, one crop, of the video's beginning.

    Args:
        finding: how the face was found, see `inference.predict.first_clip`.
    """
    from rppg_graph.data.clip_dataset import clip_tensor  # brings torch, which the screen need not wait for
    from rppg_graph.report.graph_view import view_network

    view, network = None, network_of(method)
    looked_at = (network is not None or show_face) and video != STANDARD_INPUT  # which is read once
    clip = first_clip(video, method, **finding) if looked_at else None
    if network is not None and clip is not None:
        view = view_network(network.model, clip_tensor(clip)[None], prediction.fps, show_face)
    face = clip[len(clip) // 2] if show_face and clip is not None else None
    return report_of(video.name, prediction, remarks, view, face)


def plot_of(path: Path, name: str, prediction: Prediction) -> None:
    """The wave and the heart rate over time of a video of that name, as PNG."""
    from rppg_graph.report.plots import plot_prediction  # brings matplotlib, which the screen need not wait for

    p = prediction
    plot_prediction(path, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, f"{name}: {p.method}")


def _nullable(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
