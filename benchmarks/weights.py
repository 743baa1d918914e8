"""The networks that come with the package: packed, measured, and described by a model card each.

    python benchmarks/weights.py pack runs/weights/stgnet_small stgnet-small-synth
    python benchmarks/weights.py evaluate ../shared/data/ubfc_rppg_mp4
    python benchmarks/weights.py cards

`pack` writes a run's best checkpoint to rppg_graph/weights. `evaluate` runs `run.py eval` with every network there, POS
and CHROM on the real recordings and on new generated people of every preset, and writes results/weights_SET.json (the
metrics), results/weights_windows.csv (one row a window, with what the generator drew) and results/weights.json (stamp).
`cards` writes the model cards from them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import shutil
from pathlib import Path
from statistics import mean

import yaml
from harness import RESULTS, environment

from rppg_graph import cli
from rppg_graph.checkpoint import load
from rppg_graph.cli.synthetic_mix import write_mix
from rppg_graph.config import SyntheticConfig
from rppg_graph.data.synthetic import PRESETS
from rppg_graph.data.synthetic.dataset import PARAMETERS_FILE
from rppg_graph.weights import FOLDER, SHIPPED, SUFFIX, read_weights, write_weights

WORK = Path("runs/weights")
SUBJECTS, SECONDS, SEED = 12, 11.0, 900  # of each preset's test set; no training set has these seeds
REAL = "UBFC-rPPG"
CLOSE_BPM = 5.0
COLUMNS = ("set", "method", "name", "error_bpm", "snr_db", "reference_bpm", "skin_tone", "exposure", "sway",
           "kbit_per_second")  # fmt: skip
# What the generator drew (of the heart rate, what the reference says), and where its range is cut in bands.
BANDS = {
    "reference_bpm": ("heart rate (bpm)", (40.0, 60.0, 80.0, 110.0, 180.0)),
    "skin_tone": ("skin tone (Monk scale)", (1.0, 4.0, 7.0, 10.0)),
    "exposure": ("brightness of the face (levels of 255)", (0.0, 85.0, 130.0, 255.0)),
    "sway": ("head motion (share of the frame's height)", (0.0, 0.02, 0.06, 1.0)),
    "kbit_per_second": ("bit rate of the video (kbit/s)", (0.0, 500.0, 3000.0, 1e9)),
}


def pack(run: Path, name: str) -> None:
    """A run's best checkpoint as a file of the package; like any video's, its crops need a face in half the frames."""
    checkpoint = load(run / "best.pt")
    checkpoint.config["data"]["crop"]["policy"] = "fail"
    path = FOLDER / f"{name}{SUFFIX}"
    write_weights(path, checkpoint)
    shutil.copy(run / "metrics.jsonl", RESULTS / f"training_{name}.jsonl")
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
        command += ["--face-policy", "skip"]
        if cli.main(command):
            raise SystemExit(f"run.py {' '.join(command)} failed")
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        for found in results["methods"].values():
            found.pop("recordings")
            found.pop("windows")
        results |= {"data": name, "stamp": environment("cpu")}
        (RESULTS / f"weights_{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        rows += _windows(name, root, out / "recordings.csv")
    with (RESULTS / "weights_windows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (RESULTS / "weights.json").write_text(json.dumps(environment("cpu"), indent=1) + "\n", encoding="utf-8")


def _windows(name: str, root: Path, table: Path) -> list[dict]:
    drawn = {path.parent.name: json.loads(path.read_text()) for path in root.glob(f"*/{PARAMETERS_FILE}")}
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["span"] == "window"]
    return [drawn.get(row["name"], {}) | row | {"set": name} for row in rows]


def cards() -> None:
    """The model cards, all figures from the result files."""
    with (RESULTS / "weights_windows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stamp = json.loads((RESULTS / "weights.json").read_text(encoding="utf-8"))
    for name, path in SHIPPED.items():
        path.with_suffix(".md").write_text(card(name, path, rows, stamp), encoding="utf-8")


def card(name: str, path: Path, rows: list[dict], stamp: dict) -> str:
    """One model card."""
    checkpoint = read_weights(path)
    config = checkpoint.config
    parameters = sum(value.numel() for value in checkpoint.model.parameters())
    people = "\n".join(
        f"| {part['preset']} | {part['subjects']} | {part['seconds']:g} |" for part in config["synthetic"]
    )
    train, size = config["train"], config["data"]["crop"]["size"]
    recipe = next(
        found
        for found in Path("configs/weights").glob("*.yaml")
        if yaml.safe_load(found.read_text())["model"] | {"options": config["model"]["options"]} == config["model"]
    )
    start = recipe.with_stem(f"{recipe.stem}_start")
    tables = [by_set(name, rows), *(by_band(name, key, rows) for key in BANDS)]
    return f"""# {name}

