"""``run.py ablate``."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rppg_graph.data.recordings import find_recordings
from rppg_graph.experiments.estimate import duration, plan_text, states
from rppg_graph.experiments.measure import measured, prepare
from rppg_graph.experiments.own_process import in_own_process
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.results import Results, write_results
from rppg_graph.experiments.rows import append_row, failures, finished, head, identity, of_runs, read_rows
from rppg_graph.experiments.run import finish, fit_claimed
from rppg_graph.experiments.study import Study, chosen_runs, fingerprint, load_study, start_run, study_runs
from rppg_graph.files import claim, keep_apart
from rppg_graph.synthetic.mix import write_mix

EXAMPLES = """\
  run.py ablate configs/ablations/neighbours.yaml --dry-run      what would run, and how long it takes
  run.py ablate configs/ablations/neighbours.yaml                run what is missing, then tables and plots
  run.py ablate configs/ablations/neighbours.yaml --only k=2 k=4 some of its variants
  run.py ablate configs/ablations/neighbours.yaml --shard 2/8    the second of eight parts, as a job of an array

A run that is done is not done again, one that was stopped goes on: the same command after a stop ends the study. The
command may be started several times at once, on the same folders: each run is done by one of them. Runs are shared
between studies; a GPU is chosen with CUDA_VISIBLE_DEVICES."""
RUNS, RESULTS = Path("runs") / "ablations", Path("benchmarks/results")
ROWS, GRAPH = "rows.jsonl", "graph.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a YAML file of configs/ablations/")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="of the results (default: benchmarks/results/ablation_<study>)"
    )
    parser.add_argument("--runs", type=Path, metavar="FOLDER", default=RUNS, help=f"of the runs (default: {RUNS})")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="real recordings to measure every variant on as well")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="some of the variants")
    parser.add_argument("--shard", metavar="i/n", help="the i-th of n parts of the runs, counted from 1")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    parser.add_argument("--dry-run", action="store_true", help="list what would run and how long it takes")


def run(args: argparse.Namespace) -> int:
    study = load_study(args.study)
    runs = study_runs(study, args.runs)
    chosen = chosen_runs(runs, args.only, args.shard)
    if args.data is not None:
        find_recordings(args.data)
    evaluation = fingerprint(study.evaluation, *([] if args.data is None else [str(args.data.resolve())]))
    out = args.out or RESULTS / f"ablation_{args.study.stem}"
    if args.dry_run:
        print(plan_text(states(chosen, read_rows(out / ROWS), evaluation, args.retry), start_run(study, args.runs)))
        return 0
    keep_apart(out, args.data)
    out.mkdir(parents=True, exist_ok=True)
    missing = _missing(chosen, out, evaluation, args.retry)
    if missing:
        write_mix(missing[0].config.data.root, study.synthetic)
        prepare(missing, study.evaluation, args.data)
        if (start := start_run(study, args.runs)) is not None:
            in_own_process(fit_claimed, start)
    at_work = [each for each in missing if not _do(each, study, args.data, out, evaluation)]
    with claim(out / ".results.claim"):
        rows = read_rows(out / ROWS)
        failed = _failed(runs, rows, evaluation)
        graphs = of_runs(read_rows(out / GRAPH), runs, evaluation)
        write_results(out, Results(args.study.stem, study, of_runs(rows, runs, evaluation), graphs, failed))
    done = sum(len(found) for found in of_runs(rows, runs, evaluation).values())
    print(f"{out}: {done} of {len(runs)} runs done, {len(failed)} failed, {len(at_work)} at work in other processes")
    return 1 if failed else 0


def _missing(runs: Sequence[Run], out: Path, evaluation: str, retry: bool) -> list[Run]:
    rows = read_rows(out / ROWS)
    over = set(finished(rows)) | (set() if retry else set(failures(rows)))
    return [each for each in runs if identity(head(each, evaluation)) not in over]


def _failed(runs: Sequence[Run], rows: Sequence[dict], evaluation: str) -> list[dict]:
    found = failures(rows)
    keys = [identity(head(each, evaluation)) for each in runs]
    return [dict(found[key]) for key in keys if key in found]


def _do(each: Run, study: Study, real: Path | None, out: Path, evaluation: str) -> bool:
    """Do a run and add its row, with the reason if it failed; False where another process is at it."""
    name = f"{each.variant}, seed {each.seed}"
    identified = head(each, evaluation)
    measure = partial(measured, evaluation=study.evaluation, real=real)
    try:
        found = in_own_process(partial(finish, wait=False), each, measure, f"measured-{evaluation}.json")
    except Exception as error:  # whatever a variant stumbles over, the others go on
        reason = f"{type(error).__name__}: {error}"
        found = "".join(traceback.format_exception(error))  # the one of its process is in it
        append_row(out / ROWS, identified | {"failed": reason, "traceback": found})
        print(f"{name}: failed: {reason}", flush=True)
        return True
    if found is None:
        print(f"{name}: another process is at it", flush=True)
        return False
    append_row(out / GRAPH, identified | found["graph"])
    append_row(out / ROWS, identified | found["row"])
    mae, cost = (found["row"]["accuracy"] or {}).get("MAE"), found["row"]["cost"]
    seconds = cost["training_seconds"] + cost["measuring_seconds"]
    print(f"{name}: MAE {'–' if mae is None else f'{mae:.2f}'} bpm, {duration(seconds)}", flush=True)
    return True
