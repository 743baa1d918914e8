"""Studies of variants: what is missing is run, by one or several processes, then tables and plots are made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rppg_graph.data.recordings import find_recordings
from rppg_graph.experiments.engine import outcomes
from rppg_graph.experiments.estimate import plan_text, states
from rppg_graph.experiments.measure import measured, prepare
from rppg_graph.experiments.own_process import in_own_process
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.results import Results, write_results
from rppg_graph.experiments.rows import append_row, failures, finished, head, identity, of_runs, read_rows
from rppg_graph.experiments.run import fit_claimed
from rppg_graph.experiments.study import Study, chosen_runs, fingerprint, load_study, start_run, study_runs
from rppg_graph.files import claim, keep_apart
from rppg_graph.synthetic.mix import write_mix

RUNS, RESULTS = Path("runs") / "ablations", Path("benchmarks/results")
ROWS, GRAPH = "rows.jsonl", "graph.jsonl"


class Ablated(NamedTuple):
    """How far a study is: how many of its runs there are, are done, failed, and are at work in other processes."""

    folder: Path
    runs: int
    done: int
    failed: int
    at_work: int

    def __str__(self) -> str:
        counts = f"{self.done} of {self.runs} runs done, {self.failed} failed"
        return f"{self.folder}: {counts}, {self.at_work} at work in other processes"


def ablate(
    file: Path, *, out: Path | None = None, runs: Path = RUNS, data: Path | None = None,
    only: Sequence[str] | None = None, shard: str | None = None, retry: bool = False, dry_run: bool = False,
) -> Ablated | str:  # fmt: skip
    """Run what is missing of a study, and make its tables and plots of all that is done.

    Args:
        file: of the study, see ``study.Study``.
        out: folder of the results; None for ``benchmarks/results/ablation_<study>``.
        runs: folder of the runs, which studies share.
        data: real recordings to measure every variant on as well.
        only: names of variants, None for all.
        shard: ``i/n``, the i-th of n parts of the runs; None for all.
        retry: run again what failed.
        dry_run: do nothing, and return what would be run and how long it takes.

    Raises:
        InputError: what ``load_study`` and ``chosen_runs`` refuse, or a folder without recordings.
    """
    study = load_study(file)
    every = study_runs(study, runs)
    chosen = chosen_runs(every, only, shard)
    if data is not None:
        find_recordings(data)
    evaluation = fingerprint(study.evaluation, *([] if data is None else [str(data.resolve())]))
    out = out or RESULTS / f"ablation_{file.stem}"
    rows = read_rows(out / ROWS)
    if dry_run:
        return plan_text(states(chosen, rows, evaluation, retry), start_run(study, runs))
    keep_apart(out, data)
    out.mkdir(parents=True, exist_ok=True)
    over = {*finished(rows), *(() if retry else failures(rows))}
    missing = [run for run in chosen if identity(head(run, evaluation)) not in over]
    if missing:
        if study.synthetic:
            write_mix(missing[0].config.data.root, study.synthetic)
        prepare(missing, study.evaluation, data)
        if (start := start_run(study, runs)) is not None:
            in_own_process(fit_claimed, start)
    at_work = 0
    for found in outcomes(missing, partial(measured, evaluation=study.evaluation, real=data), evaluation, wait=False):
        if found.row is not None:
            append_row(out / GRAPH, head(found.run, evaluation) | found.further["graph"])
        if (row := found.row or found.failed) is not None:
            append_row(out / ROWS, row)
        at_work += row is None
        print(found, flush=True)
    with claim(out / ".results.claim"):
        results = _results(out, file.stem, study, every, evaluation)
        write_results(out, results)
    return Ablated(out, len(every), sum(map(len, results.rows.values())), len(results.failed), at_work)


def _results(folder: Path, name: str, study: Study, runs: Sequence[Run], evaluation: str) -> Results:
    """All that is done of a study, and what failed and was not mended, as the files of its rows have it."""
    rows = read_rows(folder / ROWS)
    broken = failures(rows)
    failed = [broken[key] for run in runs if (key := identity(head(run, evaluation))) in broken]
    graphs = of_runs(read_rows(folder / GRAPH), runs, evaluation)
    return Results(name, study, of_runs(rows, runs, evaluation), graphs, failed)
