"""Reading and checking the numbers of a reference: whatever is wrong is said with file, place and cure."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.recording import Reference
from rppg_graph.errors import InputError
from rppg_graph.files import refuse_lfs_pointer

SEVEN_BIT_JUMP, SEVEN_BIT_CLOSE = 40.0, 15.0  # bpm between neighbours: no heart jumps so far; what closes one
MOST_BYTES = 256 << 20  # of a label file: an oximeter of 500 Hz writes less in a day
LEAVE_OUT = "Restore the file from the dataset, or leave this recording out."


def read_text(path: Path) -> str:
    """The text of a label file (UTF-8, with or without a byte-order mark).

    Raises:
        InputError: it cannot be read or is not text.
    """
    refuse_lfs_pointer(path)
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"{path}: {size >> 20} MiB of text, and {MOST_BYTES >> 20} are read at most. {LEAVE_OUT}")
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
    seven_bits: bool = False,
) -> Reference:
    """A Reference whose numbers have been checked.

    Samples of the same time are averaged (noted). Heart rates that are not positive are the device's sign for "no
    reading" and become NaN.

    Args:
        place: names sample `index` for messages, e.g. "line 7".
        seven_bits: the heart rate is an oximeter's that goes on at 0 after 127 (Contec CMS50); see unwrap_seven_bits.

    Raises:
        InputError: fewer than two times, unequal lengths, a time that is not finite or runs backwards, a pulse that
            is not finite or never changes.
    """
    seconds = np.asarray(seconds, dtype=np.float64).reshape(-1)
    raised = 0
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
        rates = unwrap_seven_bits(columns["heart rate"]) if seven_bits else columns["heart rate"]
        raised = int((rates > columns["heart rate"]).sum())
        columns["heart rate"] = np.where(np.isfinite(rates) & (rates > 0), rates, np.nan)
    seconds, columns, notes = _merge_equal_times(seconds, columns)
    if raised:
        notes += (f"the device's heart rate goes on at 0 after 127; 128 was added to {raised} of {len(rates)} values",)
    if len(seconds) < 2:
        raise InputError(f"{path}: samples of {len(seconds)} times; a reference needs at least two. {LEAVE_OUT}")
    if "pulse" in columns and np.ptp(columns["pulse"]) == 0:
        raise InputError(
            f"{path}: the pulse is {columns['pulse'][0]:g} at all {len(seconds)} times; the sensor measured nothing. "
            f"Leave this recording out."
        )
    return Reference(seconds, columns.get("pulse"), columns.get("heart rate"), notes)


def unwrap_seven_bits(bpm: np.ndarray) -> np.ndarray:
    """Heart rates of a device that sends seven bits of them, with 128 added where it evidently went on at 0 after 127.

    That is a stretch whose end is by a jump to or from about 127, which 128 more would close, and that has more in it
    than the zeros of a device without a reading. A single value within a jump (the average of both of its sides, in
    labels that were resampled) becomes NaN.
    """
    bpm = np.where(np.isfinite(bpm), bpm, 0.0)
    pieces = np.split(np.arange(len(bpm)), np.flatnonzero(np.abs(np.diff(bpm)) > SEVEN_BIT_JUMP) + 1)
    longer = [piece for piece in pieces if len(piece) > 1]
    added = np.zeros_like(bpm)
    for before, piece, after in zip([None, *longer], longer, [*longer[1:], None], strict=False):
        ends = [(before[-2:], piece[0])] if before is not None else []
        ends += [(after[:2], piece[-1])] if after is not None else []
        closed = [abs(bpm[end] + 128 - bpm[beside].max()) < SEVEN_BIT_CLOSE for beside, end in ends]
        added[piece] = 128 * (any(closed) and bpm[piece].max() > 0)
    singles = [piece[0] for piece in pieces if len(piece) == 1]
    added[[i for i in singles if added[max(i - 1, 0) : i + 2].any()]] = np.nan
    return bpm + added


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
