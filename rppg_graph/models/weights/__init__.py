"""Trained networks of the package: one safetensors file each, with a model card of the same name beside it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rppg_graph.errors import InputError
from rppg_graph.files import write_whole
from rppg_graph.models.checkpoint import Checkpoint, rebuilt
from rppg_graph.registry import choose

FOLDER = Path(__file__).parent
SUFFIX = ".safetensors"
FIELDS = ("config", "fps", "mean_bpm", "calibration")  # of a checkpoint, as JSON in the file's header
SHIPPED = {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def load_weights(name: str) -> Checkpoint:
    """A network that comes with the package, in float32 and eval mode; it has no state to train on from.

    Raises:
        InputError: a name that is not in SHIPPED.
    """
    return read_weights(choose("weights", SHIPPED, name))


def read_weights(path: Path) -> Checkpoint:
    """A network from a file that `write_weights` wrote.

    Raises:
        InputError: no such file, not one of these, or weights that do not fit the network it names.
    """
    try:
        with safe_open(path, framework="pt") as file:
            fields = json.loads((file.metadata() or {})["checkpoint"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} does not hold weights of this project ({str(error)[:120]})") from error
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    return Checkpoint(rebuilt(fields["config"], state, path), training={}, **fields)


def write_weights(path: Path, checkpoint: Checkpoint) -> None:
    """Write a network's parameters in float16, its running statistics as they are, and what a prediction needs to know.

    Raises:
        InputError: a parameter that float16 cannot hold.
    """
    halved = {name for name, _ in checkpoint.model.named_parameters()}
    state = {
        name: (value.half() if name in halved else value).contiguous()
        for name, value in checkpoint.model.state_dict().items()
    }
    lost = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if lost:
        raise InputError(f"{path}: {lost[0]} is not finite in float16; train with a lower train.learning_rate")
    fields = {name: getattr(checkpoint, name) for name in FIELDS}
    write_whole(path, lambda part: part.write_bytes(save(state, {"checkpoint": json.dumps(fields)})))
