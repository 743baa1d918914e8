"""``run.py predict``."""

from __future__ import annotations

import argparse
import csv
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.cli import chosen_method, monte_carlo
from rppg_graph.cli.output import POOR, WIDEST_BPM
from rppg_graph.data.clips import clip_tensor
from rppg_graph.errors import InputError
from rppg_graph.files import writable, write_text, write_whole
from rppg_graph.inference.judged import by_calibration
from rppg_graph.inference.methods import Method, network_of
from rppg_graph.inference.predict import Prediction, first_clip, predict_video
from rppg_graph.pulse.filters import check_fps

EXAMPLES = """\
  run.py predict face.mp4
  run.py predict face.mp4 --json face.json --csv face.csv --plot face.png
  run.py predict face.mp4 --checkpoint runs/demo/train/best.safetensors --report face.html
  run.py predict face.mp4 --checkpoint runs/demo/train/best.safetensors --mc 30 --mc-rate half
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
    write_text(args.json, json.dumps(to_dict(args.video, prediction) | {"remarks": remarks}, indent=2) + "\n")
    write_whole(args.csv, lambda path: _write_csv(path, prediction))
    write_whole(args.report, lambda path: _write_report(path, args, prediction, method, finding))
    write_whole(args.plot, lambda path: _draw(path, args.video, prediction))
    print("\n".join([summary(args, prediction), *(f"  remark: {remark}" for remark in remarks)]))


def _draw(path: Path, video: Path, p: Prediction) -> None:
    from rppg_graph.report.plots import plot_prediction  # brings matplotlib, which the screen need not wait for

    title = f"{video.name}: {p.method}"
    plot_prediction(path, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, title)


def _write_report(
    path: Path, args: argparse.Namespace, prediction: Prediction, method: Method, finding: dict[str, Any]
) -> None:
    """The report; a look inside a network takes one clip, and a face one crop, of the beginning of the video."""
    from rppg_graph.report.graph_view import view_network
    from rppg_graph.report.html import write_prediction_report

    p, view, network = prediction, None, network_of(method)
    clip = first_clip(args.video, method, fps=args.fps, **finding) if network is not None or args.show_face else None
    if network is not None and clip is not None:
        view = view_network(network.model, clip_tensor(clip)[None], p.fps, args.show_face)
    face = clip[len(clip) // 2] if args.show_face and clip is not None else None
    write_prediction_report(
        path,
        args.video.name,
        p.method,
        p.bvp,
        p.fps,
        p.rate,
        p.track,
        facts(p),
        p.track_interval_bpm,
        view,
        face,
    )


def summary(args: argparse.Namespace, prediction: Prediction) -> str:
    """What the screen shows."""
    p = prediction
    head = f"{args.video.name}: {chosen_method.origin(p.method, args)}"
    return "\n".join([head, *(f"  {name:15} {value}" for name, value in facts(p).items())])


def facts(prediction: Prediction) -> dict[str, str]:
    """What there is to say about a video's pulse, by name."""
    p = prediction
    track = p.track.bpm[np.isfinite(p.track.bpm)]
    rate = f"{p.rate.bpm:.1f} bpm" if p.rate.bpm is not None else f"none: {p.rate.reason}"
    known = p.interval_bpm is not None and p.interval_bpm <= WIDEST_BPM
    sure = f" ± {p.interval_bpm:.1f} bpm (95 %, empirical)" if known else ""
    edge = "  (at the edge of the band, so it may lie outside)" if p.rate.at_band_edge else ""
    told = {
        "heart rate": rate + sure + edge,
        **({} if p.verdict is None else {"certainty": f"{p.verdict.probability:.0%} that it is within 5 bpm"}),
        "range": f"{track.min():.1f} to {track.max():.1f} bpm in windows of 10 s" if len(track) else "in no window",
        "signal quality": f"{p.rate.quality:.2f} of 1{'  (poor: do not rely on it)' * (p.rate.quality < POOR)}",
        "face": f"in {p.frames_with_face} of {p.frames} frames ({p.frames_with_face / max(p.frames, 1):.0%})",
    }
    if p.scatter is not None:
        sd = "none" if p.scatter.sd_bpm is None else f"{p.scatter.sd_bpm:.2f} bpm"
        variance = f"mean variance of the wave {np.nanmean(p.scatter.variance):.3f}"
        told["Monte Carlo"] = f"sd of the heart rate {sd}, {variance} ({p.scatter.samples} samples)"
    return told


def to_dict(video: Path, prediction: Prediction) -> dict[str, Any]:
    """What ``--json`` writes; times in seconds, rates in beats per minute."""
    p = prediction
    return {
        "video": video.name,
        "method": p.method,
        "bpm": p.rate.bpm,
        "reason": p.rate.reason,
        "at_band_edge": p.rate.at_band_edge,
        "quality": p.rate.quality,
        "uncertainty_bpm": p.rate.uncertainty_bpm,
        "interval_bpm": p.interval_bpm,
        "judgement": None if p.verdict is None else asdict(p.verdict),
        "frames": p.frames,
        "frames_with_face": p.frames_with_face,
        "track": {
            "seconds": p.track.seconds.tolist(),
            "bpm": _nullable(p.track.bpm),
            "quality": p.track.quality.tolist(),
            **{name: _nullable(values) for name, (values, _) in _of_windows(p).items()},
        },
        "fps": p.fps,
        "mc": None
        if p.scatter is None
        else {
            "samples": p.scatter.samples,
            "sd_bpm": p.scatter.sd_bpm,
            "mean_variance": float(np.nanmean(p.scatter.variance)),
        },
    }


def _of_windows(p: Prediction) -> dict[str, tuple[np.ndarray, int]]:
    """What is known of a window's certainty, by name, each with the decimals to show."""
    known = {"interval_bpm": (p.track_interval_bpm, 2), "sd_bpm": (p.scatter and p.scatter.track_sd_bpm, 3)}
    return {name: value for name, value in known.items() if value[0] is not None}


def _write_csv(path: Path, prediction: Prediction) -> None:
    """One row a sample; heart rate, interval and deviation are those of the window whose centre is nearest."""
    p = prediction
    samples = {"bvp": (p.bvp, 6)} | ({} if p.scatter is None else {"bvp_variance": (p.scatter.variance, 6)})
    windows = {"bpm": (p.track.bpm, 2)} | _of_windows(p)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", *samples, *windows])
        for i, seconds in enumerate(p.seconds):
            row = [_cell(values[i], digits) for values, digits in samples.values()]
            nearest = np.abs(p.track.seconds - seconds).argmin() if len(p.track.bpm) else None
            row += [_cell(np.nan if nearest is None else v[nearest], digits) for v, digits in windows.values()]
            writer.writerow([f"{seconds:.4f}", *row])


def _nullable(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _cell(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"
