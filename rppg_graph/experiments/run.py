"""One planned run: trained once, measured once, by one process at a time; and what is measured of every run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rppg_graph.config import Config, load_config
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.prepared import believable, cached_recordings, split_of_run
from rppg_graph.errors import InputError
from rppg_graph.experiments import cost
from rppg_graph.experiments.environment import examine
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.train_run import CLAIM, CONFIG_FILE, train, write_config
from rppg_graph.files import claim, write_json
from rppg_graph.inference.methods import Method
from rppg_graph.inference.predict import recording_wave
from rppg_graph.models.checkpoint import Checkpoint, is_begun, load
from rppg_graph.pulse.evaluation import Evaluation, evaluate_waves
from rppg_graph.training.run_files import read_metrics

WINDOW_SECONDS = 10.0
COST = "cost.json"  # of a run folder: there when it is trained


def finish(
    run: Run,
    measure: Callable[[Run, Checkpoint], dict[str, Any]],
    file: str,
    calibrations: Sequence[str] = (),
    wait: bool = True,
) -> dict[str, Any] | None:
    """Train a run to its end and measure it, in this process; what is done already is read from its files.

    Args:
        measure: figures of the trained network, kept in ``file`` of the run's folder.
        calibrations: what the checkpoint is to know of the worth of its uncertainty, names of ``calibrate.KINDS``.
        wait: for another process that is at this run; if not, None is returned.

    Raises:
        InputError: the folder holds a run of another config, or the training failed.
    """
    with claim(run.folder / CLAIM, wait) as mine:
        if not mine:
            return None
        fit(run, calibrations)
        place = run.folder / file
        if not place.exists():
            write_json(place, measure(run, load(run.best)))
        return json.loads(place.read_text(encoding="utf-8"))


def fit_claimed(run: Run) -> None:
    """Train a run to its end and measure nothing, in one process at a time: another one that is at it is waited for."""
    with claim(run.folder / CLAIM):
        fit(run)


def fit(run: Run, calibrations: Sequence[str] = ()) -> None:
    """Train a run to its end, from where a stop left it; nothing where it is trained."""
    place, there = run.folder / CONFIG_FILE, None
    if place.exists():
        with suppress(InputError):  # a config of another version
            there = load_config(place).model_dump(mode="json")
        if there != run.config.model_dump(mode="json"):
            cure = "remove it, or name another folder with --runs"
            raise InputError(f"{run.folder} holds a run of another config; {cure}")
    if (run.folder / COST).exists():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    write_config(run.folder, run.config)
    started = time.perf_counter()
    train(run.config, run.folder, resume=is_begun(run.folder), calibrations=calibrations)
    rows = read_metrics(run.folder)
    found = {
        "steps": rows[-1]["step"],
        "seconds_per_step": float(np.median([row["seconds_per_step"] for row in rows if "loss" in row])),
        "training_seconds": time.perf_counter() - started,  # of the process that ended it
        "training_peak_mib": cost.peak_memory_mib(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    write_json(run.folder / COST, found)


def cost_of(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    """What training took, and what one pass takes."""
    shape = checkpoint.model, run.config.data.clip_frames, run.config.data.crop.size
    return json.loads((run.folder / COST).read_text(encoding="utf-8")) | {
        "parameters": cost.parameters(checkpoint.model),
        "macs_per_frame": cost.macs_per_frame(*shape),
        "inference_ms": cost.inference_ms(*shape),
    }


def recordings_to_test(config: Config, folder: Path) -> list[CachedRecording]:
    """The recordings of the test subjects of the run in a folder."""
    recordings = cached_recordings(config.data)
    split = split_of_run(folder, recordings, config.data)
    return [recording for recording in believable(recordings, config.data) if split.side(recording.subject) == "test"]


def evaluated(method: Method, recordings: list[CachedRecording]) -> Evaluation:
    """By the native protocol, whole and in windows of ten seconds."""
    return evaluate_waves([recording_wave(recording, method) for recording in recordings], "native", WINDOW_SECONDS)


def accuracy(evaluation: Evaluation) -> dict[str, float | int | None]:
    """Metrics over the windows, and how many those are."""
    metrics = evaluation.window_metrics
    return {name: metrics[name].value for name in ("MAE", "RMSE", "r", "SNR")} | {"windows": metrics["MAE"].n}


def stamp() -> dict[str, Any]:
    """Commit, versions and machine of a result."""
    describe = ["describe", "--always", "--exclude=*", "--dirty= with changes"]
    done = subprocess.run(["git", *describe], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return {"commit": done.stdout.strip() or "unknown", "threads": torch.get_num_threads(), **examine()}
