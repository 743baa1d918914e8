"""``run.py predict``."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

from rppg_graph.cli import chosen_method, monte_carlo
from rppg_graph.data.clips import clip_tensor
from rppg_graph.errors import InputError
from rppg_graph.files import writable, write_text, write_whole
from rppg_graph.inference.judged import by_calibration
from rppg_graph.inference.methods import Method, network_of
from rppg_graph.inference.predict import Prediction, first_clip, predict_video
from rppg_graph.pulse.filters import check_fps
from rppg_graph.report.graph_view import view_network
from rppg_graph.report.plots import plot_prediction
from rppg_graph.report.prediction import csv_of, facts, report_of, to_dict

EXAMPLES = """\
  run.py predict face.mp4
  run.py predict face.mp4 --json face.json --csv face.csv --plot face.png
  run.py predict face.mp4 --checkpoint runs/demo/train/best.pt --report face.html
  run.py predict face.mp4 --checkpoint runs/demo/train/best.pt --mc 30 --mc-rate half
  run.py predict face.mp4 --weights stgnet-small-synth       # one network alone, by one look at the face
  run.py predict face.mp4 --method pos --face-policy full-frame"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, help="a video file with one face, of any size, rate and length")
    chosen_method.add_arguments(parser)
    chosen_method.add_source(parser)
    parser.add_argument(
        "--face-policy",
        choices=["fail", "skip", "full-frame"],
        help="if less than half of the frames show a face: refuse the video (default), use the frames that do, "
        "or take the middle of the frame wherever no face is found",
    )
    monte_carlo.add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to FILE")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write time (s), BVP and heart rate (bpm) to FILE")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the result as one HTML file, without a face")
    parser.add_argument("--show-face", action="store_true", help="let the report show the face")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the wave and the heart rate over time (PNG)")


def run(args: argparse.Namespace) -> None:
    for path in (args.json, args.csv, args.report, args.plot):
        writable(path, args.video, args.checkpoint)
    if args.fps is not None:
        check_fps(args.fps)
    if args.show_face and not args.report:
        raise InputError("--show-face is about the report: name one with --report FILE")
    method, finding, calibration = chosen_method.chosen_method(args, monte_carlo.monte_carlo(args))
    if args.face_policy:
        finding["policy"] = args.face_policy
    if args.face is not None:
        finding["face"] = args.face
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        prediction = predict_video(args.video, method, fps=args.fps, **finding)
    said = (str(warning.message) for warning in caught if issubclass(warning.category, UserWarning))
    remarks = [text.removeprefix(f"{args.video}: ") for text in said]
    if calibration is not None:
        prediction = by_calibration(prediction, calibration)
    write_text(args.json, json.dumps(to_dict(args.video.name, prediction) | {"remarks": remarks}, indent=2) + "\n")
    write_text(args.csv, csv_of(prediction))
    if args.report:
        write_text(args.report, _report(args, prediction, method, finding, remarks))
    write_whole(args.plot, lambda path: _draw(path, args.video, prediction))
    print("\n".join([summary(args, prediction), *(f"  remark: {remark}" for remark in remarks)]))


def _draw(path: Path, video: Path, p: Prediction) -> None:
    title = f"{video.name}: {p.method}"
    plot_prediction(path, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, title)


def _report(
    args: argparse.Namespace, p: Prediction, method: Method, finding: dict[str, Any], remarks: list[str]
) -> str:
    """The report; a look inside a network takes one clip, and a face one crop, of the beginning of the video."""
    view, network = None, network_of(method)
    clip = first_clip(args.video, method, fps=args.fps, **finding) if network is not None or args.show_face else None
    if network is not None and clip is not None:
        view = view_network(network.model, clip_tensor(clip)[None], p.fps, args.show_face)
    face = clip[len(clip) // 2] if args.show_face and clip is not None else None
    return report_of(args.video.name, p, remarks, view, face)


def summary(args: argparse.Namespace, prediction: Prediction) -> str:
    """What the screen shows."""
    head = f"{args.video.name}: {chosen_method.origin(prediction.method, args)}"
    return "\n".join([head, *(f"  {name:15} {value}" for name, value in facts(prediction).items())])
