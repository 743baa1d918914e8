"""``run.py train``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from rppg_graph.errors import InputError
from rppg_graph.experiments.train_run import train_anew, train_further

EXAMPLES = """\
  run.py train configs/stgnet_ubfc_rppg.yaml --out runs/ubfc data.root=/data/UBFC-rPPG/DATASET_2
  run.py train configs/demo.yaml --out runs/quick train.steps=100 train.learning_rate=1e-3
  run.py train --resume runs/ubfc
  run.py train --resume runs/ubfc train.steps=20000     further than it was to go
  torchrun --nproc-per-node 2 run.py train configs/stgnet_ubfc_rppg.yaml     two processes, a GPU each; also on CPUs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", help="a YAML file of configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, for example train.steps=200")
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run (default: runs/<config>)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="continue a stopped run")
    parser.add_argument(
        "--deterministic", action="store_true", help="only operations that give the same bits again; slower on a GPU"
    )


def run(args: argparse.Namespace) -> None:
    overrides = args.overrides
    if args.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
    if args.resume and "=" in str(args.config):  # what stands where a config would is one of them
        args.config, overrides = None, [str(args.config), *overrides]
    if (args.config is None) == (args.resume is None):
        raise InputError("name either a config to start from or, with --resume, a run to go on with")
    if args.resume:
        train_further(args.resume, overrides)
    else:
        train_anew(args.config, args.out, overrides)
