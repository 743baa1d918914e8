"""The networks that come with the package: packed, and measured on real and on new generated people.

    python benchmarks/weights.py pack stgnet-small-synth
    python benchmarks/weights.py evaluate ../shared/data/ubfc_rppg_mp4
    python benchmarks/weights.py reproduce stgnet-small-synth --minutes 10
    python benchmarks/weights.py keep runs/demo/eval demo

A network has one config in configs/weights or several, each of which goes on from the run of another, or that of a pair
from two; their runs are runs/weights/CONFIG. `pack` calibrates the best checkpoint of the last on people as they sit in
front of a camera and writes it to rppg_graph/models/weights, and the learning curves of the runs there to
results/training_CONFIG.jsonl. `evaluate` runs `run.py eval` with every network of pictures there, alone and with POS
beside it, POS and CHROM on the real recordings and on new generated people of every preset, and writes
results/weights_SET.json (the metrics), results/weights_windows.csv (one row a window, with what the generator drew) and
results/weights.json (stamp). `reproduce` trains by a network's first config anew, for so long at most, and writes both
curves to results/reproduced_NAME.json. `keep` keeps the metrics of a `run.py eval` as results/NAME.json. model_cards.py
writes the cards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from joblib import Parallel, delayed
from kept import RESULTS, ROOT, csv_rows, environment, json_of, keep, where, write_document

from rppg_graph import cli
from rppg_graph.config import CropConfig, SyntheticConfig, read_mapping
from rppg_graph.data.prepared import cached_recordings, other_dataset
from rppg_graph.files import csv_text, write_text
from rppg_graph.inference.calibration import calibrate
from rppg_graph.inference.ensemble import NETWORK
from rppg_graph.models.checkpoint import load
from rppg_graph.models.weights import FOLDER, SHIPPED, SUFFIX, write_weights
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.synthetic import PRESETS
from rppg_graph.synthetic.dataset import PARAMETERS_FILE
from rppg_graph.synthetic.mix import write_mix
from rppg_graph.training.trainer import read_metrics

RECIPES = ROOT / "configs" / "weights"
EXAMPLE = "with data, model and train"
WORK = Path("runs/weights")
SUBJECTS, SECONDS, SEED = 12, 11.0, 900  # of each preset's test set; no training set has these seeds
# People to calibrate on, as they sit in front of a camera. Those in motion and in the dark may give clean waves of a
# wrong rate: a calibration on them would refuse nearly every real recording.
CALIBRATED_ON = [
    SyntheticConfig(preset=preset, subjects=3, seconds=16.0, seed=970 + number)
    for number, preset in enumerate(("easy", "office", "compressed", "still"))
]
REAL = "UBFC-rPPG"
FACELESS = {"dark": ["subject2"]}  # of each preset's test set: no stretch of face in it is as long as a clip
VIEWS, BESIDE = "corners", "pos"  # of the networks, which are measured alone too
COLUMNS = ("set", "method", "name", "error_bpm", "snr_db", "reference_bpm", "skin_tone", "exposure", "sway",
           "kbit_per_second")  # fmt: skip


def recipes(name: str) -> list[Path]:
    """The configs that a network is trained by, in turn; the last is that of its name."""
    return list(dict.fromkeys(_leading_to(RECIPES / f"{name.removesuffix('-synth').replace('-', '_')}.yaml")))


def _leading_to(recipe: Path) -> list[Path]:
    starts = read_mapping(recipe, EXAMPLE)["model"].get("start", [])
    starts = [starts] if isinstance(starts, str) else starts
    return [each for start in starts for each in _leading_to(RECIPES / f"{Path(start).parent.name}.yaml")] + [recipe]


def pack(name: str) -> None:
    """A trained network as a file of the package; like any video's, its crops need a face in half the frames."""
    runs = {recipe: WORK / recipe.stem for recipe in recipes(name)}
    checkpoint = load([*runs.values()][-1] / "best.safetensors")
    checkpoint.config["data"]["crop"]["policy"] = "fail"
    calibration = {}
    if not checkpoint.config["simulated"]:  # a map network speaks through the ensemble, which is judged as a whole
        root, crop = WORK / "calibration", CropConfig(size=checkpoint.config["data"]["crop"]["size"])
        write_mix(root, CALIBRATED_ON)
        calibration = calibrate(checkpoint, cached_recordings(other_dataset(root, None, crop)))
    path = FOLDER / f"{name}{SUFFIX}"
    write_weights(path, checkpoint._replace(calibration=calibration))
    for recipe, run in runs.items():
        if (run / "metrics.jsonl").exists():
            shutil.copy(run / "metrics.jsonl", curve(recipe))
    write_document(f"training_{name}.json", environment())
    print("\n".join(Calibration(**fields).summary() for fields in calibration.values()))
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


