"""``run.py eval``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from rppg_graph.cli import chosen_method, monte_carlo
from rppg_graph.config import Config, CropConfig, DataConfig, validate
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clips import clip_tensor, cut_clips
from rppg_graph.data.face import POLICIES
from rppg_graph.data.prepared import cached_recordings, split_of_run, wanted_recordings
from rppg_graph.errors import InputError
from rppg_graph.files import keep_apart
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.evaluate import (
    comparison_lines,
    comparisons,
    mean_predictor,
    table,
    uncertainty_table,
    write_results,
)
from rppg_graph.inference.methods import BY_NAME, Method, Reading, network_of
from rppg_graph.inference.predict import NetworkWaves, face_frames, recording_wave
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.models.weights import load_weights
from rppg_graph.pulse.evaluation import Evaluation, evaluate_waves
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.protocols import PROTOCOLS
from rppg_graph.pulse.uncertainty import Calibration, assess
from rppg_graph.registry import choose
from rppg_graph.report.graph_view import NetworkView, view_network
from rppg_graph.report.html import write_evaluation_report

EXAMPLES = """\
  run.py eval runs/ubfc/best.pt                              its own test subjects
  run.py eval runs/ubfc/best.pt --method pos --method chrom  beside classical methods, paired
  run.py eval runs/ubfc/best.pt --mc 30 --mc-rate half       how far to trust it, by Monte-Carlo dropout
  run.py eval runs/ubfc/best.pt --data /data/PURE            another dataset, all of its subjects
  run.py eval --weights stgnet-small-synth --method pos --data my_videos --out runs/mine
  run.py eval --weights stgnet-small-synth --beside pos --data my_videos   a network alone, and mixed with POS"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoints", type=Path, nargs="*", metavar="CHECKPOINT", help="trained networks")
    parser.add_argument(
        "--weights", action="append", default=[], metavar="NAME", help="a network that comes trained; needs --data"
    )
    parser.add_argument("--method", action="append", default=[], help=f"without training: {', '.join(BY_NAME)}")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="recordings (default: the first checkpoint's own)")
    parser.add_argument("--layout", help="of ROOT, if it is not to be recognised")
    parser.add_argument(
        "--subjects",
        choices=["test", "validation", "train", "all"],
        help="side of the first checkpoint's split (default: test; all with --data)",
    )
    parser.add_argument("--protocol", default="native", help=f"one of {', '.join(PROTOCOLS)} (default: native)")
    parser.add_argument("--window", type=float, default=10.0, metavar="SECONDS", help="of the windows (default: 10)")
    monte_carlo.add_arguments(parser)
    chosen_method.add_reading(parser)
    parser.add_argument("--face-policy", choices=POLICIES, help="a recording without enough of a face (see predict)")
    parser.add_argument(
        "--every-reference", action="store_true", help="count recordings whose reference check-data calls wrong, too"
    )
    parser.add_argument("--leave-out", action="append", default=[], metavar="NAME", help="a recording to do without")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write report.html, results.json, the waves and a CSV"
    )


class Contestant(NamedTuple):
    """A method with the face crops it wants and, if it was trained, what is known from that.

    ``mean_bpm``: mean heart rate of the training recordings; ``calibration``: of its uncertainty.
    """

    name: str
    method: Method
    crop: CropConfig
    mean_bpm: float | None
    calibration: Calibration | None


