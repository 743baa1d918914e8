"""Evaluations of several methods on the same recordings: the table, and the files of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.files import csv_text, write_json, write_text, write_whole
from rppg_graph.pulse.evaluation import Evaluation, compare
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.metrics import METRICS, Metric, summarise


def mean_predictor(evaluation: Evaluation, bpm: float) -> Evaluation:
    """The same recordings and windows, each predicted to have ``bpm``: what a network that has learnt nothing gets."""

    def rows(measured: list) -> list:
        nothing = {"snr_db": None, "macc": None, "quality": 0.0, "uncertainty_bpm": None, "mc_sd_bpm": None}
        return [replace(row, bpm=bpm, **nothing) for row in measured]

    recordings, windows = rows(evaluation.recordings), rows(evaluation.windows)
    return replace(
        evaluation,
        recordings=recordings,
        metrics=summarise([row.sample() for row in recordings]),
        windows=windows,
        window_metrics=summarise([row.sample() for row in windows]) if evaluation.window_metrics else {},
    )


def table(evaluations: Mapping[str, Evaluation], windows: bool = False) -> str:
    """One line a method: every metric ± its standard error, over whole recordings or over windows."""
    rows = [["method", *(f"{name} ({unit})" if unit else name for name, (unit, _) in METRICS.items()), "n"]]
    for method, evaluation in evaluations.items():
        metrics = evaluation.window_metrics if windows else evaluation.metrics
        rows.append([method, *(_cell(metrics[name]) for name in METRICS), str(metrics["MAE"].n)])
    return _aligned(rows)


def uncertainty_table(assessments: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a method: what its uncertainty is worth on the windows, see ``pulse.uncertainty.assess``."""
    rows = [["method", "certainty by", "area (bpm)", "oracle", "random", "inside 95 %", "calibrated", "refused", "n"]]
    for method, found in assessments.items():
        areas = [f"{found[name]:.2f}" for name in ("area_bpm", "area_oracle_bpm", "area_random_bpm")]
        shares = [found[name] for name in ("share_inside", "share_inside_calibrated", "refused")]
        percents = ["–" if share is None else f"{share:.0%}" for share in shares]
        rows.append([method, found["source"], *areas, *percents, str(found["windows"])])
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def comparisons(evaluations: Mapping[str, Evaluation]) -> dict[str, dict[str, Metric]]:
    """Paired differences of absolute errors from the first method, in bpm; below zero, the first is worse."""
    (first, base), *others = evaluations.items()
    return {f"{name} − {first}": compare(base, evaluation) for name, evaluation in others}


def comparison_lines(differences: Mapping[str, Mapping[str, Metric]]) -> list[str]:
    """The same in words, one line a pair."""
    lines = []
    for pair, metrics in differences.items():
        for what, metric in metrics.items():
            if metric.value is None:
                lines.append(f"{pair}, {what}: {metric.reason}")
                continue
            interval = f" (95 % {metric.low:+.2f} to {metric.high:+.2f})" if metric.low is not None else ""
            lines.append(f"{pair}, {what}: {metric.value:+.2f} bpm{interval}, n = {metric.n}")
    return lines


def write_results(
    folder: Path, evaluations: Mapping[str, Evaluation], waves: Mapping[str, Sequence[Wave]], about: dict[str, Any]
) -> None:
    """Write ``results.json``, ``recordings.csv`` and, for every method with waves, ``waves-METHOD.npz``.

    The ``.npz`` files are in the form that ``run.py score`` reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    differences = comparisons(evaluations)
    results = about | {
        "methods": {name: evaluation.to_dict() for name, evaluation in evaluations.items()},
        "differences": {k: {n: m.to_dict() for n, m in metrics.items()} for k, metrics in differences.items()},
    }
    write_json(folder / "results.json", results)
    rows = [
        {"method": name, "span": span, **row.to_dict()}
        for name, evaluation in evaluations.items()
        for span, measured in (("recording", evaluation.recordings), ("window", evaluation.windows))
        for row in measured
    ]
    write_text(folder / "recordings.csv", csv_text(rows, end="\r\n"))
    for name, method_waves in waves.items():
        write_whole(folder / f"waves-{name}.npz", lambda part, waves=method_waves: _write_waves(part, waves))


def _write_waves(path: Path, waves: Sequence[Wave]) -> None:
    arrays: dict[str, Any] = {"label_type": "Raw", "contact": all(wave.reader == CONTACT for wave in waves)}
    for wave in waves:
        if wave.label is not None:
            found = {"pred": wave.prediction, "label": wave.label, "fs": wave.fps}
            arrays |= {f"{wave.name}_{key}": value for key, value in found.items()}
    with path.open("wb") as file:  # of a name without .npz, numpy would make another
        np.savez_compressed(file, **arrays)


def _cell(metric: Metric) -> str:
    if metric.value is None:
        return "–"
    error = f" ± {metric.standard_error:.2f}" if metric.standard_error is not None else ""
    return f"{metric.value:.2f}{error}"
