"""What is measured of a trained run: accuracy, robustness, cost, and what its graph does."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rppg_graph.config import CropConfig, DataConfig, SyntheticConfig
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clips import ClipDataset
from rppg_graph.data.prepared import cached_recordings
from rppg_graph.errors import InputError
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.run import WINDOW_SECONDS, accuracy, cost_of, recordings_to_test, stamp
from rppg_graph.experiments.study import EvaluationConfig
from rppg_graph.inference.methods import Method, Reading
from rppg_graph.inference.predict import recording_wave
from rppg_graph.models.checkpoint import Checkpoint
from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.phase import pulse_phase
from rppg_graph.report.graph_statistics import Against, GraphStatistics, graph_statistics
from rppg_graph.report.graph_view import costs
from rppg_graph.synthetic.mix import write_mix
from rppg_graph.training.trainer import read_metrics

PRESET_SETS = Path("runs") / "presets"  # made once for all studies
OWN, REAL = "own", "real"  # sets beside those of the presets: the run's own test subjects, and those of --data
FIGURES = ("seconds", "segments", "patches", "phase_cosine", "nearest", "kept")  # of GraphStatistics, with their chance


def preset_data(preset: str, evaluation: EvaluationConfig, crop: CropConfig) -> DataConfig:
    """The recordings of a preset, generated now if they are not there; a frame without a face is no failure."""
    name = f"{preset}-{evaluation.subjects}x{evaluation.seconds:g}s-seed{evaluation.seed}"
    root = PRESET_SETS / name
    people = evaluation.model_dump(include={"subjects", "seconds", "seed"})
    write_mix(root, [SyntheticConfig(preset=preset, **people)])
    return DataConfig(root=root, layout="ubfc-rppg", crop=crop.model_copy(update={"policy": "skip"}))


def prepare(runs: Iterable[Run], evaluation: EvaluationConfig, real: Path | None) -> None:
    """Make everything that the runs are trained and measured on, with all cores, before the first of them starts."""
    for data in {run.config.data.model_dump_json(): run.config.data for run in runs}.values():
        cached_recordings(data)
    for crop in {run.config.data.crop.model_dump_json(): run.config.data.crop for run in runs}.values():
        for data in _sets(evaluation, real, crop).values():
            cached_recordings(data)


def _sets(evaluation: EvaluationConfig, real: Path | None, crop: CropConfig) -> dict[str, DataConfig]:
    sets = {preset: preset_data(preset, evaluation, crop) for preset in evaluation.presets}
    skipping = crop.model_copy(update={"policy": "skip"})
    return sets if real is None else sets | {REAL: DataConfig(root=real, crop=skipping)}


def measured(run: Run, checkpoint: Checkpoint, evaluation: EvaluationConfig, real: Path | None) -> dict[str, Any]:
    """The row of a trained run, and what its graph does on every set: ``{"row": …, "graph": …}``."""
    started = time.perf_counter()
    sets = {OWN: recordings_to_test(run.config, run.folder)}
    for name, data in _sets(evaluation, real, run.config.data.crop).items():
        sets[name] = [recording for recording in cached_recordings(data) if recording.pulse is not None]
    method = Reading().of(checkpoint)
    figures = {name: _figures(method, recordings) for name, recordings in sets.items()}
    graph = {name: _graph(run, checkpoint, recordings, evaluation) for name, recordings in sets.items()}
    cost = _cost(run, checkpoint) | {"measuring_seconds": time.perf_counter() - started}
    learning = [{key: row[key] for key in ("step", "loss", "validation_loss")} for row in read_metrics(run.folder)]
    presets = [error for preset in evaluation.presets for error in figures[preset]["errors"].values()]
    about = stamp()
    packages = {name: about["packages"][name] for name in ("torch", "torch-geometric", "numpy", "numba")}
    machine = {name: about["machine"][name] for name in ("rppg_graph", "python", "system", "cores", "GPUs")}
    row = {
        "steps": cost["steps"],
        "accuracy": figures[OWN]["accuracy"],
        "presets": {"MAE": float(np.mean(presets)) if presets else None},
        "robustness": {name: found["accuracy"] for name, found in figures.items() if name != OWN},
        "errors": {name: found["errors"] for name, found in figures.items()},
        "unusable": {name: found["unusable"] for name, found in figures.items() if found["unusable"]},
        "graph": _summary(graph[OWN]),
        "cost": cost,
        "learning": learning,
        "stamp": {"commit": about["commit"], "threads": about["threads"], **machine, **packages},
    }
    return {"row": row, "graph": {"sets": {name: _blocks(blocks, name == OWN) for name, blocks in graph.items()}}}


def _figures(method: Method, recordings: Sequence[CachedRecording]) -> dict[str, Any]:
    """Accuracy over windows, each recording's mean absolute error (bpm), and the recordings that have no wave."""
    waves, unusable = [], []
    for recording in recordings:
        try:
            waves.append(recording_wave(recording, method))
        except InputError:  # no stretch with a face as long as a clip
            unusable.append(recording.name)
    if not waves:
        return {"accuracy": None, "errors": {}, "unusable": unusable}
    evaluation = evaluate_waves(waves, "native", WINDOW_SECONDS)
    errors = defaultdict(list)
    for window in evaluation.windows:
        if window.error_bpm is not None:
            errors[window.name].append(abs(window.error_bpm))
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    return {"accuracy": accuracy(evaluation), "errors": means, "unusable": unusable}


