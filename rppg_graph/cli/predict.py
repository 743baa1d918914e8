"""``run.py predict``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from rppg_graph.cli import chosen_method
from rppg_graph.data.source import found_in
from rppg_graph.errors import InputError
from rppg_graph.files import writable, write_text, write_whole
from rppg_graph.inference.many import predict_each
from rppg_graph.pulse.filters import check_fps
from rppg_graph.report.prediction import answer, csv_of, facts, plot_of, report_of_video, row_of, table_of, to_dict

EXAMPLES = """\
  run.py predict face.mp4
  run.py predict face.mp4 --json face.json --csv face.csv --plot face.png
  run.py predict face.mp4 --checkpoint runs/demo/train/best.safetensors --report face.html
  run.py predict face.mp4 --checkpoint runs/demo/train/best.safetensors --mc 30 --mc-rate half
  run.py predict face.mp4 --weights stgnet-small-synth       # one network alone, by one look at the face
  run.py predict videos/ --summary pulses.csv                # every video in a folder, a row each
  run.py predict pictures/ --fps 30                          # a folder of pictures
  run.py predict face.mp4 --method pos --face-policy full-frame"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "video", type=Path, nargs="+", help="videos of one face each, or folders of them; a folder of pictures with "
        "--fps; - for raw RGB frames on standard input"
    )  # fmt: skip
    parser.add_argument("--size", type=_size, metavar="WxH", help="pixels of raw frames, such as 640x480")
    chosen_method.add_arguments(parser)
    chosen_method.add_source(parser)
    parser.add_argument(
        "--face-policy",
        choices=["fail", "skip", "full-frame"],
        help="if less than half of the frames show a face: refuse the video (default), use the frames that do, "
        "or take the middle of the frame wherever no face is found",
    )
    chosen_method.add_monte_carlo(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to FILE")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write time (s), BVP and heart rate (bpm) to FILE")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write one row a video to FILE (CSV)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the result as one HTML file, without a face")
    parser.add_argument("--show-face", action="store_true", help="let the report show the face")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the wave and the heart rate over time (PNG)")


def run(args: argparse.Namespace) -> int:
    videos = found_in(args.video)
    for path in (args.json, args.csv, args.report, args.plot, args.summary):
        writable(path, *videos, args.checkpoint)
    if len(videos) > 1 and (args.csv or args.report or args.plot):
        raise InputError(f"--csv, --report and --plot are about one video; --summary FILE tells of all {len(videos)}")
    if args.fps is not None:
        check_fps(args.fps)
    if args.show_face and not args.report:
        raise InputError("--show-face is about the report: name one with --report FILE")
    method, finding, calibration = chosen_method.chosen_method(args)
    finding |= {"face": args.face, "fps": args.fps} | ({"policy": args.face_policy} if args.face_policy else {})
    outcomes = []
    for outcome in predict_each(videos, method, calibration, raw_size=args.size, **finding):
        if outcome.error is not None and len(videos) == 1:
            raise outcome.error
        outcomes.append(outcome)
        if len(videos) > 1:
            tqdm.write(f"{outcome.path.name}: {outcome.error or answer(outcome.prediction)}")
    rows = [row_of(o.path.name, o.prediction, o.error and str(o.error), o.remarks) for o in outcomes]
    write_text(args.summary, table_of(rows))
    told = [
        to_dict(o.path.name, o.prediction) | {"remarks": o.remarks} if o.prediction else row
        for o, row in zip(outcomes, rows, strict=True)
    ]
    write_text(args.json, json.dumps(told if len(told) > 1 else told[0], indent=2) + "\n")
    if len(videos) == 1:
        video, prediction, remarks = videos[0], outcomes[0].prediction, outcomes[0].remarks
        print(f"{video.name}: {chosen_method.origin(prediction.method, args)}")
        print("\n".join(f"  {name:15} {value}" for name, value in facts(prediction).items()))
        print("".join(f"  remark: {remark}\n" for remark in remarks), end="")
        write_text(args.csv, csv_of(prediction))
        if args.report:
            write_text(args.report, report_of_video(video, prediction, method, remarks, args.show_face, **finding))
        write_whole(args.plot, lambda path: plot_of(path, video.name, prediction))
    return int(any(outcome.error for outcome in outcomes))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r}: width and height in pixels, such as 640x480")
    return int(width), int(height)