def run(args: argparse.Namespace) -> None:
    choose("protocol", PROTOCOLS, args.protocol)
    contestants, config = _contestants(args)
    if args.face_policy:
        policy = {"policy": args.face_policy}
        contestants = [c._replace(crop=c.crop.model_copy(update=policy)) for c in contestants]
    if args.data is None and config is None:
        raise InputError("only a checkpoint knows recordings of its own: name some with --data ROOT")
    side = args.subjects or ("all" if args.data else "test")
    if side != "all" and config is None:
        raise InputError(f"--subjects {side} needs a checkpoint, whose split says who they are")
    data = config.data if args.data is None else DataConfig(root=args.data, layout=args.layout)
    subjects = None if side == "all" else _subjects(args.checkpoints, data, side, config)
    data = data.model_copy(update={"leave_out": (*data.leave_out, *args.leave_out)})
    if args.out:
        keep_apart(args.out, data.root)
    recordings = {c.name: _recordings(c, data, subjects) for c in contestants}
    left_out = {} if args.every_reference else _unbelievable(recordings)
    known: NetworkWaves = {}
    waves = {c.name: _waves(c, recordings[c.name], known) for c in contestants}
    evaluations = {name: evaluate_waves(w, args.protocol, args.window) for name, w in waves.items()}
    assessed = {c.name: assess(evaluations[c.name].windows, c.calibration) for c in contestants}
    assessed = {name: found for name, found in assessed.items() if found is not None}
    mean_bpm = next((c.mean_bpm for c in contestants if c.mean_bpm is not None), None)
    if mean_bpm is not None:
        evaluations["mean of training"] = mean_predictor(evaluations[contestants[0].name], mean_bpm)
    if args.out:  # before the screen, which may be a pipe that closes
        about = {"data": str(data.root), "subjects": side, "views": args.views or "whole", "beside": args.beside}
        about |= {"protocol": args.protocol, "window_seconds": args.window, "left_out": left_out}
        write_results(args.out, evaluations, waves, about | {"uncertainty": assessed})
        networks = {c.name: _view(c.method, recordings[c.name]) for c in contestants}
        seen = {name: view for name, view in networks.items() if view is not None}
        said = {name: about[name] for name in ("data", "subjects")}  # the rest is stamped on the results themselves
        write_evaluation_report(args.out / "report.html", evaluations, waves, said, seen)
    _print(evaluations, args)
    if assessed:
        print(f"\nuncertainty of the windows: area under the risk-coverage curve\n{uncertainty_table(assessed)}")
    if args.out:
        print(f"\n{args.out}: report.html, results.json, recordings.csv and the waves")


def _contestants(args: argparse.Namespace) -> tuple[list[Contestant], Config | None]:
    mc = monte_carlo.monte_carlo(args)
    if not args.checkpoints and not args.weights:
        chosen_method.refuse_for_formulas(args, mc, "classical methods are formulas", "name a CHECKPOINT")
    reading = chosen_method.reading(args, mc)
    contestants: list[Contestant] = []
    first: Config | None = None
    for path in args.checkpoints:
        checkpoint = load(path)
        config = validate(Config, checkpoint.config, str(path))
        first = first or config
        network = config.model.name
        name = network if len(args.checkpoints) == 1 else f"{network} ({path.parent.name})"
        contestants += _trained(name, checkpoint, reading)
    for name in args.weights:
        contestants += _trained(name, load_weights(name), reading)
    for name in args.method:
        method = choose("method", BY_NAME, name)()
        contestants.append(Contestant(name, method, CropConfig(size=method.crop_size), None, None))
    names = [contestant.name for contestant in contestants]
    if not names or len(set(names)) < len(names):
        raise InputError("name at least one CHECKPOINT, --weights or --method, and none twice")
    return contestants, first


def _trained(name: str, checkpoint: Checkpoint, reading: Reading) -> Iterator[Contestant]:
    """A network alone and, if that is asked for, with a classical method beside it."""
    crop = validate(Config, checkpoint.config, name).data.crop
    alone = replace(reading, beside=None)
    network = alone.of(checkpoint)
    for read in dict.fromkeys((alone, reading)):
        called = f"{name} and {read.beside}" if read.beside else name
        known = calibration_for(checkpoint, read)
        yield Contestant(called, read.around(network), crop, checkpoint.mean_bpm, known)


