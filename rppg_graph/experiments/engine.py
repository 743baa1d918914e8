"""Runs → rows: each run is trained and measured in a process of its own, and a failure stops no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from rppg_graph.data.pool import do_all
from rppg_graph.experiments.estimate import duration
from rppg_graph.experiments.own_process import in_own_process
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.rows import head
from rppg_graph.experiments.run import finish
from rppg_graph.models.checkpoint import Checkpoint

Measure = Callable[[Run, Checkpoint], dict[str, Any]]


class Outcome(NamedTuple):
    """What came of a run: its row, or ``failed``, why there is none; neither where another process is at the run.

    ``further``: what was measured beside the row.
    """

    run: Run
    row: dict[str, Any] | None = None
    further: dict[str, Any] | None = None
    failed: dict[str, Any] | None = None

    def __str__(self) -> str:
        name = f"{self.run.variant}, seed {self.run.seed}"
        if self.failed is not None:
            return f"{name}: failed: {self.failed['failed']}"
        if self.row is None:
            return f"{name}: another process is at it"
        mae, cost = (self.row["accuracy"] or {}).get("MAE"), self.row["cost"]
        seconds = cost["training_seconds"] + cost["measuring_seconds"]
        return f"{name}: MAE {'–' if mae is None else f'{mae:.2f}'} bpm, {duration(seconds)}"


def outcomes(
    runs: Iterable[Run], measure: Measure, evaluation: str, calibrations: Sequence[str] = (), wait: bool = True
) -> Iterator[Outcome]:
    """Train and measure runs, one after the other where ``pool`` names no more; what is done is read from folders.

    Args:
        measure: figures of a trained network: ``row`` and whatever else there is.
        evaluation: stands for what ``measure`` does, see ``study.fingerprint``; another one measures anew.
        calibrations: what checkpoints are to know of the worth of their uncertainty, names of ``calibration.KINDS``.
        wait: for another process that is at a run.
    """
    file = f"measured-{evaluation}.json"
    work = partial(finish, measure=measure, file=file, calibrations=calibrations, wait=wait)
    for _, outcome in do_all(partial(_outcome, work, evaluation), runs, workers=1):
        yield outcome


def _outcome(work: Callable[[Run], dict[str, Any] | None], evaluation: str, run: Run) -> Outcome:
    identified = head(run, evaluation)
    try:
        found = in_own_process(work, run)
    except Exception as error:  # whatever a variant stumbles over, the others go on
        reason = f"{type(error).__name__}: {error}"
        traces = "".join(traceback.format_exception(error))  # the one of its process is in it
        return Outcome(run, failed=identified | {"failed": reason, "traceback": traces})
    row = None if found is None else identified | found.pop("row")
    return Outcome(run, row, found)
