"""Trained networks of the package: one safetensors file each, with a model card of the same name beside it."""

from __future__ import annotations

from pathlib import Path

import torch

from rppg_graph.errors import InputError
from rppg_graph.files import write_whole
from rppg_graph.models.checkpoint import Checkpoint, load, write_tensors
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
    return load(choose("weights", SHIPPED, name))


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
    write_whole(path, lambda part: write_tensors(part, state, fields))
