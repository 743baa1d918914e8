"""``run.py ablate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.experiments.ablate import RUNS, ablate

EXAMPLES = """\
  run.py ablate configs/ablations/neighbours.yaml --dry-run      what would run, and how long it takes
  run.py ablate configs/ablations/neighbours.yaml                run what is missing, then tables and plots
  run.py ablate configs/ablations/neighbours.yaml --only k=2 k=4 some of its variants
  run.py ablate configs/ablations/neighbours.yaml --shard 2/8    the second of eight parts, as a job of an array

A run that is done is not done again, one that was stopped goes on: the same command after a stop ends the study. The
command may be started several times at once, on the same folders: each run is done by one of them. Runs are shared
between studies; a GPU is chosen with CUDA_VISIBLE_DEVICES."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a YAML file of configs/ablations/")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for the results (default: benchmarks/results/ablation_<study>)"
    )
    parser.add_argument("--runs", type=Path, metavar="FOLDER", default=RUNS, help=f"for the runs (default: {RUNS})")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="real recordings to measure every variant on, too")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="only these variants")
    parser.add_argument("--shard", metavar="i/n", help="the i-th of n parts of the runs, counted from 1")
    parser.add_argument("--retry", action="store_true", help="run failed runs again")
    parser.add_argument("--dry-run", action="store_true", help="list what would run and how long it takes")


def run(args: argparse.Namespace) -> int:
    found = ablate(
        args.study, out=args.out, runs=args.runs, data=args.data,
        only=args.only, shard=args.shard, retry=args.retry, dry_run=args.dry_run,
    )  # fmt: skip
    print(found)
    return 1 if not args.dry_run and found.failed else 0
