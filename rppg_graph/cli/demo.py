"""``run.py demo``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rppg_graph import cli
from rppg_graph.errors import InputError
from rppg_graph.models.checkpoint import BEST, is_begun

EXAMPLES = "  run.py demo runs/demo"
CONFIG = Path("configs/demo.yaml")
SUBJECTS, SECONDS, UNSEEN_SEED = 30, 14, 1001


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/demo"), help="folder (default: runs/demo)")


def run(args: argparse.Namespace) -> None:
    """Run the commands that a user would type, and skip the steps whose result is there."""
    if not CONFIG.exists():
        raise InputError(f"the demo needs {CONFIG}; run it in a checkout of the project")
    out, started = args.out, time.perf_counter()
    data, unseen, train = out / "data", out / "unseen", out / "train"
    best, video = train / BEST, unseen / "subject1" / "vid.mp4"
    steps: list[tuple[str, list[str], Path]] = [
        (f"{SUBJECTS} synthetic people, {SECONDS} s each",
         ["synth", str(data), "--subjects", str(SUBJECTS), "--seconds", str(SECONDS)], data),
        ("a person of another seed, for the end",
         ["synth", str(unseen), "--subjects", "1", "--seconds", "20", "--seed", str(UNSEEN_SEED)], unseen),
        ("train STGNet (preset stgnet_small: crops of 32 px)",
         ["train", str(CONFIG), "--out", str(train), f"data.root={data}"], train / "loss.png"),
        ("evaluate on subjects that training never saw",
         ["eval", str(best), "--method", "pos", "--out", str(out / "eval")], Path()),
        ("predict on a video that nothing ever saw",
         ["predict", str(video), "--checkpoint", str(best), "--plot", str(out / "predict.png"),
          "--json", str(out / "predict.json")], Path()),
    ]  # fmt: skip
    for number, (title, command, result) in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {title}\n$ run.py {' '.join(command)}", flush=True)
        if result != Path() and result.exists():
            print(f"{result} is there already")
            continue
        if command[0] == "train" and is_begun(train):
            command = ["train", "--resume", str(train)]
        code = cli.main(command)
        if code:
            raise InputError(f"step {number} of the demo ended with exit code {code}")
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Plots: {train / 'loss.png'}, {out / 'predict.png'}")
