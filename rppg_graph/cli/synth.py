"""``run.py synth``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.files import keep_apart
from rppg_graph.synthetic import LAYOUTS, PRESETS, show_presets, write_dataset

EXAMPLES = """\
  run.py synth data/synthetic --preset easy --subjects 8
  run.py synth data/synthetic --preset hard --layout pure --subjects 4 --seconds 20
  run.py synth data/mine --portraits portraits/ --preset office
  run.py synth pictures --show"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--preset", default="easy", help=f"one of {', '.join(PRESETS)} (default: easy)")
    parser.add_argument("--layout", default="ubfc-rppg", help=f"one of {', '.join(LAYOUTS)} (default: ubfc-rppg)")
    parser.add_argument("--subjects", type=int, default=8, help="number of people (default: 8)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a recording (default: 30)")
    parser.add_argument("--fps", type=float, default=30.0, help="frames per second (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    parser.add_argument(
        "--portraits", type=Path, metavar="DIR", help="heads from this folder of portraits, one face each"
    )
    parser.add_argument(
        "--show", action="store_true", help="write a contact sheet and a video of every preset to OUT instead"
    )


def run(args: argparse.Namespace) -> None:
    keep_apart(args.out, args.portraits)
    if args.show:
        files = show_presets(args.out, seed=args.seed, portraits=args.portraits)
        print(f"{args.out}: {', '.join(file.name for file in files)}")
        return
    recordings = write_dataset(
        args.out, layout=args.layout, preset=args.preset, subjects=args.subjects, seed=args.seed,
        seconds=args.seconds, fps=args.fps, portraits=args.portraits,
    )  # fmt: skip
    print(f"{args.out}: {len(recordings)} recordings of {args.seconds:g} s, preset {args.preset}, layout {args.layout}")
