"""Many experiments under one plan: what is trained, how each run is trained once and measured once, and its stamp."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from pydantic import Field

from rppg_graph.calibrate import calibration_for
from rppg_graph.checkpoint import Checkpoint, load
from rppg_graph.cli import cost
from rppg_graph.cli.doctor import examine
from rppg_graph.cli.recordings import cached_recordings, split_of
from rppg_graph.cli.train import size_model, train
from rppg_graph.config import Config, Section, apply_override, validate
from rppg_graph.data.cache import CachedRecording
from rppg_graph.errors import InputError
from rppg_graph.methods import Method, MonteCarlo, NetworkMethod
from rppg_graph.predict import recording_wave
from rppg_graph.pulse.evaluation import Evaluation, evaluate_waves
from rppg_graph.pulse.uncertainty import assess
from rppg_graph.train import read_metrics

WINDOW_SECONDS = 10.0


class EntryConfig(Section):
    """One line of the table."""

    name: str = Field(description="of the line, and of its run folders")
    overrides: tuple[str, ...] = Field((), description="of the base, as on the command line: key.path=value")


class SyntheticConfig(Section):
    """Recordings to generate, of one preset."""

    preset: str = Field(description="a name of data.synthetic.PRESETS")
    subjects: int = Field(gt=0)
    seconds: float = Field(20.0, gt=0)
    seed: int = 1


class MonteCarloConfig(Section):
    """Monte-Carlo dropout, as ``--mc`` and ``--mc-rate``."""

    samples: int = 30
    rate: float | str = "half"


class Plan(Section):
    """Entries × seeds on one base experiment."""

    base: dict[str, Any] = Field(description="an experiment, as in a config of run.py train")
    entries: tuple[EntryConfig, ...]
    seeds: tuple[int, ...] = (1, 2, 3)
    synthetic: tuple[SyntheticConfig, ...] = Field((), description="written to data.root, subjects in turn, if missing")
    untrained: tuple[str, ...] = Field((), description="entries to show untrained as well")
    classical: tuple[str, ...] = Field(("pos",), description="classical methods to show")
    monte_carlo: MonteCarloConfig = MonteCarloConfig()


class Run(NamedTuple):
    """One entry with one seed."""

    entry: str
    seed: int
    config: Config
    folder: Path


def load_plan(path: Path) -> Plan:
    """Read a plan from YAML.

    Raises:
        InputError: no such file, not YAML, or keys and values that the schema refuses, in the base of any entry too.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the plan {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a YAML file: {error}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} must hold a mapping with base and entries, it holds {tree!r}")
    plan = validate(Plan, tree, str(path))
    names = [entry.name for entry in plan.entries]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two entries are named {next(n for n in names if names.count(n) > 1)!r}")
    for name in plan.untrained:
        if name not in names:
            raise InputError(f"{path}: untrained names {name!r}, which is not an entry: {', '.join(names)}")
    MonteCarlo(plan.monte_carlo.samples, plan.monte_carlo.rate)
    return plan


def planned_runs(plan: Plan, folder: Path) -> list[Run]:
    """Every entry with every seed, one seed after the other, all checked before the first is trained."""
    return [
        Run(entry.name, seed, _config(plan, entry, seed), folder / f"{entry.name}-seed{seed}")
        for seed in plan.seeds
        for entry in plan.entries
    ]


def _config(plan: Plan, entry: EntryConfig, seed: int) -> Config:
    tree = copy.deepcopy(plan.base)
    for override in (*entry.overrides, f"seed={seed}"):
        apply_override(tree, override)
    return size_model(validate(Config, tree, f"entry {entry.name}"))


def fit(run: Run) -> None:
    """Train a run to its end, in a process of its own so that its memory is its own; what is done is not done again.

    Raises:
        InputError: the folder holds a run of another config, or the training failed.
    """
    stated = run.config.model_dump(mode="json")
    place = run.folder / "config.yaml"
    if place.exists() and yaml.safe_load(place.read_text(encoding="utf-8")) != stated:
        raise InputError(f"{run.folder} holds a run of another config; remove it, or name another folder with --runs")
    if (run.folder / "cost.json").exists():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    place.write_text(yaml.safe_dump(stated, sort_keys=False), encoding="utf-8")
    process = get_context("spawn").Process(target=_fit_here, args=(run,))
    process.start()
    process.join()
    if process.exitcode:
        raise InputError(f"{run.folder}: the training ended with exit code {process.exitcode}; what it said is above")


def _fit_here(run: Run) -> None:
    train(run.config, run.folder, resume=(run.folder / "last.pt").exists())
    rows = read_metrics(run.folder)
    found = {
        "steps": rows[-1]["step"],
        "seconds_per_step": float(np.median([row["seconds_per_step"] for row in rows])),
        "training_peak_mib": cost.peak_memory_mib(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    (run.folder / "cost.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measured(run: Run, mc: MonteCarlo) -> dict[str, Any]:
    """The figures of a trained run on its test subjects; read from ``measured.json`` where it is there."""
    place = run.folder / "measured.json"
    if place.exists():
        return json.loads(place.read_text(encoding="utf-8"))
    checkpoint = load(run.folder / "best.pt")
    recordings = recordings_to_test(run.config)
    evaluation = evaluate(NetworkMethod.from_checkpoint(checkpoint), recordings)
    sampled = evaluate(NetworkMethod.from_checkpoint(checkpoint, mc), recordings)
    found = {
        "entry": run.entry,
        "seed": run.seed,
        "accuracy": accuracy(evaluation),
        "accuracy_mc": accuracy(sampled),
        "cost": json.loads((run.folder / "cost.json").read_text(encoding="utf-8")) | _cost(checkpoint, run.config),
        "uncertainty": {
            "quality": assess(evaluation.windows, calibration_for(checkpoint, None)),
            "mc": assess(sampled.windows, calibration_for(checkpoint, mc)),
        },
    }
    place.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return found


def _cost(checkpoint: Checkpoint, config: Config) -> dict[str, float]:
    shape = checkpoint.model, config.data.clip_frames, config.data.crop.size
    return {
        "parameters": cost.parameters(checkpoint.model),
        "macs_per_frame": cost.macs_per_frame(*shape),
        "inference_ms": cost.inference_ms(*shape),
    }


def recordings_to_test(config: Config) -> list[CachedRecording]:
    """The recordings of the config's test subjects."""
    recordings = cached_recordings(config.data)
    split = split_of(recordings, config.data)
    return [recording for recording in recordings if split.side(recording.subject) == "test"]


def evaluate(method: Method, recordings: list[CachedRecording]) -> Evaluation:
    """By the native protocol, whole and in windows of ten seconds."""
    return evaluate_waves([recording_wave(recording, method) for recording in recordings], "native", WINDOW_SECONDS)


def accuracy(evaluation: Evaluation) -> dict[str, float | int | None]:
    """Metrics over the windows, and how many those are."""
    metrics = evaluation.window_metrics
    return {name: metrics[name].value for name in ("MAE", "RMSE", "r", "SNR")} | {"windows": metrics["MAE"].n}


def stamp() -> dict[str, Any]:
    """Commit, versions and machine of a result."""
    return {"commit": "".join(_commit()), "threads": torch.get_num_threads(), **examine()}


def _commit() -> Iterator[str]:
    here = Path(__file__).parent
    for command in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no")):
        done = subprocess.run(["git", "-C", str(here), *command], capture_output=True, text=True, check=False)
        if command[0] == "rev-parse":
            yield done.stdout.strip() or "unknown"
        elif done.stdout.strip():
            yield " with changes"
