"""The networks that come with the package: packed, and measured on real and on new generated people.

    python benchmarks/weights.py pack runs/weights/stgnet_small stgnet-small-synth
    python benchmarks/weights.py evaluate ../shared/data/ubfc_rppg_mp4

`pack` writes a run's best checkpoint to rppg_graph/weights. `evaluate` runs `run.py eval` with every network there, POS
and CHROM on the real recordings and on new generated people of every preset, and writes results/weights_SET.json (the
metrics), results/weights_windows.csv (one row a window, with what the generator drew) and results/weights.json (stamp).
model_cards.py writes the cards from them.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

from harness import RESULTS, environment
from keep import keep

from rppg_graph import cli
from rppg_graph.checkpoint import load
from rppg_graph.cli.synthetic_mix import write_mix
from rppg_graph.config import SyntheticConfig
from rppg_graph.data.synthetic import PRESETS
from rppg_graph.data.synthetic.dataset import PARAMETERS_FILE
from rppg_graph.weights import FOLDER, SHIPPED, SUFFIX, write_weights

WORK = Path("runs/weights")
SUBJECTS, SECONDS, SEED = 12, 11.0, 900  # of each preset's test set; no training set has these seeds
REAL = "UBFC-rPPG"
VIEWS = "corners"  # of the networks
COLUMNS = ("set", "method", "name", "error_bpm", "snr_db", "reference_bpm", "skin_tone", "exposure", "sway",
           "kbit_per_second")  # fmt: skip


def pack(run: Path, name: str) -> None:
    """A run's best checkpoint as a file of the package; like any video's, its crops need a face in half the frames."""
    checkpoint = load(run / "best.pt")
    checkpoint.config["data"]["crop"]["policy"] = "fail"
    path = FOLDER / f"{name}{SUFFIX}"
    write_weights(path, checkpoint)
    shutil.copy(run / "metrics.jsonl", RESULTS / f"training_{name}.jsonl")
    _write_stamp(f"training_{name}")
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


def evaluate(real: Path) -> None:
    """`run.py eval` on every set, and its windows in one table."""
    roots = {REAL: real}
    for number, preset in enumerate(PRESETS):
        roots[preset] = WORK / "test" / preset
        part = SyntheticConfig(preset=preset, subjects=SUBJECTS, seconds=SECONDS, seed=SEED + number)
        write_mix(roots[preset], [part])
    named = [word for name in SHIPPED for word in ("--weights", name)]
    rows = []
    for name, root in roots.items():
        out = WORK / "eval" / name
        command = ["eval", *named, "--method", "pos", "--method", "chrom", "--data", str(root), "--out", str(out)]
        command += ["--face-policy", "skip", "--views", VIEWS]
        if cli.main(command):
            raise SystemExit(f"run.py {' '.join(command)} failed")
        keep(out, f"weights_{name}", data=name)
        rows += _windows(name, root, out / "recordings.csv")
    with (RESULTS / "weights_windows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    _write_stamp("weights")


def _write_stamp(name: str) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(environment("cpu"), indent=1) + "\n", encoding="utf-8")


def _windows(name: str, root: Path, table: Path) -> list[dict]:
    drawn = {path.parent.name: json.loads(path.read_text()) for path in root.glob(f"*/{PARAMETERS_FILE}")}
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["span"] == "window"]
    return [drawn.get(row["name"], {}) | row | {"set": name} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("run", type=Path)
    packing.add_argument("name")
    commands.add_parser("evaluate").add_argument("real", type=Path)
    args = parser.parse_args()
    if args.command == "pack":
        pack(args.run, args.name)
    else:
        evaluate(args.real)


if __name__ == "__main__":
    main()
