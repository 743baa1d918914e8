"""Keep a result of `run.py eval --out FOLDER` among the result files, with what it depends on.

    python benchmarks/keep.py runs/demo/eval demo

Writes results/NAME.json: the metrics of every method without the rows of single recordings, and the stamp.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness import RESULTS, environment

ROWS = ("recordings", "windows")


def keep(folder: Path, name: str, **changes: Any) -> None:
    """Write results/NAME.json from an evaluation's folder; ``changes`` replace keys of it."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for evaluation in results["methods"].values():
        for rows in ROWS:
            evaluation.pop(rows)
    results |= changes | {"stamp": environment("cpu")}
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    args = parser.parse_args()
    keep(args.folder, args.name)


if __name__ == "__main__":
    main()
