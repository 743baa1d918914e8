"""One training from a config: people, split, network, trainer, calibration."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch
import yaml
from torch import nn

from rppg_graph.config import Config, validate_options
from rppg_graph.data.augment import Augment
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clips import ClipDataset
from rppg_graph.data.prepared import cached_recordings, split_of
from rppg_graph.data.splits import write_splits
from rppg_graph.errors import InputError
from rppg_graph.experiments.environment import examine
from rppg_graph.files import claim
from rppg_graph.inference.calibration import KINDS as CALIBRATIONS
from rppg_graph.inference.calibration import calibrate
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import load, save
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.registry import choose
from rppg_graph.report.plots import plot_learning
from rppg_graph.synthetic import render_people
from rppg_graph.synthetic.mix import write_mix
from rppg_graph.training.trainer import Trainer, read_metrics

OWN_LOSS = {"wave": "neg_pearson", "differenced": "mse"}


def train(
    config: Config, folder: Path, resume: bool = False, calibrations: Sequence[str] = tuple(CALIBRATIONS)
) -> None:
    """Generate and preprocess what is missing, fit the network, calibrate it in these ways, leave a run."""
    if config.synthetic:
        write_mix(config.data.root, config.synthetic)
    torch.manual_seed(config.seed)
    model = MODELS[config.model.name](**config.model.options)
    if config.model.start is not None and not resume:
        start_from(model, config.model.start)
    recordings = cached_recordings(config.data)
    split = split_of(recordings, config.data)
    write_splits(folder / "split.yaml", [split])
    sides = {side: [r for r in recordings if split.side(r.subject) == side] for side in ("train", "validation")}
    if config.rendered:
        sides["train"] += rendered_people(config)
    clips = {"clip_frames": config.data.clip_frames, "stride": config.data.stride}
    augment = config.train.augment and Augment(config.data.clip_frames, **config.train.augment.model_dump())
    options = config.train.model_dump(exclude={"augment", "loss"})
    loss = config.train.loss or OWN_LOSS[model.label]
    training = ClipDataset(sides["train"], augment=augment or None, seed=config.seed, **clips)
    trainer = Trainer(
        model,
        loss,
        training,
        ClipDataset(sides["validation"], fps=training.fps, **clips),
        seed=config.seed,
        device="cuda" if torch.cuda.is_available() else "cpu",
        **options,
    )
    if resume and (folder / "last.pt").exists():
        last = load(folder / "last.pt")
        model.load_state_dict(last.model.state_dict())
        trainer.resume(last.training)
    trainer.run(folder, config.model_dump(mode="json"), mean_reference_bpm(sides["train"]))
    rows = read_metrics(folder)
    if config.train.steps:
        plot_learning(folder / "loss.png", rows, loss)
    best = min(rows, key=lambda row: row["validation_loss"])
    print(f"{folder}/best.pt: validation loss {best['validation_loss']:.3f} at step {best['step']:.0f}")
    if not calibrations:
        return
    reached = load(folder / "best.pt")
    reached.model.to(trainer.device)
    calibration = calibrate(reached, sides["validation"], calibrations)
    save(folder / "best.pt", reached._replace(calibration=calibration))
    print("\n".join(Calibration(**fields).summary() for fields in calibration.values()))


def rendered_people(config: Config) -> list[CachedRecording]:
    """The crops of the config's further people, rendered now if they are not beside its recordings."""
    out, crop = config.data.root.with_name(f"{config.data.root.name}-rendered"), config.data.crop.size
    with claim(out.with_name(f"{out.name}.claim")):  # two processes must not render the same people
        return render_people(out, [part.model_dump(exclude_none=True) for part in config.rendered], crop=crop)


def start_from(model: nn.Module, start: Path | tuple[Path, ...]) -> None:
    """Give a network the weights of a checkpoint of the same architecture, or a pair's members those of one each.

    Raises:
        InputError: weights that do not fit, or another number of checkpoints than there are networks.
    """
    paths = (start,) if isinstance(start, Path) else start
    networks = (model,) if isinstance(start, Path) else getattr(model, "members", (model,))
    if len(paths) != len(networks):
        names = ", ".join(map(str, paths))
        raise InputError(f"model.start names {len(paths)} checkpoints ({names}); the network takes {len(networks)}")
    for network, path in zip(networks, paths, strict=True):
        _start_from_one(network, path)


def _start_from_one(model: nn.Module, path: Path) -> None:
    try:
        model.load_state_dict(load(path).model.state_dict())
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise InputError(f"model.start: {path} holds another network: {reason}") from error


def size_model(config: Config) -> Config:
    """The config with its network sized for its clips; options that the network does not take are refused."""
    network = get_type_hints(choose("model", MODELS, config.model.name))["return"]
    sized = {"size": config.data.crop.size, "clip_frames": config.data.clip_frames}
    options = {key: value for key, value in sized.items() if key in inspect.signature(network).parameters}
    options |= validate_options(network, config.model.options, "model.options")
    return config.model_copy(update={"model": config.model.model_copy(update={"options": options})})


def mean_reference_bpm(recordings: list[CachedRecording]) -> float:
    """Mean of the recordings' reference heart rates: all that a network knows that has learnt nothing else."""
    rates = []
    for recording in recordings:
        known = np.isfinite(recording.pulse)
        _, pulse = resample(recording.seconds[known], recording.pulse[known], recording.fps)
        rate = heart_rate(prepare_native(pulse, recording.fps), recording.fps, contact=True).bpm
        if rate is not None:
            rates.append(rate)
    return float(np.mean(rates))


def start_run(folder: Path, config: Config) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds a run already; go on with --resume {folder}, or name another with --out")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    (folder / "versions.json").write_text(json.dumps(examine(), indent=2) + "\n")
