"""What is measured of a trained run: accuracy, robustness, cost, and what its graph does."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rppg_graph.config import Config, DataConfig
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.data.prepared import believable, cached_recordings
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.errors import InputError
from rppg_graph.experiments.people import Person, fingerprint, people_to_try, persons
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.run import WINDOW_SECONDS, accuracy, cost_of, recordings_to_test, stamp
from rppg_graph.experiments.study import EvaluationConfig
from rppg_graph.inference.ensemble import Ensemble
from rppg_graph.inference.ensemble_stream import read_traces
from rppg_graph.inference.ensemble_windows import FRAMES
from rppg_graph.inference.methods import InferenceOptions
from rppg_graph.inference.predict import recording_wave, wave_beside
from rppg_graph.models.checkpoint import Checkpoint
from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.phase import pulse_phase
from rppg_graph.report.graph_statistics import Against, GraphStatistics, graph_statistics
from rppg_graph.report.graph_view import costs
from rppg_graph.training.run_files import read_metrics

OWN, REAL = "own", "real"  # sets beside those of the presets: the run's own test subjects, and those of --data
MAIN = "office"  # the preset whose graphs are drawn where a run has no test subjects of its own
FIGURES = ("seconds", "segments", "patches", "phase_cosine", "nearest", "kept")  # of GraphStatistics, with their chance
CLOSE_BPM = 5.0


def prepare(runs: Iterable[Run], evaluation: EvaluationConfig, real: Path | None) -> None:
    """Make everything that the runs are trained and measured on, with all cores, before the first of them starts."""
    for config in {run.config.data.model_dump_json(): run.config for run in runs}.values():
        if not config.simulated:
            cached_recordings(config.data)
        people(config, evaluation, real)


def people(config: Config, evaluation: EvaluationConfig, real: Path | None) -> dict[str, list[Person]]:
    """Whom a network is measured on, by set; made now if they are not there."""
    crop = SKIN_CROP if config.simulated else config.data.crop.size
    size = evaluation.subjects, evaluation.seconds, crop
    sets = {preset: people_to_try(preset, *size) for preset in evaluation.presets}
    if real is not None:
        skipping = config.data.crop.model_copy(update={"policy": "skip", "size": crop})
        source = DataConfig(root=real, crop=skipping, every_reference=config.data.every_reference)
        sets[REAL] = persons(believable(cached_recordings(source), source))
    return sets


def measured(run: Run, checkpoint: Checkpoint, evaluation: EvaluationConfig, real: Path | None) -> dict[str, Any]:
    """The row of a trained run, and what its graph does on every set: ``{"row": …, "graph": …}``."""
    started = time.perf_counter()
    own = {} if run.config.simulated else {OWN: persons(recordings_to_test(run.config, run.folder))}
    tried = people(run.config, evaluation, real)
    sets = own | {name: [each for each in found if each.recording.pulse is not None] for name, found in tried.items()}
    read = _reader(checkpoint)
    figures = {name: _figures(read, found) for name, found in sets.items()}
    graph = {name: _graph(run, checkpoint, found, evaluation) for name, found in sets.items()}
    cost = _cost(run, checkpoint) | {"measuring_seconds": time.perf_counter() - started}
    learning = [{key: row[key] for key in ("step", "loss", "validation_loss")} for row in read_metrics(run.folder)]
    presets = {
        figure: [value for preset in evaluation.presets for value in figures[preset][figure].values()]
        for figure in PAIRED
    }
    blocks = [found for name, found in graph.items() if name == OWN or not own]
    about = stamp()
    packages = {name: about["packages"][name] for name in ("torch", "torch-geometric", "numpy", "numba")}
    machine = {name: about["machine"][name] for name in ("rppg_graph", "python", "system", "cores", "GPUs")}
    row = {
        "steps": cost["steps"],
        "accuracy": figures[OWN]["accuracy"] if own else None,
        "presets": {figure: float(np.mean(values)) if values else None for figure, values in presets.items()},
        "robustness": {name: found["accuracy"] for name, found in figures.items() if name != OWN},
        **{figure: {name: found[figure] for name, found in figures.items()} for figure in PAIRED},
        "unusable": {name: found["unusable"] for name, found in figures.items() if found["unusable"]},
        "people": fingerprint(each for preset in evaluation.presets for each in sets[preset]),
        "graph": _summary([block for found in blocks for block in found]),
        "cost": cost,
        "learning": learning,
        "stamp": {"commit": about["commit"], "threads": about["threads"], **machine, **packages},
    }
    drawn = {name: _blocks(blocks, name in (OWN, MAIN)) for name, blocks in graph.items()}
    return {"row": row, "graph": {"sets": drawn}}


PAIRED = ("errors", "close", "snr")  # what is compared person by person: bpm, share within 5 bpm, dB


def _reader(checkpoint: Checkpoint) -> Callable[[Person], Wave]:
    """A network's way from a person to a wave: by the colours read before, window beside window, if it can."""
    if hasattr(checkpoint.model, "from_map"):
        alone = Ensemble((), checkpoint.model.eval(), name="network")
        return lambda person: wave_beside(person.recording, read_traces(alone, person.traces, FRAMES), alone.name)
    method = InferenceOptions().of(checkpoint)
    return lambda person: recording_wave(person.recording, method)


def _figures(read: Callable[[Person], Wave], tried: Sequence[Person]) -> dict[str, Any]:
    """Accuracy over windows, the figures of ``PAIRED`` of each recording, and the recordings that have no wave."""
    waves, unusable = [], []
    for person in tried:
        try:
            waves.append(read(person))
        except InputError:  # no stretch with a face as long as a clip
            unusable.append(person.recording.name)
    if not waves:
        return {"accuracy": None, "unusable": unusable} | {figure: {} for figure in PAIRED}
    evaluation = evaluate_waves(waves, "native", WINDOW_SECONDS)
    found: dict[str, dict[str, list[float]]] = {figure: defaultdict(list) for figure in PAIRED}
    for window in evaluation.windows:
        if window.error_bpm is not None:
            found["errors"][window.name].append(abs(window.error_bpm))
            found["close"][window.name].append(float(abs(window.error_bpm) <= CLOSE_BPM))
        if window.snr_db is not None:
            found["snr"][window.name].append(window.snr_db)
    means = {
        figure: {name: float(np.mean(values)) for name, values in named.items()} for figure, named in found.items()
    }
    return {"accuracy": accuracy(evaluation), "unusable": unusable} | means


def _cost(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    """The costs of every run, the search for neighbours in one pass over a clip, and the time of the whole training."""
    found = cost_of(run, checkpoint)
    clip = torch.rand(1, 3, run.config.data.clip_frames, *2 * [run.config.data.crop.size])
    neighbours = [part.seconds["neighbours"] for part in costs(checkpoint.model, clip) if "neighbours" in part.seconds]
    training = max(found["training_seconds"], found["steps"] * found["seconds_per_step"])  # it may have been stopped
    return found | {"graph_ms": 1e3 * sum(neighbours), "training_seconds": training}


def _graph(
    run: Run, checkpoint: Checkpoint, tried: Sequence[Person], evaluation: EvaluationConfig
) -> list[GraphStatistics]:
    frames, recordings = run.config.data.clip_frames, [person.recording for person in tried[: evaluation.graph_clips]]
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