def reproduce(name: str, minutes: float) -> None:
    """The first training of a network again, for so many minutes at most, beside the curve that is on file."""
    recipe = recipes(name)[0]
    run = WORK / "reproduced" / recipe.stem
    shutil.rmtree(run, ignore_errors=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "run.py", "train", str(recipe), "--out", str(run)], timeout=60 * minutes)
    known = {row["step"]: row for row in map(json.loads, curve(recipe).read_text().splitlines())}
    losses = ("loss", "validation_loss")
    points = [
        {"step": row["step"]} | {loss: [known[row["step"]][loss], row[loss]] for loss in losses}
        for row in read_metrics(run)
    ]
    for point in points:
        told = (f"{loss} {point[loss][0]:.4f}, again {point[loss][1]:.4f}" for loss in losses)
        print(f"step {point['step']:5d}  {'  '.join(told)}")
    found = {"config": recipe.name, "minutes": minutes, "on file and again": points, "stamp": environment()}
    write_document(f"reproduced_{name}.json", found)


def curve(recipe: Path) -> Path:
    """Where the learning curve of a config is kept."""
    return RESULTS / f"training_{recipe.stem}.jsonl"


def sets_to_test(real: Path) -> dict[str, Path]:
    """The folders of the real recordings and of the people of every preset, who are generated if they are not there."""
    roots = {REAL: real}
    for number, preset in enumerate(PRESETS):
        roots[preset] = WORK / "test" / preset
        part = SyntheticConfig(preset=preset, subjects=SUBJECTS, seconds=SECONDS, seed=SEED + number)
        write_mix(roots[preset], [part])
    return roots


def evaluate(real: Path) -> None:
    """`run.py eval` on every set, and its windows in one table."""
    roots = sets_to_test(real)
    # a process of one thread for each set
    found = Parallel(os.cpu_count())(delayed(windows_of)(name, root) for name, root in roots.items())
    rows = [{column: row.get(column, "") for column in COLUMNS} for rows in found for row in rows]
    write_text(RESULTS / "weights_windows.csv", csv_text(rows))
    write_document("weights.json", environment())
    for name in roots:
        keep(WORK / "eval" / name, f"weights_{name}", data=name)


def windows_of(name: str, root: Path) -> list[dict]:
    """One row a window of every network and of POS and CHROM on a data set."""
    torch.set_num_threads(1)
    out = WORK / "eval" / name
    pictures = [network for network in SHIPPED if network != NETWORK]  # a map network is read as readings.py does it
    named = [word for network in pictures for word in ("--weights", network)]
    command = ["eval", *named, "--method", "pos", "--method", "chrom", "--data", str(root), "--out", str(out)]
    command += ["--face-policy", "skip", "--crop-views", VIEWS, "--ensemble-with", BESIDE]
    command += [word for recording in FACELESS.get(name, ()) for word in ("--leave-out", recording)]
    if cli.main(command):
        raise SystemExit(f"run.py {' '.join(command)} failed")
    drawn = {path.parent.name: json_of(path.resolve()) for path in root.glob(f"*/{PARAMETERS_FILE}")}
    rows = where(csv_rows((out / "recordings.csv").resolve()), span="window")
    return [drawn.get(row["name"], {}) | row | {"set": name} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for function, argument, kind in (
        (pack, "name", str), (reproduce, "name", str), (evaluate, "real", Path), (keep, "folder", Path),
    ):  # fmt: skip
        command = commands.add_parser(function.__name__)
        command.set_defaults(run=function)
        command.add_argument(argument, type=kind)
        if function is reproduce:
            command.add_argument("--minutes", type=float, default=10.0)
        if function is keep:
            command.add_argument("name")
    options = vars(parser.parse_args())
    options.pop("run")(**options)


if __name__ == "__main__":
    main()
