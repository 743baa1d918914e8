"""``run.py doctor``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.files import writable, write_json

EXAMPLES = "  run.py doctor\n  run.py doctor --json doctor.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to FILE as well")


def run(args: argparse.Namespace) -> None:
    from rppg_graph.experiments.environment import examine, next_step  # torch, which --help need not wait for

    writable(args.json)
    findings = examine()
    print("\n".join(f"{name:18} {value}" for name, value in findings["machine"].items()))
    print("\npackages")
    print("\n".join(f"  {name:16} {version or 'not installed'}" for name, version in findings["packages"].items()))
    print("\nKNN backends")
    print("\n".join(f"  {name:16} {state}" for name, state in findings["backends"].items()))
    print(f"\nnext: {next_step(findings)}")
    write_json(args.json, findings | {"next": next_step(findings)})
