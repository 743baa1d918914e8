"""``run.py eval``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rppg_graph.cli import chosen_method
from rppg_graph.data.face import POLICIES
from rppg_graph.experiments.evaluate import evaluate, left_out_lines, text
from rppg_graph.inference.methods import BY_NAME
from rppg_graph.pulse.protocols import PROTOCOLS

EXAMPLES = """\
  run.py eval runs/ubfc/best.safetensors                              its own test subjects
  run.py eval runs/ubfc/best.safetensors --method pos --method chrom  beside classical methods, paired
  run.py eval runs/ubfc/best.safetensors --mc 30 --mc-rate half       how far to trust it, by Monte-Carlo dropout
  run.py eval runs/ubfc/best.safetensors --data /data/PURE            another dataset, all of its subjects
  run.py eval --weights stgnet-small-synth --method pos --data my_videos --out runs/mine
  run.py eval --weights stgnet-small-synth --ensemble-with pos --data my_videos   a network alone, and mixed with POS"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoints", type=Path, nargs="*", metavar="CHECKPOINT", help="trained networks")
    parser.add_argument(
        "--weights", action="append", default=[], metavar="NAME", help="a trained network of the package; needs --data"
    )
    parser.add_argument("--method", action="append", default=[], help=f"without training: {', '.join(BY_NAME)}")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="recordings (default: the first checkpoint's own)")
    parser.add_argument("--layout", help="layout of ROOT (default: recognised)")
    parser.add_argument(
        "--subjects",
        choices=["test", "validation", "train", "all"],
        help="which subjects of the first checkpoint's split (default: test; all with --data)",
    )
    parser.add_argument("--protocol", default="native", help=f"one of {', '.join(PROTOCOLS)} (default: native)")
    parser.add_argument("--window", type=float, default=10.0, metavar="SECONDS", help="of a window (default: 10)")
    chosen_method.add_monte_carlo(parser)
    chosen_method.add_inference_options(parser)
    parser.add_argument("--face-policy", choices=POLICIES, help="what to do if few frames show a face (see predict)")
    parser.add_argument(
        "--every-reference", action="store_true", help="count recordings whose reference check-data calls wrong, too"
    )
    parser.add_argument("--leave-out", action="append", default=[], metavar="NAME", help="a recording that is not used")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write report.html, results.json, the waves and a CSV"
    )


def run(args: argparse.Namespace) -> None:
    reading = chosen_method.inference_options(args)
    if not args.checkpoints and not args.weights:
        chosen_method.refuse_for_formulas(args, reading.mc, "classical methods are formulas", "name a CHECKPOINT")
    found = evaluate(
        args.checkpoints, args.weights, args.method, data=args.data, layout=args.layout, subjects=args.subjects,
        leave_out=args.leave_out, reading=reading, face_policy=args.face_policy,
        every_reference=args.every_reference, protocol=args.protocol, window_seconds=args.window, out=args.out,
    )  # fmt: skip
    if found.left_out:
        print("\n".join([*left_out_lines(found.left_out), "(--every-reference counts them)"]), file=sys.stderr)
    print(text(found))
    if args.out:
        print(f"\n{args.out}: report.html, results.json, recordings.csv and the waves")
