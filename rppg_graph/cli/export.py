"""``run.py export``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.export.to_file import export

EXAMPLES = """\
  run.py export runs/ubfc/best.safetensors --format onnx
  run.py export stgnet-small-synth --format onnx         # here, as stgnet-small-synth.onnx
  run.py export runs/ubfc/best.safetensors --format exported --out pulse.pt2 --video face.mp4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a network of `run.py train`, or a name of the package's"
    )
    parser.add_argument(
        "--format", required=True, help="onnx (for ONNX Runtime and others) or exported (torch.export, needs torch)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: named as the checkpoint, as .onnx or .pt2")
    parser.add_argument("--video", type=Path, metavar="FILE", help="check on this face (default: a generated one)")


def run(args: argparse.Namespace) -> None:
    print(export(args.checkpoint, args.format, args.out, args.video))
