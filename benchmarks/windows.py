"""Errors in windows of ten seconds, from the table that weights.py writes; for the model cards and for README.md."""

from __future__ import annotations

from statistics import mean

from kept import csv_rows

from rppg_graph.pulse.metrics import Metric, Sample, paired_difference, summarise

CLOSE_BPM = 5.0
INTERVAL = "in brackets its 95 % interval by bootstrap over people"
Row = dict[str, str]


def read_windows() -> list[Row]:
    """The rows of weights_windows.csv that have an error."""
    return [row for row in csv_rows("weights_windows.csv") if row["error_bpm"]]


def errors() -> dict[tuple[str, str], list[Row]]:
    """(method, set) → its windows."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in read_windows():
        if row["method"] != "mean of training":
            grouped.setdefault((row["method"], row["set"]), []).append(row)
    return grouped


def _samples(rows: list[Row]) -> dict[tuple[str, str], Sample]:
    """By recording and reference, which tell a window; a person is one of a set."""
    found = {}
    for row in rows:
        reference, person = float(row["reference_bpm"]), f"{row['set']} {row['name']}"
        found[person, row["reference_bpm"]] = Sample(person, reference, reference + float(row["error_bpm"]))
    return found


def mae(rows: list[Row]) -> Metric:
    """Mean absolute error in bpm, with its 95 % interval by bootstrap over people, each with all of their windows."""
    return summarise(list(_samples(rows).values()))["MAE"]


def told_apart(found: dict[tuple[str, str], list[Row]], base: str) -> str:
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


def in_words(rows: list[Row]) -> tuple[str, str]:
    """Mean absolute error in bpm with its interval, and the share of windows within CLOSE_BPM, as text."""
    found, close = mae(rows), mean(abs(float(row["error_bpm"])) <= CLOSE_BPM for row in rows)
    interval = "" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{interval}", f"{close:.0%}"