def _cost(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    """The costs of every run, the search for neighbours in one pass over a clip, and the time of the whole training."""
    found = cost_of(run, checkpoint)
    clip = torch.rand(1, 3, run.config.data.clip_frames, *2 * [run.config.data.crop.size])
    neighbours = [part.seconds["neighbours"] for part in costs(checkpoint.model, clip) if "neighbours" in part.seconds]
    training = max(found["training_seconds"], found["steps"] * found["seconds_per_step"])  # it may have been stopped
    return found | {"graph_ms": 1e3 * sum(neighbours), "training_seconds": training}


def _graph(
    run: Run, checkpoint: Checkpoint, recordings: Sequence[CachedRecording], evaluation: EvaluationConfig
) -> list[GraphStatistics]:
    frames = run.config.data.clip_frames
    dataset = ClipDataset(recordings, frames, stride=frames, fps=checkpoint.fps)
    first = {clip[0]: number for number, clip in reversed(list(enumerate(dataset.clips)))}  # of each recording
    videos, phases = [], []
    for number, index in sorted(first.items())[: evaluation.graph_clips]:
        start = dataset.clips[index][1]
        videos.append(dataset[(index, 0)][0])
        recording, grid = recordings[number], np.arange(start, start + frames) / checkpoint.fps
        known = np.isfinite(recording.pulse)
        seconds = recording.seconds[known]
        phase = np.interp(grid, seconds, pulse_phase(seconds, recording.pulse[known], recording.fps))
        phases.append(torch.as_tensor(phase))
    if not videos:
        return []
    return graph_statistics(checkpoint.model, torch.stack(videos), torch.stack(phases), checkpoint.fps)


def _summary(blocks: Sequence[GraphStatistics]) -> dict[str, float | None]:
    """Mean over the blocks that have the figure."""
    found = {name: [getattr(block, name) for block in blocks] for name in FIGURES}
    values: dict[str, list[float | None]] = {}
    for name, figures in found.items():
        values |= {name: [f.found for f in figures], f"{name}_chance": [f.chance for f in figures]}
    values["phase_cosine_of_lags"] = [block.phase_cosine_of_lags for block in blocks]
    known = {name: [v for v in some if v is not None] for name, some in values.items()}
    return {name: float(np.mean(some)) if some else None for name, some in known.items()}


def _blocks(blocks: Sequence[GraphStatistics], with_maps: bool) -> list[dict[str, Any]]:
    """As JSON takes them; the map of neighbours of the first and the last block alone, if wanted."""
    rows = []
    for number, block in enumerate(blocks):
        row: dict[str, Any] = {}
        for name, value in asdict(block).items():
            if isinstance(getattr(block, name), Against):
                row |= {name: value["found"], f"{name}_chance": value["chance"]}
            elif not isinstance(value, np.ndarray):
                row[name] = value
            elif with_maps and number in (0, len(blocks) - 1):
                row[name] = np.round(value, 6).tolist()
        rows.append(row)
    return rows
