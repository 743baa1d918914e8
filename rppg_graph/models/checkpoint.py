"""Checkpoints: a network with everything needed to use it or to train it further, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.files import write_whole
from rppg_graph.models import MODELS
from rppg_graph.models.released import build_released
from rppg_graph.registry import choose

FORMAT = "rppg_graph-checkpoint-1"


class Checkpoint(NamedTuple):
    """A network and what it was trained on.

    ``config`` is the whole experiment, ``fps`` the frame rate and ``mean_bpm`` the mean heart rate of its training
    recordings, ``training`` what a resumed run needs (optimiser, step, best loss). ``calibration`` is what validation
    recordings say about the network's uncertainty, by source (``pulse.uncertainty.Calibration``); None before that.
    """

    model: nn.Module
    config: dict[str, Any]
    fps: float
    mean_bpm: float
    training: dict[str, Any]
    calibration: dict[str, dict[str, Any]] | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; an older file of that name is whole until the new one is."""
    content = checkpoint._asdict() | {"format": FORMAT, "model": checkpoint.model.state_dict()}
    try:
        write_whole(path, lambda part: torch.save(content, part))
    except RuntimeError as error:  # as which torch reports a full disk
        cure = "free some space, or name another folder"
        raise InputError(f"cannot write the checkpoint {path}: {error}; {cure}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint of this project; the network is in eval mode.

    Raises:
        InputError: no such file, not a checkpoint, cut off, of another project, or weights that do not fit.
    """
    content = _read(path)
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a checkpoint of rppg_graph; for weights released by the networks' authors "
            "use rppg_graph.models.checkpoint.load_released"
        )
    model = rebuilt(content["config"], content["model"], path)
    known = (content[name] for name in ("config", "fps", "mean_bpm", "training"))
    return Checkpoint(model, *known, content.get("calibration"))


def rebuilt(config: dict[str, Any], state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network that an experiment's config names, with these weights, in eval mode; ``path`` is for messages.

    Raises:
        InputError: a network that this version does not have, or weights that do not fit it.
    """
    name, options = config["model"]["name"], config["model"]["options"]
    model = choose(f"network in {path}", MODELS, name)(**options)
    _fill(model, state, path)
    return model.eval()


def load_released(path: Path) -> nn.Module:
    """A network with the weights of a released ``state_dict`` file (``torch.save``d), in eval mode.

    The network is recognised from the names in the file: STGNet of three or four stages, or the STREAM-Net family.

    Raises:
        InputError: no such file, not a ``state_dict``, or names that belong to none of these networks.
    """
    state = _read(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold a state_dict (a mapping from names to tensors)")
    state = {name.removeprefix("module."): value for name, value in state.items()}
    found = build_released(state)
    if found is None:
        raise InputError(f"{path} holds no network known here; its first names are {', '.join(list(state)[:3])}")
    model, ours = found
    _fill(model, ours, path)
    return model.eval()


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except Exception as error:  # the unpickler raises whatever it stumbles over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a checkpoint, or is cut off ({reason[:120]})") from error


def _fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit {type(model).__name__}: {str(error).splitlines()[1].strip()}") from error
