"""The options of Monte-Carlo dropout, which several commands take."""

from __future__ import annotations

import argparse

from rppg_graph.errors import InputError
from rppg_graph.inference.methods import MonteCarlo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--mc``, ``--mc-rate`` and ``--seed``."""
    parser.add_argument("--mc", type=int, metavar="N", help="Monte-Carlo dropout with N samples (a network only)")
    parser.add_argument(
        "--mc-rate", metavar="P", help="dropout rate: a number, or half or third of training's (default: half)"
    )
    parser.add_argument("--seed", type=int, help="seed of the samples (default: 0)")


def monte_carlo(args: argparse.Namespace) -> MonteCarlo | None:
    """What the options ask for; None for prediction by one pass.

    Raises:
        InputError: a number of samples or a rate that is not to be had, or a rate or seed without samples.
    """
    if args.mc is None:
        if args.mc_rate is not None or args.seed is not None:
            raise InputError("--mc-rate and --seed are about Monte-Carlo dropout: ask for it with --mc 30")
        return None
    return MonteCarlo(args.mc, _rate(args.mc_rate or "half"), args.seed or 0)


def _rate(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
