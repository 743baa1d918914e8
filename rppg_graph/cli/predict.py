"""``run.py predict``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rppg_graph.cli import chosen_method, monte_carlo
from rppg_graph.data.source import STANDARD_INPUT, found_in
from rppg_graph.errors import InputError
from rppg_graph.files import writable, write_text, write_whole
from rppg_graph.inference.many import Outcome, predict_each
from rppg_graph.inference.methods import Method, network_of
from rppg_graph.inference.predict import Prediction, first_clip
from rppg_graph.pulse.filters import check_fps
from rppg_graph.report.prediction import answer, csv_of, facts, report_of, row_of, table_of, to_dict

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
    monte_carlo.add_arguments(parser)
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
    method, finding, calibration = chosen_method.chosen_method(args, monte_carlo.monte_carlo(args))
    if args.face_policy:
        finding["policy"] = args.face_policy
    if args.face is not None:
        finding["face"] = args.face
    outcomes = []
    for outcome in predict_each(videos, method, calibration, fps=args.fps, raw_size=args.size, **finding):
        if outcome.error is not None and len(videos) == 1:
            raise outcome.error
        outcomes.append(outcome)
        _print(outcome, args, len(videos))
    rows = [row_of(o.path.name, o.prediction, o.error and str(o.error), o.remarks) for o in outcomes]
    if args.summary:
        write_text(args.summary, table_of(rows))
    told = [
        to_dict(o.path.name, o.prediction) | {"remarks": o.remarks} if o.prediction else row
        for o, row in zip(outcomes, rows, strict=True)
    ]
    write_text(args.json, json.dumps(told if len(told) > 1 else told[0], indent=2) + "\n")
    if len(videos) == 1:
        prediction, remarks = outcomes[0].prediction, outcomes[0].remarks
        write_text(args.csv, csv_of(prediction))
        if args.report:
            write_text(args.report, _report(videos[0], args, prediction, method, finding, remarks))
        write_whole(args.plot, lambda path: _draw(path, videos[0], prediction))
    return int(any(outcome.error for outcome in outcomes))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r}: width and height in pixels, such as 640x480")
    return int(width), int(height)


def _print(outcome: Outcome, args: argparse.Namespace, videos: int) -> None:
    """All there is to say of one video; a line each of many."""
    if videos == 1:
        head = f"{outcome.path.name}: {chosen_method.origin(outcome.prediction.method, args)}"
        lines = [head, *(f"  {name:15} {value}" for name, value in facts(outcome.prediction).items())]
        print("\n".join([*lines, *(f"  remark: {remark}" for remark in outcome.remarks)]))
    else:
        tqdm.write(f"{outcome.path.name}: {outcome.error or answer(outcome.prediction)}")


def _draw(path: Path, video: Path, p: Prediction) -> None:
    from rppg_graph.report.plots import plot_prediction  # brings matplotlib, which the screen need not wait for

    title = f"{video.name}: {p.method}"
    plot_prediction(path, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, title)


def _report(
    video: Path, args: argparse.Namespace, p: Prediction, method: Method, finding: dict[str, Any], remarks: list[str]
) -> str:
    """The report; a look inside a network takes one clip, and a face one crop, of the beginning of the video."""
    from rppg_graph.data.clip_dataset import clip_tensor
    from rppg_graph.report.graph_view import view_network

    view, network = None, network_of(method)
    looked_at = (network is not None or args.show_face) and video != STANDARD_INPUT  # which is read once
    clip = first_clip(video, method, fps=args.fps, **finding) if looked_at else None
    if network is not None and clip is not None:
        view = view_network(network.model, clip_tensor(clip)[None], p.fps, args.show_face)
    face = clip[len(clip) // 2] if args.show_face and clip is not None else None
    return report_of(video.name, p, remarks, view, face)
