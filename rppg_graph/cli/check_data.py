"""``run.py check-data``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.data.check import check_data
from rppg_graph.data.check_report import report_lines, write_json
from rppg_graph.data.recordings import RECORDINGS
from rppg_graph.files import writable, write_whole

EXAMPLES = """\
  run.py check-data /data/UBFC-rPPG/DATASET_2
  run.py check-data my_videos --quick --json my_videos.json

Exit code 1 if anything would be left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the recordings")
    parser.add_argument("--layout", help=f"one of {', '.join(RECORDINGS)} (default: recognised)")
    parser.add_argument("--quick", action="store_true", help="do not decode the videos: no faces, no lag of the label")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all findings to FILE")


def run(args: argparse.Namespace) -> int:
    writable(args.json, args.root)
    check = check_data(args.root, args.layout, decode=not args.quick)
    print("\n".join(report_lines(check)))
    write_whole(args.json, lambda path: write_json(check, path))
    return 0 if check.complete else 1