def _subjects(checkpoints: Sequence[Path], data: DataConfig, side: str, config: Config) -> tuple[str, ...]:
    """Who is on a side of the first checkpoint's split; a further one that knows some of them is warned of."""
    there = wanted_recordings(data)
    first, *others = (split_of_run(path.parent, there, config.data) for path in checkpoints)
    subjects = getattr(first, side)
    for path, split in zip(checkpoints[1:], others, strict=True):
        if known := [subject for subject in subjects if split.side(subject) in ("train", "validation")]:
            warnings.warn(f"{path} learnt from subject {', '.join(known)}, on whom it is measured", stacklevel=2)
    return subjects


def _recordings(contestant: Contestant, data: DataConfig, subjects: Sequence[str] | None) -> list[CachedRecording]:
    recordings = cached_recordings(data.model_copy(update={"crop": contestant.crop, "cache": None}))
    if subjects is not None:
        recordings = [recording for recording in recordings if recording.subject in subjects]
    if subjects is not None and not recordings:
        raise InputError(
            f"{data.root} holds no recording of subject {', '.join(subjects)}; choose others with --subjects"
        )
    without = [recording.name for recording in recordings if recording.pulse is None and recording.bpm is None]
    if without:
        raise InputError(f"{', '.join(without)}: no reference pulse to measure against; name them with --leave-out")
    return recordings


def _unbelievable(recordings: dict[str, list[CachedRecording]]) -> dict[str, str]:
    """Take out, for every method alike, what has a wrong reference by one's crops: name → why, which is printed."""
    wrong = {cached.name: cached.faults[0] for found in recordings.values() for cached in found if cached.faults}
    for found in recordings.values():
        found[:] = [cached for cached in found if cached.name not in wrong]
    lines = [f"{name} is left out: the reference is wrong: {fault}" for name, fault in wrong.items()]
    if not all(recordings.values()):
        raise InputError(
            "\n".join([*lines, "no recording is left; mend the references, or count them with --every-reference"])
        )
    if lines:
        print("\n".join([*lines, "(--every-reference counts them)"]), file=sys.stderr)
    return wrong


def _waves(contestant: Contestant, recordings: list[CachedRecording], known: NetworkWaves) -> list[Wave]:
    waves, without = [], []
    for recording in tqdm(recordings, desc=contestant.name, unit="recording", leave=False):
        try:
            waves.append(recording_wave(recording, contestant.method, known))
        except InputError:  # the others first, so that all such are named at once
            without.append(recording.name)
    if without:
        cure = " ".join(f"--leave-out {name}" for name in without)
        raise InputError(
            f"{len(without)} of {len(recordings)} recordings have no stretch with both a wave by {contestant.name} and "
            f"a reference; look at their face crops with run.py preprocess, or do without them: {cure}"
        )
    return waves


def _view(method: Method, recordings: list[CachedRecording]) -> NetworkView | None:
    """A look inside a network on the first clip there is; none into a formula."""
    network = network_of(method)
    if network is None:
        return None
    for recording in recordings:
        clip = next(cut_clips(face_frames(recording), recording.fps, network.clip_frames, network.clip_frames), None)
        if clip is not None:
            return view_network(network.model, clip_tensor(clip.video)[None], recording.fps)
    return None


def _print(evaluations: dict[str, Evaluation], args: argparse.Namespace) -> None:
    print(f"protocol {args.protocol}, whole recordings (± standard error)\n{table(evaluations)}")
    if any(evaluation.windows for evaluation in evaluations.values()):
        print(f"\nwindows of {args.window:g} s\n{table(evaluations, windows=True)}")
    for name, evaluation in evaluations.items():
        for row in evaluation.failed:
            print(f"{name}: {row.name} has no error: {row.reason}")
    if len(evaluations) > 1:
        print("\npaired differences of the absolute error; below zero, the first one is better")
        print("\n".join(comparison_lines(comparisons(evaluations))))