{config["model"]["name"]}, {parameters:,} parameters, on {config["data"]["clip_frames"]} frames of
{size} × {size} pixels at {checkpoint.fps:.3g} fps: a pulse wave from the crops of one face. Research use.
**Not a medical device**: do not diagnose, monitor or decide about health with it.

## Data and recipe

Trained on generated people alone, no real video and no real pulse, from a start on easy ones:

| preset | people | seconds each |
|---|---:|---:|
{people}

{train["steps"]:,} steps of {train["batch"]} clips, {train["precision"]}, {train["schedule"]} up to a learning rate
of {train["learning_rate"]:g}; the checkpoint with the lowest loss on generated validation people. The commands:

```
python run.py train {start} --out {WORK}/{start.stem}
python run.py train {recipe} --out {WORK}/{recipe.stem}
```

The second's curve is benchmarks/results/training_{name}.jsonl.

## Accuracy

In windows of ten seconds, by `python benchmarks/weights.py evaluate`. UBFC-rPPG: six recordings of real people,
strongly compressed; the presets: {SUBJECTS} new generated people each.

{(chr(10) * 2).join(tables)}

Commit {stamp["commit"]}, {stamp["versions"].split()[0]}, {stamp["device"]}, {stamp["date"]}.

## Limits

Faces the generator does not know (children, strong make-up, scars), lamps that flicker in the pulse's band, exercise,
and any rhythm that is not regular: atrial fibrillation has no place in its training. Where the signal quality is low,
it refuses or says so; believe that.
"""


def by_set(name: str, rows: list[dict]) -> str:
    """A line a set: the network beside POS."""
    lines = [
        f"| set | windows | MAE (bpm) | within {CLOSE_BPM:g} bpm | POS: MAE (bpm) | within {CLOSE_BPM:g} bpm |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for found in dict.fromkeys(row["set"] for row in rows):
        own, pos = (_errors(row for row in rows if (row["set"], row["method"]) == (found, m)) for m in (name, "pos"))
        lines.append(f"| {found} | {len(own)} | {_accuracy(own)} | {_accuracy(pos)} |")
    return "\n".join(lines)


def by_band(name: str, key: str, rows: list[dict]) -> str:
    """A line a band of what the generator drew, over all presets."""
    title, edges = BANDS[key]
    lines = [f"| {title} | windows | MAE (bpm) | within {CLOSE_BPM:g} bpm |", "|---|---:|---:|---:|"]
    for low, high in itertools.pairwise(edges):
        last = high == edges[-1]
        own = _errors(
            row for row in rows
            if row["method"] == name and row[key] and low <= float(row[key]) < high + last
        )  # fmt: skip
        band = f"{low:g} and more" if last else f"{low:g} to {high:g}"
        if own:
            lines.append(f"| {band} | {len(own)} | {_accuracy(own)} |")
    return "\n".join(lines)


def _errors(rows) -> list[float]:
    return [abs(float(row["error_bpm"])) for row in rows if row["error_bpm"]]


def _accuracy(errors: list[float]) -> str:
    close = mean(error <= CLOSE_BPM for error in errors)
    return f"{mean(errors):.2f} | {close:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("run", type=Path)
    packing.add_argument("name")
    commands.add_parser("evaluate").add_argument("real", type=Path)
    commands.add_parser("cards")
    args = parser.parse_args()
    if args.command == "pack":
        pack(args.run, args.name)
    elif args.command == "evaluate":
        evaluate(args.real)
    else:
        cards()


if __name__ == "__main__":
    main()
