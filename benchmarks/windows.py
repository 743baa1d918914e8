"""Errors in windows of ten seconds, from the table that weights.py writes; for the model cards and for README.md."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean

from rppg_graph.pulse.metrics import Metric, Sample, paired_difference, summarise

CLOSE_BPM = 5.0
INTERVAL = "in brackets its 95 % interval by bootstrap over people"


def read_windows(results: Path, name: str = "weights") -> list[dict[str, str]]:
    """The rows of NAME_windows.csv that have an error."""
    with (results / f"{name}_windows.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["error_bpm"]]


def errors(results: Path, name: str = "weights") -> dict[tuple[str, str], list[dict[str, str]]]:
    """(method, set) → its windows in NAME_windows.csv."""
    grouped: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_windows(results, name):
        if row["method"] != "mean of training":
            grouped.setdefault((row["method"], row["set"]), []).append(row)
    return grouped


def _samples(rows: list[dict[str, str]]) -> dict[tuple[str, str], Sample]:
    """By recording and reference, which tell a window; a person is one of a set."""
    found = {}
    for row in rows:
        reference, error = float(row["reference_bpm"]), float(row["error_bpm"])
        person = f"{row['set']} {row['name']}"
        found[person, row["reference_bpm"]] = Sample(person, reference, reference + error)
    return found


def mae(rows: list[dict[str, str]]) -> Metric:
    """Mean absolute error in bpm, with its 95 % interval by bootstrap over people, each with all of their windows."""
    return summarise(list(_samples(rows).values()))["MAE"]


def told_apart(found: dict[tuple[str, str], list[dict[str, str]]], base: str) -> str:
    """Where the difference of a method's errors from the base's, on the same windows, has an interval without zero."""
    parts = []
    for method in dict.fromkeys(method for method, _ in found if method != base):
        signs: dict[str, list[str]] = {"less": [], "more": []}
        for name in [name for other, name in found if other == base]:
            first, second = _samples(found[base, name]), _samples(found[method, name])
            both = [window for window in first if window in second]
            difference = paired_difference([first[window] for window in both], [second[window] for window in both])
            if difference.low is not None and not difference.low <= 0 <= difference.high:
                signs["less" if difference.high < 0 else "more"].append(name)
        said = ", ".join(f"{sign} on {' and '.join(names)}" for sign, names in signs.items() if names)
        parts.append(f"{method}: {said or 'nowhere'}")
    return f"On the same windows, errs otherwise than {base} (95 % interval of the difference): {'; '.join(parts)}."


def accuracy(rows: list[dict[str, str]]) -> tuple[str, str]:
    """Mean absolute error in bpm with its interval, and the share of windows within CLOSE_BPM, as text."""
    found, close = mae(rows), mean(abs(float(row["error_bpm"])) <= CLOSE_BPM for row in rows)
    interval = "" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{interval}", f"{close:.0%}"
