"""The command line: ``run.py COMMAND`` in a checkout, ``rppg-graph COMMAND`` where the package is installed.

A command is one module here: ``HELP`` (one line), ``EXAMPLES`` (shown by ``--help``), ``add_arguments(parser)`` and
``run(args)``, which loads what is named, calls one function and prints one result; it may return an exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from rppg_graph import __version__
from rppg_graph.errors import InputError
from rppg_graph.training.memory import own_process

# Modules are imported when their command is asked for: `--help` answers at once, without loading torch.
COMMANDS: dict[str, str] = {
    "predict": "heart rate and pulse wave of a face video",
    "live": "heart rate while it is being filmed: of a webcam, or of a video replayed",
    "train": "fit a network to recordings with a reference pulse",
    "eval": "measure checkpoints and classical methods against reference pulses",
    "compare": "train several networks under one budget and table their accuracy, cost and uncertainty",
    "ablate": "train the variants of a study that are not done yet, and make its tables and plots",
    "synth": "write face videos with a known pulse, in the layout of a real dataset",
    "check-data": "say what a folder of recordings holds, and what is missing or odd",
    "preprocess": "cut the faces out of a dataset, once",
    "score": "score pulse waves of any origin (.npz) under a protocol",
    "export": "a trained network as one file that runs without this project: ONNX or torch.export",
    "demo": "generate people, train, evaluate, predict and plot, in minutes",
    "doctor": "versions, devices and backends, and how to install what is missing",
}


OTHERS = r"(torch|torch_geometric|torch_cluster|sklearn|scipy|numba|numpy|neurokit2|matplotlib|pandas|av|onnx)(\.|$)"
"""Packages whose remarks are not for users."""

# Commands whose work falls into independent pieces: recordings, or runs.
POOLED = ("preprocess", "synth", "eval", "compare", "ablate")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; exit code 0 for success, 1 for a finding, 2 for a mistake in what was given."""
    if argv is None:  # this process is ours; a caller of the library keeps its own as it is
        own_process()
        warnings.formatwarning = lambda message, *_: f"note: {message}\n"
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None and not {"-v", "--verbose"} & set(arguments):
        warnings.filterwarnings("ignore", module=OTHERS)
    if {"-q", "--quiet"} & set(arguments):
        os.environ["TQDM_DISABLE"] = "1"  # read where tqdm is imported, with the command
        warnings.simplefilter("ignore")
    command = next((word for word in arguments if not word.startswith("-")), None)
    parser = _parser(command)
    args, rest = parser.parse_known_args(arguments)
    if hasattr(args, "overrides"):  # argparse leaves over those that stand behind an option
        args.overrides += [word for word in rest if _is_override(word)]
        rest = [word for word in rest if not _is_override(word)]
    if rest:
        parser.error(f"{command} does not know {' '.join(rest)}")
    warnings.formatwarning = lambda message, *_, **__: f"remark: {message}\n"  # not the line of code it comes from
    try:
        if command not in POOLED:
            return args.run(args) or 0
        from rppg_graph.data.pool import pool  # brings joblib, which `--help` need not wait for

        with pool(args.workers, args.scheduler):
            return args.run(args) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(stop if stop.args else "stopped", file=sys.stderr)
        return 130


def _is_override(word: str) -> bool:
    return "=" in word and not word.startswith("-")


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Pulse from face video with graph neural networks. A research tool, not a medical device.",
        epilog="`run.py COMMAND --help` shows a command's options with examples.",
    )
    parser.add_argument("--version", action="version", version=f"rppg_graph {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, help_line in COMMANDS.items():
        if name == command:
            module = import_module(f"rppg_graph.cli.{name.replace('-', '_')}")
            told = {"description": f"{help_line[0].upper()}{help_line[1:]}.", "epilog": f"examples:\n{module.EXAMPLES}"}
            as_written = argparse.RawDescriptionHelpFormatter
            subparser = subparsers.add_parser(name, help=help_line, formatter_class=as_written, **told)
            module.add_arguments(subparser)
            if name in POOLED:
                subparser.add_argument("--workers", type=int, metavar="N", help="processes at work at the same time")
                subparser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster: tcp://HOST:PORT")
            loudness = subparser.add_mutually_exclusive_group()
            loudness.add_argument("-q", "--quiet", action="store_true", help="results and errors alone, no progress")
            loudness.add_argument("-v", "--verbose", action="store_true", help="also what other packages remark")
            subparser.set_defaults(run=module.run)
        else:
            subparsers.add_parser(name, help=help_line)
    return parser
