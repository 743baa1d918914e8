"""Errors in windows of ten seconds, from the table that weights.py writes; for the model cards and for README.md."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean

CLOSE_BPM = 5.0


def read_windows(results: Path, name: str = "weights") -> list[dict[str, str]]:
    """The rows of NAME_windows.csv that have an error."""
    with (results / f"{name}_windows.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["error_bpm"]]


def errors(results: Path, name: str = "weights") -> dict[tuple[str, str], tuple[str, str, int]]:
    """(method, set) → MAE and share within CLOSE_BPM as text, and number, of the windows in NAME_windows.csv."""
    grouped: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_windows(results, name):
        if row["method"] != "mean of training":
            grouped.setdefault((row["method"], row["set"]), []).append(row)
    return {key: (*accuracy(rows), len(rows)) for key, rows in grouped.items()}


def accuracy(rows: list[dict[str, str]]) -> tuple[str, str]:
    """Mean absolute error in bpm, and the share of windows within CLOSE_BPM, as text."""
    errors = [abs(float(row["error_bpm"])) for row in rows]
    return f"{mean(errors):.2f}", f"{mean(error <= CLOSE_BPM for error in errors):.0%}"
