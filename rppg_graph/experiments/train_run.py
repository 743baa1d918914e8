"""One training from a config: people, split, network, trainer, calibration."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import get_type_hints

import torch
import yaml
from torch import nn

from rppg_graph.config import Config, load_config, validate_options
from rppg_graph.data.augment import Augment
from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.data.prepared import SPLIT_FILE
from rppg_graph.data.splits import split_rule
from rppg_graph.errors import InputError
from rppg_graph.experiments.environment import examine
from rppg_graph.experiments.training_people import recorded_people, simulated_people, split_to_train
from rppg_graph.files import claim, keep_apart, write_json, write_text, write_whole
from rppg_graph.inference.calibration import KINDS as CALIBRATIONS
from rppg_graph.inference.calibration import calibrate
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import BEST, best_of, is_begun, latest, load, save
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.registry import choose
from rppg_graph.report.plots import plot_learning
from rppg_graph.synthetic.mix import write_mix
from rppg_graph.synthetic.parameters import PRESETS
from rppg_graph.training.distributed import ranks
from rppg_graph.training.losses import LOSSES
from rppg_graph.training.run_files import METRICS, read_metrics
from rppg_graph.training.trainer import Trainer, check_steps

CONFIG_FILE, VERSIONS_FILE = "config.yaml", "versions.json"  # of a run's folder
CLAIM = "claim"  # in it, held by who is at work at it
OWN_LOSS = {"wave": "neg_pearson", "differenced": "mse"}


def train_anew(config: str | Path, out: str | Path | None = None, overrides: Sequence[str] = ()) -> Path:
    """Fit the network of a config to its recordings, as ``run.py train`` does.

    Args:
        config: a YAML file, as those in ``configs/``.
        out: a new folder for the run; None for ``runs/`` and the config's name.
        overrides: keys of the config with other values: ``["train.steps=200"]``.

    Returns:
        The run's folder: ``best.safetensors`` is the network, ``metrics.jsonl`` its learning curve.

    Raises:
        InputError: an unknown key or name, data that cannot be used, or a folder that holds a run.
    """
    folder = Path(out or Path("runs") / Path(config).stem)
    settings = checked(load_config(Path(config), overrides))
    keep_apart(folder, settings.data.root)
    with _alone(folder):
        if ranks().rank == 0:
            start_run(folder, settings)
        try:
            train(settings, folder)
        except InputError:
            begun = is_begun(folder) or best_of(folder).exists()
            if ranks().rank == 0 and not begun:  # nothing was learnt: the next try may have this folder
                for name in (CONFIG_FILE, VERSIONS_FILE, SPLIT_FILE, METRICS):
                    (folder / name).unlink(missing_ok=True)
            raise
    return folder


def train_further(folder: Path, overrides: Sequence[str] = ()) -> None:
    """Go on with a run that was stopped, or to another ``train.steps``, as ``run.py train --resume`` does.

    Raises:
        InputError: what ``resumed`` refuses, or another process is at the run.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise InputError(f"{folder} holds no run: there is no {CONFIG_FILE} in it; name the folder of one")
    with _alone(folder):
        train(resumed(folder, overrides), folder, resume=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this training, all of whose processes its first stands for."""
    if ranks().rank > 0:
        yield
        return
    with claim(folder / CLAIM, wait=False) as mine:
        if not mine:
            raise InputError(f"another process is at the run in {folder}; wait for it, or name another with --out")
        yield


def train(
    config: Config, folder: Path, resume: bool = False, calibrations: Sequence[str] = tuple(CALIBRATIONS)
) -> None:
    """Generate and preprocess what is missing, fit the network, calibrate it in these ways, leave a run."""
    of = ranks()
    if config.synthetic:
        write_mix(config.data.root, config.synthetic)
    split = None if config.simulated else split_to_train(config, folder, resume)
    torch.manual_seed(config.seed)
    model = MODELS[config.model.name](**config.model.options)
    if config.model.start is not None and not resume:
        start_from(model, config.model.start)
    people = simulated_people(config) if config.simulated else recorded_people(config, split)
    options = config.train.model_dump(exclude={"augment", "loss"})
    loss = config.train.loss or OWN_LOSS[model.label]
    device = f"cuda:{of.local}" if torch.cuda.is_available() else "cpu"
    trainer = Trainer(
        model, loss, people.train, people.validation, seed=config.seed, device=device, ranks=of, **options
    )
    if resume and (last := latest(folder)) is not None:
        model.load_state_dict(last.model.state_dict())
        trainer.resume(last.training)
    trainer.run(folder, config.model_dump(mode="json"), people.mean_bpm)
    if of.rank > 0:
        return
    rows = read_metrics(folder)
    if config.train.steps:
        write_whole(folder / "loss.png", lambda part: plot_learning(part, rows, loss))
    best = min(rows, key=lambda row: row["validation_loss"])
    place = best_of(folder)
    print(f"{place}: validation loss {best['validation_loss']:.3f} at step {best['step']:.0f}")
    if not calibrations or not people.recordings:
        return
    reached = load(place)
    reached.model.to(trainer.device)
    calibration = calibrate(reached, people.recordings, calibrations)
    save(place.with_suffix(".safetensors"), reached._replace(calibration=calibration))
    print("\n".join(Calibration(**fields).summary() for fields in calibration.values()))


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
        try:
            network.load_state_dict(load(path).model.state_dict())
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise InputError(f"model.start: {path} holds another network: {reason}") from error


def checked(config: Config) -> Config:
    """The config with its network sized for its clips.

    Raises:
        InputError: a name, an option or a range in it that would end the training later.
    """
    network = get_type_hints(choose("model", MODELS, config.model.name))["return"]
    sized = {"size": config.data.crop.size, "clip_frames": config.data.clip_frames}
    options = {key: value for key, value in sized.items() if key in inspect.signature(network).parameters}
    options |= validate_options(network, config.model.options, "model.options")
    config = config.model_copy(update={"model": config.model.model_copy(update={"options": options})})
    _try("model.options", _build, config.model.name, json.dumps(config.model.options))
    if config.train.loss is not None:
        choose("train.loss", LOSSES, config.train.loss)
    if config.train.augment is not None:
        _try("train.augment", Augment, config.data.clip_frames, **config.train.augment.model_dump())
    choose("data.crop.detector", FACE_DETECTORS, config.data.crop.detector)
    split_rule(config.data.split)
    for people in (*config.synthetic, *config.rendered):
        choose("synthetic preset", PRESETS, people.preset)
    return config


def _try(where: str, function: Callable[..., object], *args: object, **options: object) -> None:
    try:
        function(*args, **options)
    except Exception as error:  # whatever it stumbles over, it was given
        raise InputError(f"{where}: {error}") from error


@lru_cache(maxsize=32)
def _build(name: str, options: str) -> None:
    """Build a network and forget it; the runs of a plan that differ in their seed ask once."""
    MODELS[name](**json.loads(options))


def start_run(folder: Path, config: Config) -> None:
    starts = config.model.start or ()
    for path in (starts,) if isinstance(starts, Path) else starts:
        if not path.is_file():
            raise InputError(f"model.start: {path}: no such file; name a checkpoint ({BEST} of a run)")
    if folder.exists() and any(path.name != CLAIM for path in folder.iterdir()):
        raise InputError(f"{folder} holds a run already; go on with --resume {folder}, or name another with --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    write_json(folder / VERSIONS_FILE, examine())


def write_config(folder: Path, config: Config) -> None:
    write_text(folder / CONFIG_FILE, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def resumed(folder: Path, overrides: Sequence[str]) -> Config:
    """The config of a run that is to go on, in its folder as well; it may be told to go on to another ``train.steps``.

    Raises:
        InputError: no such run, another override, or fewer steps than it has made.
    """
    for override in overrides:
        if override.partition("=")[0] != "train.steps":
            raise InputError(
                f"{override}: a run that goes on keeps its config but for train.steps; start another with "
                f"model.start={best_of(folder)}"
            )
    config = checked(load_config(folder / CONFIG_FILE, overrides))
    if (last := latest(folder)) is not None:
        check_steps(last.training, config.train.steps)
    if ranks().rank == 0:
        write_config(folder, config)
    return config
