"""The report as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.files import write_text
from rppg_graph.inference.evaluate import comparisons
from rppg_graph.pulse.evaluation import Evaluation
from rppg_graph.pulse.measure import Measurement, Wave
from rppg_graph.pulse.metrics import METRICS, Metric
from rppg_graph.report.agreement import bland_altman, correlation, signed
from rppg_graph.report.graph_figures import network_figures
from rppg_graph.report.graph_view import NetworkView
from rppg_graph.report.page import Figure, Table, page
from rppg_graph.report.recording import compared, recording_figures
from rppg_graph.report.svg import KINDS, text_of

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
    drawn = {name: evaluations[name] for name in waves}
    kinds = dict(zip(drawn, cycle(KINDS), strict=False))
    recordings, sections = _recordings(drawn, waves, kinds)
    content = page(
        "evaluation.html", about=about, first=first, protocol=first.protocol, whole=_metrics(evaluations, "metrics"),
        windows=_metrics(evaluations, "window_metrics") if first.window_metrics else None,
        differences=_differences(evaluations) if len(evaluations) > 1 else None,
        agreement={name: _agreement(name, kinds[name], evaluation) for name, evaluation in drawn.items()},
        recordings=recordings, sections=sections,
        networks={name: network_figures(view) for name, view in (networks or {}).items()},
    )  # fmt: skip
    write_text(path, content)


def _metrics(evaluations: Mapping[str, Evaluation], which: str) -> Table:
    head = ["method", *(f"{name} ({unit})" if unit else name for name, (unit, _) in METRICS.items()), "n"]
    rows, notes = [], []
    for method, evaluation in evaluations.items():
        metrics: dict[str, Metric] = getattr(evaluation, which)
        reasons = dict.fromkeys(metric.reason for metric in metrics.values() if metric.reason)
        rows.append([method, *(_metric(metrics[name]) for name in METRICS), str(metrics["MAE"].n)])
        notes += [f"{method}: {'; '.join(reasons)}"] * bool(reasons)
    return Table(head, rows, notes)


def _differences(evaluations: Mapping[str, Evaluation]) -> Table:
    pairs = {
        f"{pair}, {what}": metric for pair, found in comparisons(evaluations).items() for what, metric in found.items()
    }
    rows = [[pair, _metric(metric, signed), str(metric.n)] for pair, metric in pairs.items()]
    notes = [f"{pair}: {metric.reason}" for pair, metric in pairs.items() if metric.reason]
    return Table(["pair", "difference (bpm)", "n"], rows, notes)


def _metric(metric: Metric, form: Callable[[float], str] = text_of) -> str | tuple[str, str]:
    if metric.value is None:
        return NONE
    error = f" ± {metric.standard_error:.2f}" if metric.standard_error is not None else ""
    text = f"{form(metric.value)}{error}"
    return text if metric.low is None else (text, f"{form(metric.low)} to {form(metric.high)}")


def _agreement(name: str, kind: str, found: Evaluation) -> list[Figure]:
    parts = ("recordings", found.recordings, found.metrics), ("windows", found.windows, found.window_metrics)
    return [
        figure for what, rows, metrics in parts if rows
        for figure in (bland_altman(rows, what, name, kind), correlation(rows, metrics["r"], what, name, kind))
    ]  # fmt: skip


def worst_first(rows: Sequence[Measurement]) -> list[int]:
    """Indices of recordings: those without an error first, then by falling absolute error."""
    sizes = [np.inf if row.error_bpm is None else abs(row.error_bpm) for row in rows]
    return sorted(range(len(rows)), key=lambda index: -sizes[index])


def _recordings(
    drawn: Mapping[str, Evaluation], waves: Mapping[str, Sequence[Wave]], kinds: Mapping[str, str]
) -> tuple[Table, list[tuple[str, list[str], list[Figure]]]]:
    """The table of all recordings; and of each its name, a line of words for each method, and its figures."""
    first = next(iter(drawn.values()))
    rows, notes, sections = [], [], []
    for index in worst_first(first.recordings):
        row, found = first.recordings[index], {name: evaluation.recordings[index] for name, evaluation in drawn.items()}
        reference = NONE if row.reference_bpm is None else f"{row.reference_bpm:.1f}{'*' * row.reference_at_band_edge}"
        rows.append([row.name, row.subject, f"{row.seconds:.1f}", reference, *map(_rate, found.values())])
        notes += [f"{row.name}, {name}: {own.reason}" for name, own in found.items() if own.reason]
        words = [f"{name}: {_in_words(own)}" for name, own in found.items()]
        methods = [compared(name, kinds[name], waves[name][index], first.protocol, own) for name, own in found.items()]
        sections.append((row.name, words, recording_figures(methods, first.protocol.band_hz)))
    head = ["recording", "subject", "length (s)", "reference (bpm)", *(f"{name} (bpm)" for name in drawn)]
    return Table(head, rows, notes), sections


def _rate(row: Measurement) -> str:
    if row.bpm is None:
        return NONE
    error = f" ({signed(row.error_bpm)})" if row.error_bpm is not None else ""
    return f"{row.bpm:.1f}{'*' * row.at_band_edge}{error}"


def _in_words(row: Measurement) -> str:
    if row.bpm is None:
        return f"no heart rate, {row.reason}"
    error = f", error {signed(row.error_bpm)} bpm" if row.error_bpm is not None else ""
    snr = f", SNR {text_of(row.snr_db, '.1f')} dB" if row.snr_db is not None else ""
    macc = f", MACC {row.macc:.2f}" if row.macc is not None else ""
    return f"{row.bpm:.1f} bpm{error}{snr}{macc}, signal quality {row.quality:.2f} of 1"
