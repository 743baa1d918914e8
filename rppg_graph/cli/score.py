"""``run.py score``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.files import writable, write_json
from rppg_graph.inference.evaluate import table
from rppg_graph.pulse.protocols import PROTOCOLS
from rppg_graph.pulse.score import score

EXAMPLES = """\
  run.py score waves.npz
  run.py score waves.npz --protocol toolbox-2025 --window 10 --json scores.json

waves.npz holds <name>_pred and <name>_label, whole (T,) or in chunks (n, T), the frame rates <name>_fs, or one fs for
all, and label_type: DiffNormalized (frame differences), Standardized or Raw. With contact: true as well, predictions
are read as a contact sensor's wave, as `run.py eval` reads those of networks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.npz", help="predicted and reference waves")
    parser.add_argument("--protocol", default="native", help=f"one of {', '.join(PROTOCOLS)} (default: native)")
    parser.add_argument("--heart-rate", default="fft", metavar="METHOD", help="fft (spectrum) or peak (beats)")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="measure windows of this length as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number to FILE")


def run(args: argparse.Namespace) -> None:
    writable(args.json, args.file)
    evaluation = score(args.file, args.protocol, args.window, args.heart_rate)
    name = args.file.stem
    print(f"protocol {args.protocol}, whole recordings (± standard error)\n{table({name: evaluation})}")
    if evaluation.windows:
        print(f"\nwindows of {args.window:g} s\n{table({name: evaluation}, windows=True)}")
    for row in evaluation.failed:
        print(f"{row.name} has no error: {row.reason}")
    write_json(args.json, evaluation.to_dict())
