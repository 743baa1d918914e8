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


def accuracy(rows: list[dict[str, str]]) -> tuple[str, str]:
    """Mean absolute error in bpm, and the share of windows within CLOSE_BPM, as text."""
    errors = [abs(float(row["error_bpm"])) for row in rows]
    return f"{mean(errors):.2f}", f"{mean(error <= CLOSE_BPM for error in errors):.0%}"
