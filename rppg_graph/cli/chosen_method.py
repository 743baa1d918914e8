"""``--checkpoint``, ``--weights``, ``--method``, ``--views``: by what a pulse is read, for commands that read one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rppg_graph.calibrate import calibration_for
from rppg_graph.config import choose
from rppg_graph.errors import InputError
from rppg_graph.methods import SKIN_CROP, ClassicalMethod, Method, MonteCarlo, NetworkMethod
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.views import VIEWS

if TYPE_CHECKING:
    from rppg_graph.checkpoint import Checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--checkpoint", type=Path, metavar="FILE", help="a network trained by `run.py train`")
    which.add_argument("--weights", metavar="NAME", help="a network that comes trained, for example stgnet-small-synth")
    which.add_argument("--method", help=f"a classical method: {', '.join(CLASSICAL)} (default: pos)")
    add_views(parser)


def add_views(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--views",
        choices=list(VIEWS),
        default="whole",
        help="what a network sees of a face: the whole crop (default), or also its corners, one after the other, "
        "and the mean of the waves counts: five times the work, less noise",
    )


def chosen_method(
    args: argparse.Namespace, mc: MonteCarlo | None = None
) -> tuple[Method, dict[str, Any], Calibration | None]:
    """The method asked for, how it wants faces cut out, and what is known about its uncertainty."""
    if args.checkpoint or args.weights:
        checkpoint = _trained(args)
        crop = dict(checkpoint.config["data"]["crop"])
        method = NetworkMethod.from_checkpoint(checkpoint, mc, args.views)
        return method, crop, calibration_for(checkpoint, mc, args.views)
    name = args.method or "pos"
    choose("classical method", CLASSICAL, name)
    network = "name a network with --checkpoint or --weights"
    if mc is not None:
        raise InputError(f"--mc {mc.samples}: {name} is a formula without dropout; {network}")
    if args.views != "whole":
        raise InputError(f"--views {args.views}: {name} is a formula on the mean colour of the skin; {network}")
    return ClassicalMethod(name), {"size": SKIN_CROP}, None


def _trained(args: argparse.Namespace) -> Checkpoint:
    from rppg_graph.checkpoint import load  # brings PyG, three seconds that a classical method need not wait
    from rppg_graph.weights import load_weights

    return load(args.checkpoint) if args.checkpoint else load_weights(args.weights)


def origin(name: str, args: argparse.Namespace) -> str:
    """What a pulse was read by, for the screen."""
    if not args.checkpoint and not args.weights:
        return f"classical method {name}, no training"
    views = "" if args.views == "whole" else f", views: {args.views}"
    return f"network {name} from {args.checkpoint}{views}" if args.checkpoint else f"network {args.weights}{views}"
