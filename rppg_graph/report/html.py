"""The report as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.files import write_text
from rppg_graph.inference.evaluate import comparisons
from rppg_graph.pulse.evaluation import Evaluation
from rppg_graph.pulse.measure import Measurement, Wave
from rppg_graph.pulse.metrics import METRICS, Metric
from rppg_graph.report.agreement import bland_altman, correlation, signed
from rppg_graph.report.graph_figures import network_section
from rppg_graph.report.graph_view import NetworkView
from rppg_graph.report.page import COLOURS, figures, page, table
from rppg_graph.report.recording import compared, recording_figures
from rppg_graph.report.svg import text_of

NONE = "–"


def write_evaluation_report(
    path: Path, evaluations: Mapping[str, Evaluation], waves: Mapping[str, Sequence[Wave]],
    about: Mapping[str, Any], networks: Mapping[str, NetworkView] | None = None,
) -> None:  # fmt: skip
    """Write the report of methods evaluated on the same recordings.

    Args:
        path: the file.
        evaluations: by method, all of one protocol; the first one's errors decide which recordings are the worst.
        waves: by method, in the order of the evaluation's recordings; a method without waves is in the tables alone.
        about: what else to say at the top, by name (data, subjects, …).
        networks: what `report.graph_view.view_network` saw of the methods that are networks.
    """
    first = next(iter(evaluations.values()))
    facts = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in about.items())
    stamp = first.protocol.to_dict()
    protocol, (low, high) = stamp.pop("name"), stamp.pop("band_hz")
    settings = "; ".join(f"{what.replace('_', ' ')}: {value}" for what, value in stamp.items())
    how = f"Protocol {protocol}: band {low:g}–{high:g} Hz; {settings}. Heart rates by {first.method}."
    body = [
        "<h1>Pulse from face video: evaluation</h1>",
        f'<p class="quiet">{escape(facts)}</p>',
        f'<p class="quiet">{escape(how)}</p>',
        "<h2>Summary</h2>",
        *_summary(evaluations),
        "<h2>Agreement with the reference</h2>",
        *_agreement({name: evaluations[name] for name in waves}),
        "<h2>Recordings, worst first</h2>",
        *_recordings(evaluations, waves),
    ]
    for name, view in (networks or {}).items():
        body += [f"<h2>Inside {escape(name)}</h2>", network_section(view)]
    write_text(path, page("Pulse from face video: evaluation", body))


def _summary(evaluations: Mapping[str, Evaluation]) -> list[str]:
    first = next(iter(evaluations.values()))
    protocol, several = first.protocol.name, len(evaluations) > 1
    how = "Value ± standard error; below it the 95 % interval by bootstrap over subjects."
    parts = [
        _metrics_table("whole", f"Whole recordings, protocol {protocol}. {how}", evaluations, "metrics"),
    ]
    if first.window_metrics:
        caption = f"Windows of {first.window_seconds:g} s, protocol {protocol}. {how}"
        parts.append(_metrics_table("windows", caption, evaluations, "window_metrics"))
    if several:
        pairs = {
            f"{pair}, {what}": metric
            for pair, metrics in comparisons(evaluations).items()
            for what, metric in metrics.items()
        }
        rows = [[escape(pair), _metric(metric, signed), str(metric.n)] for pair, metric in pairs.items()]
        notes = [f"{pair}: {metric.reason}" for pair, metric in pairs.items() if metric.reason]
        caption = "Paired differences of the absolute error; below zero, the first one of the pair is better. " + how
        parts.append(table("differences", caption, ["pair", "difference (bpm)", "n"], rows, notes))
    return parts


def _metrics_table(identity: str, caption: str, evaluations: Mapping[str, Evaluation], which: str) -> str:
    head = ["method", *(f"{name} ({unit})" if unit else name for name, (unit, _) in METRICS.items()), "n"]
    rows, notes = [], []
    for method, evaluation in evaluations.items():
        metrics: dict[str, Metric] = getattr(evaluation, which)
        reasons = dict.fromkeys(metric.reason for metric in metrics.values() if metric.reason)
        rows.append([escape(method), *(_metric(metrics[name]) for name in METRICS), str(metrics["MAE"].n)])
        notes += [f"{method}: {'; '.join(reasons)}"] * bool(reasons)
    return table(identity, caption, head, rows, notes)


def _metric(metric: Metric, form: Callable[[float], str] = text_of) -> str:
    if metric.value is None:
        return NONE
    error = f" ± {metric.standard_error:.2f}" if metric.standard_error is not None else ""
    interval = f"<small>{form(metric.low)} to {form(metric.high)}</small>" if metric.low is not None else ""
    return f"{form(metric.value)}{error}{interval}"


def _agreement(evaluations: Mapping[str, Evaluation]) -> list[str]:
    parts = []
    for number, (name, evaluation) in enumerate(evaluations.items()):
        drawn = []
        for what, rows, metrics in (
            ("recordings", evaluation.recordings, evaluation.metrics),
            ("windows", evaluation.windows, evaluation.window_metrics),
        ):
            if rows:
                colour = number % COLOURS
                drawn += [
                    bland_altman(rows, what, name, colour), correlation(rows, metrics["r"], what, name, colour)
                ]  # fmt: skip
        parts += [f"<h3>{escape(name)}</h3>", figures(drawn)]
    return parts


def worst_first(rows: Sequence[Measurement]) -> list[int]:
    """Indices of recordings: those without an error first, then by falling absolute error."""
    sizes = [np.inf if row.error_bpm is None else abs(row.error_bpm) for row in rows]
    return sorted(range(len(rows)), key=lambda index: -sizes[index])


def _recordings(evaluations: Mapping[str, Evaluation], waves: Mapping[str, Sequence[Wave]]) -> list[str]:
    """The table of all recordings, and the figures of each."""
    drawn = {name: evaluations[name] for name in waves}
    first_name, first = next(iter(drawn.items()))
    order = worst_first(first.recordings)
    head = ["recording", "subject", "length (s)", "reference (bpm)"]
    head += [f"{name} (bpm)" for name in drawn]
    lines, notes, sections = [], [], []
    for place, index in enumerate(order):
        rows = {name: evaluation.recordings[index] for name, evaluation in drawn.items()}
        row = first.recordings[index]
        reference = NONE if row.reference_bpm is None else f"{row.reference_bpm:.1f}{'*' * row.reference_at_band_edge}"
        named = [f'<a href="#recording-{place}">{escape(row.name)}</a>', escape(row.subject), f"{row.seconds:.1f}"]
        lines.append([*named, reference, *(_rate(measured) for measured in rows.values())])
        reasons = {name: row.reason for name, row in rows.items() if row.reason}
        notes += [f"{row.name}, {name}: {reason}" for name, reason in reasons.items()]
        sections += _recording_section(place, index, rows, drawn, waves)
    caption = (
        f"Sorted by the error of {first_name}, without a heart rate first. Heart rate of the whole recording, with its "
        "error in brackets; * marks one at the edge of the band, where the true rate may lie outside."
    )
    return [table("recordings", caption, head, lines, notes), *sections]


def _rate(row: Measurement) -> str:
    if row.bpm is None:
        return NONE
    error = f" ({signed(row.error_bpm)})" if row.error_bpm is not None else ""
    return f"{row.bpm:.1f}{'*' * row.at_band_edge}{error}"


def _recording_section(
    place: int, index: int, rows: Mapping[str, Measurement], evaluations: Mapping[str, Evaluation],
    waves: Mapping[str, Sequence[Wave]],
) -> list[str]:  # fmt: skip
    protocol = next(iter(evaluations.values())).protocol
    methods = [
        compared(name, waves[name][index], protocol, row.bpm, row.reference_bpm) for name, row in rows.items()
    ]  # fmt: skip
    words = [f"{name}: {_in_words(row)}" for name, row in rows.items()]
    return [
        f'<h3 id="recording-{place}">{escape(next(iter(rows.values())).name)}</h3>',
        *(f'<p class="quiet">{escape(line)}</p>' for line in words),
        recording_figures(methods, protocol.band_hz),
    ]


def _in_words(row: Measurement) -> str:
    if row.bpm is None:
        return f"no heart rate, {row.reason}"
    parts = [f"{row.bpm:.1f} bpm"]
    if row.error_bpm is not None:
        parts.append(f"error {signed(row.error_bpm)} bpm")
    if row.snr_db is not None:
        parts.append(f"SNR {text_of(row.snr_db, '.1f')} dB")
    if row.macc is not None:
        parts.append(f"MACC {row.macc:.2f}")
    return ", ".join([*parts, f"signal quality {row.quality:.2f} of 1"])
