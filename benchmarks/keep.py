"""Keep a result of `run.py eval --out FOLDER` among the result files, with what it depends on.

    python benchmarks/keep.py runs/demo/eval demo

Writes results/NAME.json: the metrics of every method without the rows of single recordings, and the stamp.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness import RESULTS, environment

ROWS = ("recordings", "windows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    args = parser.parse_args()
    results = json.loads((args.folder / "results.json").read_text(encoding="utf-8"))
    for evaluation in results["methods"].values():
        for rows in ROWS:
            evaluation.pop(rows)
    results["stamp"] = environment("cpu")
    (RESULTS / f"{args.name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
