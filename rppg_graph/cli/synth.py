"""``run.py synth``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.errors import InputError
from rppg_graph.files import keep_apart
from rppg_graph.registry import choose
from rppg_graph.synthetic import LAYOUTS, PRESETS, show_presets, write_dataset, write_disturbed
from rppg_graph.synthetic.disturbed import CASES_FILE, TRUTH_FILE

EXAMPLES = """\
  run.py synth data/synthetic --preset easy --subjects 8
  run.py synth data/synthetic --preset hard --layout pure --subjects 4 --seconds 20
  run.py synth data/mine --portraits portraits/ --preset office
  run.py synth data/disturbed --preset disturbed --subjects 300     # what is periodic and no pulse, see cases.csv
  run.py synth pictures --show"""
DISTURBED = "disturbed"  # no people of one kind, but a set with a truth of its own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    names = ", ".join((*PRESETS, DISTURBED))
    parser.add_argument("--preset", default="easy", help=f"one of {names} (default: easy)")
    parser.add_argument("--layout", help=f"one of {', '.join(LAYOUTS)} (default: ubfc-rppg); {DISTURBED} has its own")
    parser.add_argument("--subjects", type=int, default=8, help="number of people, or of cases (default: 8)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a recording (default: 30)")
    parser.add_argument("--fps", type=float, help=f"frames per second (default: 30); {DISTURBED} draws it")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    parser.add_argument(
        "--portraits", type=Path, metavar="DIR", help="a folder of portraits, one face each, to draw the heads from"
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
    choose("synthetic preset", (*PRESETS, DISTURBED), args.preset)
    if args.preset == DISTURBED:
        for name in ("layout", "fps", "portraits"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name} does not go with --preset {DISTURBED}: the set draws its own; leave it out")
        rows = write_disturbed(args.out, count=args.subjects, seed=args.seed, seconds=args.seconds)
        alive = sum(row["truth_bpm"] is not None for row in rows)
        print(f"{args.out}: {len(rows)} videos of {args.seconds:g} s, {alive} with a pulse; {TRUTH_FILE}, {CASES_FILE}")
        return
    layout = args.layout or "ubfc-rppg"
    recordings = write_dataset(
        args.out, layout=layout, preset=args.preset, subjects=args.subjects, seed=args.seed,
        seconds=args.seconds, fps=30.0 if args.fps is None else args.fps, portraits=args.portraits,
    )  # fmt: skip
    print(f"{args.out}: {len(recordings)} recordings of {args.seconds:g} s, preset {args.preset}, layout {layout}")
