"""``run.py compare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.experiments.compare import compare

EXAMPLES = """\
  run.py compare configs/compare.yaml
  run.py compare configs/compare.yaml --runs runs/again --out again

A run that is done is not done again, one that was stopped goes on: the same command after a stop ends the table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a plan: base experiment, variants, seeds (configs/compare.yaml)")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="folder of the runs (default: runs/<config>)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write FILE.md, .csv and .json (default: benchmarks/results/<config>)"
    )


def run(args: argparse.Namespace) -> int:
    found = compare(args.config, runs=args.runs, out=args.out)
    print(f"{found.text}\n\n{found.out}: .md, .csv and .json")
    return 1 if found.failed else 0
