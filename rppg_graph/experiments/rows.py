"""Files of rows that only ever grow: one JSON object a line, one line a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rppg_graph.errors import InputError
from rppg_graph.experiments.plan import Run
from rppg_graph.files import claim

IDENTITY = ("variant", "seed", "run", "evaluation")  # rows that agree in these are of the same run


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, [] where there is none; a line that a stop cut off is passed over.

    Raises:
        InputError: a line that is JSON but no row.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not (isinstance(row, dict) and set(IDENTITY) <= set(row)):
            raise InputError(f"{path}, line {number} is no row of a study ({line[:60]}); take the line out")
        rows.append(row)
    return rows


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row at the end of the file, unless a finished row of the same run is there.

    Raises:
        InputError: the disk is full.
    """
    with claim(path.with_name(f".{path.name}.claim")):
        if identity(row) in finished(read_rows(path)):
            return
        cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" * cut_off + json.dumps(row, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"{path} could not be written: {error.strerror}; free some space and go on") from error


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in IDENTITY)


def finished(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """The rows of runs that did not fail, by their identity."""
    return {identity(row): row for row in rows if row.get("failed") is None}


def failures(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """The rows of runs that failed and did not succeed later, by their identity."""
    rows = list(rows)
    done = finished(rows)
    return {identity(row): row for row in rows if row.get("failed") is not None and identity(row) not in done}


def head(run: Run, evaluation: str) -> dict[str, Any]:
    """What says which run a row is of."""
    return dict(zip(IDENTITY, (run.variant, run.seed, run.folder.name, evaluation), strict=True))


def of_runs(
    rows: Iterable[Mapping[str, Any]], runs: Sequence[Run], evaluation: str
) -> dict[str, list[Mapping[str, Any]]]:
    """The finished rows of the runs, by variant, seeds in the order of the runs; variants without any are left out."""
    done = finished(rows)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for variant in dict.fromkeys(run.variant for run in runs):
        keys = [identity(head(run, evaluation)) for run in runs if run.variant == variant]
        if kept := [done[key] for key in keys if key in done]:
            found[variant] = kept
    return found
