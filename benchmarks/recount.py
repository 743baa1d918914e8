"""Count the multiply-accumulates of the networks anew, in every result that has them, without training anything.

    python benchmarks/recount.py

Builds the networks of bench_model.py and of the plans in configs/compare.yaml and configs/ablations whose results lie
in results/, and replaces their counts, and what follows from them, in each file of those; all else in them, times and
stamps included, stays. Then readme.py.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench_model import FRAMES, MODES, PROVIDERS
from harness import RESULTS
from report import STUDY
from tqdm import tqdm

from rppg_graph.experiments.compare import load_plan
from rppg_graph.experiments.cost import macs_per_frame
from rppg_graph.experiments.plan import Experiments, planned_runs
from rppg_graph.experiments.result_table import COST
from rppg_graph.experiments.study import load_study
from rppg_graph.files import csv_text, write_text
from rppg_graph.models import MODELS

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
KEY = "macs_per_frame"
COLUMN = next(column for column in COST if column.keys[-1] == KEY)


def counts(plan: Experiments) -> dict[str, float]:
    """Variant → multiply-accumulates a frame."""
    found = {}
    for run in tqdm(planned_runs(plan, Path("runs")), desc="counting", unit="run", leave=False):
        if run.variant not in found:
            model, data = run.config.model, run.config.data
            network = MODELS[model.name](**model.options)
            found[run.variant] = macs_per_frame(network, data.clip_frames, data.crop.size)
    return found


def in_markdown(text: str, found: dict[str, float]) -> str:
    """Tables with their counts replaced."""
    lines, at = text.split("\n"), None
    for number, line in enumerate(lines):
        cells = line.split(" | ")
        if not line.startswith("|"):
            at = None
        elif COLUMN.heading in cells:
            at = cells.index(COLUMN.heading)
        elif at is not None and (name := cells[0].removeprefix("| ")) in found:
            cells[at] = f"{found[name] * COLUMN.scale:{COLUMN.form}}"
            lines[number] = " | ".join(cells)
    return "\n".join(lines)


def in_csv(path: Path, found: dict[str, float]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row[f"cost_{KEY}"] and row["entry"] in found:
            row[f"cost_{KEY}"] = str(found[row["entry"]])
    write_text(path, csv_text(rows))


def rewrite(path: Path, found: dict[str, float]) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        path.write_text(in_markdown(text, found), encoding="utf-8")
    elif path.suffix == ".csv":
        in_csv(path, found)
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows:
            if "cost" in row:
                row["cost"][KEY] = found[row["variant"]]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        content = json.loads(text)
        for name, entries in content["entries"].items():
            for entry in entries:
                entry["cost"][KEY] = found[name]
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def rates_of_work(path: Path, macs: Callable[[str], float]) -> None:
    """The work a second in the JSON and CSV of bench_model.py, from the times that lie there."""
    document = json.loads(path.read_text(encoding="utf-8"))
    told = {}
    for row in document["rows"]:
        if row.get("gflop_per_s"):
            flop = 2 * MODES[row["mode"]][1] * row["batch"] * FRAMES * macs(row["provider"])
            found = flop / row["median_ms"] / 1e6
            row["of_ceiling"] *= found / row["gflop_per_s"]
            row["gflop_per_s"] = found
            told[row["provider"], row["mode"], str(row["batch"])] = row
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        new = told.get((row["provider"], row["mode"], row["batch"]))
        if new is not None:
            row |= {key: str(new[key]) for key in ("gflop_per_s", "of_ceiling")}
    write_text(path.with_suffix(".csv"), csv_text(rows))


@cache
def macs_of_provider(name: str) -> float:
    provider = PROVIDERS[name]
    return macs_per_frame(provider.model(), FRAMES, provider.size)


def main() -> None:
    found = counts(load_plan(CONFIGS / "compare.yaml"))
    for suffix in (".md", ".csv", ".json"):
        rewrite(RESULTS / f"compare{suffix}", found)
    for folder in sorted(RESULTS.glob(f"{STUDY}*")):
        found = counts(load_study(CONFIGS / "ablations" / f"{folder.name.removeprefix(STUDY)}.yaml"))
        for name in ("table.md", "table.csv", "rows.jsonl"):
            rewrite(folder / name, found)
    for path in sorted(RESULTS.glob("model_*.json")):
        rates_of_work(path, macs_of_provider)


if __name__ == "__main__":
    main()
