"""Reading and checking the numbers of a reference: whatever is wrong is said with file, place and cure."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.recording import Reference
from rppg_graph.errors import InputError

LEAVE_OUT = "Restore the file from the dataset, or leave this recording out."


def read_text(path: Path) -> str:
    """The text of a label file (UTF-8, with or without a byte-order mark).

    Raises:
        InputError: it cannot be read or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}. {LEAVE_OUT}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not text. {LEAVE_OUT}") from error


def number(text: str, path: Path, place: str) -> float:
    """`text` as a float (NaN and infinities pass: make_reference judges them by column).

    Raises:
        InputError: it is not a number.
    """
    try:
        if "_" in text:  # Python alone reads 1_000 as a number
            raise ValueError
        return float(text)
    except ValueError as error:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise InputError(f"{path}: {place}: {shown!r} is not a number. {LEAVE_OUT}") from error


def read_csv(path: Path) -> list[list[str]]:
    """The rows of a comma-separated file, blank lines left out.

    Raises:
        InputError: it cannot be read, or is no CSV file.
    """
    text = read_text(path)
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file ({error}). {LEAVE_OUT}") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def sample_number(index: int) -> str:
    """How a place is named when a file has no rows or lines to speak of: "sample 12"."""
    return f"sample {index + 1}"


def make_reference(
    path: Path,
    seconds: Sequence[float] | np.ndarray,
    pulse: Sequence[float] | np.ndarray | None = None,
    bpm: Sequence[float] | np.ndarray | None = None,
    place: Callable[[int], str] = sample_number,
) -> Reference:
    """A Reference whose numbers have been checked.

    Samples of the same time are averaged (noted). Heart rates that are not positive are the device's sign for "no
    reading" and become NaN.

    Args:
        place: names sample `index` for messages, e.g. "line 7".

    Raises:
        InputError: fewer than two times, unequal lengths, a time that is not finite or runs backwards, a pulse that
            is not finite or never changes.
    """
    seconds = np.asarray(seconds, dtype=np.float64).reshape(-1)
    columns = {"pulse": pulse, "heart rate": bpm}
    columns = {k: np.asarray(v, dtype=np.float64).reshape(-1) for k, v in columns.items() if v is not None}
    for name, values in columns.items():
        if len(values) != len(seconds):
            raise InputError(f"{path}: {len(seconds)} times but {len(values)} values of {name}. {LEAVE_OUT}")
    _refuse_not_finite(path, "time", seconds, place)
    steps = np.diff(seconds)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise InputError(
            f"{path}: {place(at + 1)}: time runs backwards, from {seconds[at]:.3f} s to {seconds[at + 1]:.3f} s. "
            f"{LEAVE_OUT}"
        )
    if "pulse" in columns:
        _refuse_not_finite(path, "pulse", columns["pulse"], place)
    if "heart rate" in columns:
        rates = columns["heart rate"]
        columns["heart rate"] = np.where(np.isfinite(rates) & (rates > 0), rates, np.nan)
    seconds, columns, notes = _merge_equal_times(seconds, columns)
    if len(seconds) < 2:
        raise InputError(f"{path}: samples of {len(seconds)} times; a reference needs at least two. {LEAVE_OUT}")
    if "pulse" in columns and np.ptp(columns["pulse"]) == 0:
        raise InputError(
            f"{path}: the pulse is {columns['pulse'][0]:g} at all {len(seconds)} times; the sensor measured nothing. "
            f"Leave this recording out."
        )
    return Reference(seconds, columns.get("pulse"), columns.get("heart rate"), notes)


def _refuse_not_finite(path: Path, name: str, values: np.ndarray, place: Callable[[int], str]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"{path}: {place(at)}: the {name} is {values[at]}, not a finite number "
            f"({int(bad.sum())} of {len(values)} are not). {LEAVE_OUT}"
        )


def _merge_equal_times(
    seconds: np.ndarray, columns: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[str, ...]]:
    unique, group, counts = np.unique(seconds, return_inverse=True, return_counts=True)
    if len(unique) == len(seconds):
        return seconds, columns, ()
    # A NaN heart rate makes the mean of its group NaN: the device had no reading for that time.
    merged = {name: np.bincount(group, weights=values / counts[group]) for name, values in columns.items()}
    return unique, merged, (f"samples with the same time as another, averaged with it: {len(seconds) - len(unique)}",)


def uniform_seconds(samples: int, hz: float) -> np.ndarray:
    """(S,) times of samples taken at a constant rate from 0 on."""
    if not (math.isfinite(hz) and hz > 0):
        raise InputError(f"a sampling rate of {hz} Hz is impossible. {LEAVE_OUT}")
    return np.arange(samples, dtype=np.float64) / hz
