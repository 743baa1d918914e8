"""``run.py preprocess``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.config import load_config
from rppg_graph.data.contact_sheet import contact_sheet
from rppg_graph.data.prepared import cache_folder, cached_recordings
from rppg_graph.files import keep_apart

EXAMPLES = """\
  run.py preprocess configs/stgnet_ubfc_rppg.yaml data.root=/data/UBFC-rPPG/DATASET_2
  run.py preprocess configs/demo.yaml data.crop.size=64 --sheets"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a YAML file of configs/; its data section is what counts")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key of the config")
    parser.add_argument("--sheets", action="store_true", help="draw a contact sheet of every recording's crops (PNG)")


def run(args: argparse.Namespace) -> None:
    data = load_config(args.config, args.overrides).data
    keep_apart(cache_folder(data), data.root)
    recordings = cached_recordings(data)
    width = max(len(recording.name) for recording in recordings)
    print(f"{'recording':{width}}  {'frames':>6}  {'fps':>5}  {'face':>5}")
    for recording in recordings:
        rate, frames = recording.detection_rate, len(recording.seconds)
        print(f"{recording.name:{width}}  {frames:6}  {recording.fps:5.2f}  {rate:5.0%}")
        if args.sheets:
            contact_sheet(recording)
    print(f"face crops of {len(recordings)} recordings in {cache_folder(data)}")
