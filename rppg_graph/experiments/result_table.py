"""Runs of several seeds → one row an entry, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rppg_graph.files import csv_text, write_text


class Spread(NamedTuple):
    """Mean and standard deviation over seeds of n values; the deviation is None for one value, both for none."""

    mean: float | None
    sd: float | None
    n: int


class Column(NamedTuple):
    """Heading, where the value is in a run (keys), how it is written, and what it is multiplied by."""

    heading: str
    keys: tuple[str, ...]
    form: str = ".2f"
    scale: float = 1.0


ACCURACY = (
    Column("MAE (bpm)", ("accuracy", "MAE")),
    Column("RMSE (bpm)", ("accuracy", "RMSE")),
    Column("r", ("accuracy", "r")),
    Column("SNR (dB)", ("accuracy", "SNR"), ".1f"),
)
COST = (
    Column("parameters", ("cost", "parameters"), ",.0f"),
    Column("MMAC a frame", ("cost", "macs_per_frame"), ".1f", 1e-6),
    Column("steps", ("cost", "steps"), ",.0f"),
    Column("training (s a step)", ("cost", "seconds_per_step")),
    Column("inference (ms a clip)", ("cost", "inference_ms"), ".0f"),
    Column("peak memory (MiB)", ("cost", "training_peak_mib"), ",.0f"),
)


def uncertainty_columns(source: str) -> tuple[Column, ...]:
    """What ``pulse.uncertainty.assess`` found of one source, ``mc`` or ``quality``."""
    place = ("uncertainty", source)
    shares = (("inside 95 % (%)", "share_inside"), ("calibrated (%)", "share_inside_calibrated"))
    return (
        Column("area (bpm)", (*place, "area_bpm")),
        Column("oracle", (*place, "area_oracle_bpm")),
        Column("random", (*place, "area_random_bpm")),
        *(Column(heading, (*place, key), ".0f", 100) for heading, key in shares),
        Column("refused (%)", (*place, "refused"), ".0f", 100),
        Column("MAE of the rest (bpm)", (*place, "error_kept_bpm")),
    )


def spread(runs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Spread:
    """Mean ± sd (n − 1) over the runs that have a value there."""
    found = [reduce(lambda tree, key: None if tree is None else tree.get(key), keys, run) for run in runs]
    values = [value for value in found if value is not None]
    if not values:
        return Spread(None, None, 0)
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None, len(values))


def markdown(entries: Mapping[str, Sequence[Mapping[str, Any]]], columns: Sequence[Column]) -> str:
    """A Markdown table, one row an entry; what no run has is a dash."""
    cells = {name: [cell(runs, column) for column in columns] for name, runs in entries.items()}
    return markdown_cells([column.heading for column in columns], cells)


def markdown_cells(headings: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table of cells that are text already, one named row after the other."""
    lines = [["", *headings], ["---", *["---:"] * len(headings)]]
    lines += [[name, *cells] for name, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_tables(
    stem: Path, text: str, entries: Mapping[str, Sequence[Mapping[str, Any]]], columns: Sequence[Column]
) -> None:
    """The files of a result: the page as ``.md``; as ``.csv`` a row an entry: means, deviations, seeds, unscaled."""
    write_text(stem.with_name(f"{stem.name}.md"), text + "\n")
    rows = []
    for entry, runs in entries.items():
        rows.append({"entry": entry})
        for name, keys in (("_".join(column.keys), column.keys) for column in columns):
            rows[-1] |= zip((name, f"{name}_sd", f"{name}_seeds"), spread(runs, keys), strict=True)
    write_text(stem.with_name(f"{stem.name}.csv"), csv_text(rows))


def cell(runs: Sequence[Mapping[str, Any]], column: Column) -> str:
    """Mean ± sd over the runs that have the value, and how many those are if not all; a dash where none has it."""
    mean, sd, n = spread(runs, column.keys)
    if mean is None:
        return "–"
    deviation = "" if not sd else f" ± {column.scale * sd:{column.form}}"
    return f"{column.scale * mean:{column.form}}{deviation}" + (f" ({n} of {len(runs)})" if n < len(runs) else "")
