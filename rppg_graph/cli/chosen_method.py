"""What reads the pulse: ``--checkpoint``, ``--weights``, ``--method``, and how a network is asked."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from rppg_graph.errors import InputError
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.crop_views import VIEWS
from rppg_graph.inference.methods import BY_NAME, DEFAULT, InferenceOptions, Method, MonteCarlo
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.judgement import shipped
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.registry import choose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--checkpoint", type=Path, metavar="FILE", help="a network trained by `run.py train`")
    shipped_network = f"a trained network of the package (without any of these three: --method {DEFAULT})"
    which.add_argument("--weights", metavar="NAME", help=shipped_network)
    which.add_argument("--method", help=f"a formula, or formulas and a network together: {', '.join(BY_NAME)}")
    enough = f"print a number if it is right with this probability, or a higher one (default: {shipped().trust:g})"
    parser.add_argument("--trust", type=float, metavar="P", help=enough)
    add_inference_options(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """What a video is, and who in it is looked at."""
    parser.add_argument("--fps", type=float, metavar="RATE", help="the true frame rate, if the file states a wrong one")
    parser.add_argument("--face", type=int, metavar="N", help="which face, from the left (default: the largest)")


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """How a network is read."""
    seen = "what a network sees of a face: whole, or corners: the mean wave of the whole crop and its four corners, "
    seen += "which has less noise and takes five times as long"
    parser.add_argument("--crop-views", choices=list(VIEWS), help=seen)
    mixed = "average the network's wave with a classical method's; the cleaner wave has more weight"
    parser.add_argument("--ensemble-with", metavar="METHOD", help=mixed)
    for old, new in OLD_NAMES.items():
        parser.add_argument(old, dest=new, action=_OldName, help=argparse.SUPPRESS)


OLD_NAMES = {"--views": "crop_views", "--beside": "ensemble_with"}  # until the next version


class _OldName(argparse.Action):
    """An option under the name that it had before: taken, with a warning."""

    def __call__(self, parser, namespace, values, option_string=None):
        new = f"--{self.dest.replace('_', '-')}"
        print(f"warning: {option_string} is called {new} now; the next version has the new name alone", file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_monte_carlo(parser: argparse.ArgumentParser) -> None:
    """Monte-Carlo dropout: ``--mc``, ``--mc-rate`` and ``--seed``."""
    parser.add_argument("--mc", type=int, metavar="N", help="Monte-Carlo dropout with N samples (a network only)")
    parser.add_argument(
        "--mc-rate", metavar="P", help="dropout rate: a number, or half or third of training's (default: half)"
    )
    parser.add_argument("--seed", type=int, help="seed of the samples (default: 0)")


def inference_options(args: argparse.Namespace) -> InferenceOptions:
    """What the options ask for, of a command that has those of Monte-Carlo dropout or has not.

    Raises:
        InputError: a number of samples or a rate that is not to be had, or a rate or seed without samples.
    """
    samples, rate, seed = (getattr(args, name, None) for name in ("mc", "mc_rate", "seed"))
    if samples is None and (rate is not None or seed is not None):
        raise InputError("--mc-rate and --seed are about Monte-Carlo dropout: ask for it with --mc 30")
    rate = "half" if rate is None else rate
    with suppress(ValueError):
        rate = float(rate)
    mc = None if samples is None else MonteCarlo(samples, rate, seed or 0)
    return InferenceOptions(args.crop_views or "whole", args.ensemble_with, mc)


def refuse_for_formulas(args: argparse.Namespace, mc: MonteCarlo | None, who: str, cure: str) -> None:
    """Refuse what only a network has, where there is none.

    Raises:
        InputError: Monte-Carlo dropout, views, or a method beside.
    """
    if mc is not None:
        raise InputError(f"--mc {mc.samples}: {who} without dropout; {cure}")
    if args.crop_views:
        raise InputError(f"--crop-views {args.crop_views}: {who} on the mean colour of the skin; {cure}")
    if args.ensemble_with:
        raise InputError(f"--ensemble-with {args.ensemble_with}: a formula goes with a network alone; {cure}")


def chosen_method(args: argparse.Namespace) -> tuple[Method, dict[str, Any], Calibration | None]:
    """The method asked for, how faces are found for it (detector, policy), and what is known about its uncertainty."""
    read = inference_options(args)
    if not (args.checkpoint or args.weights):
        name = args.method or DEFAULT
        build = choose("method", BY_NAME, name)
        who = f"{name} is {'a formula' if name in CLASSICAL else 'an ensemble'}"
        refuse_for_formulas(args, read.mc, who, "name a network with --checkpoint or --weights")
        if args.trust is not None and name != DEFAULT:
            raise InputError(f"--trust {args.trust:g}: {name} has no judgement of its own; leave out --method")
        return build(args.trust) if name == DEFAULT else build(), {}, None
    if args.trust is not None:
        cure = "leave out --weights and --checkpoint"
        raise InputError(f"--trust {args.trust:g}: a network alone has no judgement; {cure}")
    from rppg_graph.models.checkpoint import load  # brings PyG, three seconds that a classical method need not wait
    from rppg_graph.models.weights import load_weights

    checkpoint = load(args.checkpoint) if args.checkpoint else load_weights(args.weights)
    crop = checkpoint.config["data"]["crop"]
    found_by = {key: crop[key] for key in ("detector", "policy") if key in crop}
    return read.of(checkpoint), found_by, calibration_for(checkpoint, read)


def origin(name: str, args: argparse.Namespace) -> str:
    """What a pulse was read by, for the screen."""
    if name in CLASSICAL:
        return f"classical method {name}, no training"
    if not (args.checkpoint or args.weights):
        return f"{name} of formulas and a graph network, judged by all evidence"
    read = inference_options(args)
    network = f"{name} from {args.checkpoint}" if args.checkpoint else args.weights
    views = "" if read.crop_views == "whole" else f", views: {read.crop_views}"
    return f"network {network}{views}{f', beside {read.ensemble_with}' if read.ensemble_with else ''}"
