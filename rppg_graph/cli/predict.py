"""``run.py predict``."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from rppg_graph.cli.output import writable
from rppg_graph.config import choose
from rppg_graph.predict import ClassicalMethod, Method, NetworkMethod, Prediction, predict_video
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.report.plots import plot_prediction

EXAMPLES = """\
  run.py predict face.mp4
  run.py predict face.mp4 --json face.json --csv face.csv --plot face.png
  run.py predict face.mp4 --checkpoint runs/demo/train/best.pt
  run.py predict face.mp4 --method chrom --face-policy full-frame"""


POOR = 0.3  # signal quality below which the screen warns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, help="a video file with one face, of any size, rate and length")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--checkpoint", type=Path, metavar="FILE", help="a network trained by `run.py train`")
    which.add_argument("--method", help=f"a classical method: {', '.join(CLASSICAL)} (default: pos)")
    parser.add_argument(
        "--face-policy",
        choices=["fail", "skip", "full-frame"],
        help="a face in under half of the frames: refuse (default), use the frames that have one, "
        "or take the middle of the frame wherever there is none",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to FILE")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write time (s), BVP and heart rate (bpm) to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the wave and the heart rate over time (PNG)")


def run(args: argparse.Namespace) -> None:
    for path in (args.json, args.csv, args.plot):
        writable(path)
    method, crop = _method(args)
    if args.face_policy:
        crop["policy"] = args.face_policy
    prediction = predict_video(args.video, method, **crop)
    print(summary(args.video, prediction, args.checkpoint))
    if args.json:
        args.json.write_text(json.dumps(to_dict(args.video, prediction), indent=2) + "\n", encoding="utf-8")
    if args.csv:
        _write_csv(args.csv, prediction)
    if args.plot:
        p = prediction
        title = f"{args.video.name}: {p.method}"
        plot_prediction(args.plot, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, title)


def _method(args: argparse.Namespace) -> tuple[Method, dict[str, Any]]:
    """The method asked for, and how it wants faces cut out."""
    if args.checkpoint:
        from rppg_graph.checkpoint import load  # brings PyG, three seconds that a classical method need not wait

        checkpoint = load(args.checkpoint)
        return NetworkMethod.from_checkpoint(checkpoint), dict(checkpoint.config["data"]["crop"])
    name = args.method or "pos"
    choose("classical method", CLASSICAL, name)
    return ClassicalMethod(name), {}


def summary(video: Path, prediction: Prediction, checkpoint: Path | None) -> str:
    """What the screen shows."""
    p = prediction
    origin = f"network {p.method} from {checkpoint}" if checkpoint else f"classical method {p.method}, no training"
    track = p.track.bpm[np.isfinite(p.track.bpm)]
    rate = f"{p.rate.bpm:.1f} bpm" if p.rate.bpm is not None else f"none: {p.rate.reason}"
    edge = "  (at the edge of the band, so it may lie outside)" if p.rate.at_band_edge else ""
    rows = [
        ("heart rate", rate + edge),
        ("range", f"{track.min():.1f} to {track.max():.1f} bpm in windows of 10 s" if len(track) else "too short"),
        ("signal quality", f"{p.rate.quality:.2f} of 1{'  (poor: do not rely on it)' * (p.rate.quality < POOR)}"),
        ("face", f"in {p.frames_with_face} of {p.frames} frames ({p.frames_with_face / max(p.frames, 1):.0%})"),
    ]
    return "\n".join([f"{video.name}: {origin}", *(f"  {name:15} {value}" for name, value in rows)])


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
        "frames": p.frames,
        "frames_with_face": p.frames_with_face,
        "track": {
            "seconds": p.track.seconds.tolist(),
            "bpm": [None if np.isnan(bpm) else bpm for bpm in p.track.bpm.tolist()],
            "quality": p.track.quality.tolist(),
        },
        "fps": p.fps,
    }


def _write_csv(path: Path, prediction: Prediction) -> None:
    """One row a sample; the heart rate is that of the window whose centre is nearest."""
    p = prediction
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "bvp", "bpm"])
        for seconds, bvp in zip(p.seconds, p.bvp, strict=True):
            bpm = p.track.bpm[np.abs(p.track.seconds - seconds).argmin()] if len(p.track.bpm) else np.nan
            writer.writerow([f"{seconds:.4f}", _cell(bvp, 6), _cell(bpm, 2)])


def _cell(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"
