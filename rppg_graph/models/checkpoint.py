"""Checkpoints: a network with everything needed to use it or to train it further, in one safetensors file."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.files import write_whole
from rppg_graph.models import MODELS
from rppg_graph.models.released import build_released
from rppg_graph.registry import choose

PICKLED = "rppg_graph-checkpoint-1"  # the format of older files (.pt), which are read and no longer written
BEST, LAST, BEFORE = "best.safetensors", "last.safetensors", "last-before.safetensors"  # of a run's folder
TENSOR = "$tensor"  # the key under which JSON names a tensor of the file


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
    state, rest = checkpoint.model.state_dict(), checkpoint._asdict()
    del rest["model"]
    write_whole(path, lambda part: write_tensors(part, state, rest))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a tree of values that JSON can hold, which may hold tensors too, with a checksum of it all."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps(_taken_apart(about, "", whole))
    path.write_bytes(to_bytes(whole, {"checkpoint": text, "sha256": _checksum(text, whole)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write_tensors` wrote; a file without a checksum, as those of the package, is read as well.

    Raises:
        InputError: no such file, not one of these, or one that was damaged since.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = header.pop("checkpoint")
        about = json.loads(text)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a checkpoint of rppg_graph, or is cut off ({str(error)[:120]})") from error
    if header and header.get("sha256") != _checksum(text, tensors):
        raise InputError(f"{path} is damaged: its checksum is another; take a copy of it, or another checkpoint")
    return tensors, _put_together(about, tensors)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint of this project; the network is in eval mode, with weights in float32.

    Raises:
        InputError: no such file, not a checkpoint, cut off or damaged, of another project, or weights that do not fit.
    """
    try:
        with path.open("rb") as file:
            is_pickled = file.read(2) in (b"PK", b"\x80\x02")
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    if is_pickled:
        content = _unpickled(path)
        if not isinstance(content, Mapping) or content.get("format") != PICKLED:
            raise InputError(
                f"{path} is not a checkpoint of rppg_graph; for weights released by the networks' authors "
                "use rppg_graph.models.checkpoint.load_released"
            )
        state, about = content.get("model"), {key: content.get(key) for key in Checkpoint._fields[1:]}
    else:
        state, about = read_tensors(path)
        state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    try:
        known = [about[name] for name in ("config", "fps", "mean_bpm")]
        name, options = known[0]["model"]["name"], known[0]["model"]["options"]
        calibration, training = about.get("calibration"), about.get("training") or {}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a checkpoint of rppg_graph: it lacks {error}") from error
    return Checkpoint(_rebuilt(name, options, state, path), *known, training, calibration)


def save_last(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the last checkpoint of a run; the one before it is kept, for the case that this one is damaged."""
    save(folder / f".{LAST}", checkpoint)
    if (folder / LAST).exists():
        os.replace(folder / LAST, folder / BEFORE)
    os.replace(folder / f".{LAST}", folder / LAST)


def is_begun(folder: Path) -> bool:
    """Whether a run has a checkpoint to go on from."""
    return any((folder / name).exists() for name in (LAST, BEFORE, "last.pt"))


def latest(folder: Path) -> Checkpoint | None:
    """The last checkpoint of a run that can be read, with a warning of those that cannot; None where there is none.

    Raises:
        InputError: there are some, and none can be read.
    """
    wrong: list[str] = []
    for name in (LAST, BEFORE, "last.pt"):
        if not (folder / name).exists():
            continue
        try:
            found = load(folder / name)
        except InputError as error:
            wrong.append(str(error))
            continue
        if wrong or name == BEFORE:
            told = wrong[0] if wrong else f"{folder / LAST} is not there"
            warnings.warn(f"{told}. The run goes on from {folder / name}", stacklevel=2)
        return found
    if wrong:
        raise InputError(f"{wrong[0]}; nor can another of {folder} be read: start anew, or from {folder / BEST}")
    return None


def best_of(folder: Path) -> Path:
    """The best checkpoint of a run; that of an older one is a ``.pt``."""
    older = folder / "best.pt"
    return older if older.exists() and not (folder / BEST).exists() else folder / BEST


def load_released(path: Path) -> nn.Module:
    """A network with the weights of a released ``state_dict`` file (``torch.save``d), in eval mode.

    The network is recognised from the names in the file: STGNet of three or four stages, or the STREAM-Net family.

    Raises:
        InputError: no such file, not a ``state_dict``, or names that belong to none of these networks.
    """
    state = _unpickled(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold a state_dict (a mapping from names to tensors)")
    state = {name.removeprefix("module."): value for name, value in state.items()}
    found = build_released(state)
    if found is None:
        raise InputError(f"{path} holds no network known here; its first names are {', '.join(list(state)[:3])}")
    model, ours = found
    _fill(model, ours, path)
    return model.eval()


def _taken_apart(tree: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """A tree as JSON can hold it; its tensors go to ``tensors``, under the name of their place."""
    if isinstance(tree, Tensor):
        tensors[place] = tree.detach().cpu().contiguous()
        return {TENSOR: place}
    if isinstance(tree, Mapping):
        return {key: _taken_apart(value, f"{place}/{key}", tensors) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_taken_apart(value, f"{place}/{number}", tensors) for number, value in enumerate(tree)]
    return tree


def _put_together(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """A tree with the tensors that it names, which are taken out of ``tensors``."""
    if isinstance(tree, dict):
        if set(tree) == {TENSOR} and tree[TENSOR] in tensors:
            return tensors.pop(tree[TENSOR])
        return {key: _put_together(value, tensors) for key, value in tree.items()}
    return [_put_together(value, tensors) for value in tree] if isinstance(tree, list) else tree


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _rebuilt(name: str, options: dict[str, Any], state: Any, path: Path) -> nn.Module:
    """The network that a config names, with these weights, in eval mode; ``path`` is for messages."""
    build = choose(f"network in {path}", MODELS, name)
    try:
        with torch.device("meta"):  # of a stranger's file, the sizes must be those of its weights
            outline = build(**options)
    except Exception as error:  # whatever it stumbles over, the file says it
        raise InputError(f"{path}: {name} cannot be built with the options in it: {str(error)[:200]}") from error
    _fill(outline, state, path)
    model = build(**options)
    _fill(model, state, path)
    return model.eval()


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except Exception as error:  # the unpickler raises whatever it stumbles over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a checkpoint, or is cut off ({reason[:120]})") from error


def _fill(model: nn.Module, state: Any, path: Path) -> None:
    """Give a network its weights; an outline (of the device ``meta``) only has the names and shapes compared."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an outline takes no weights, and that is what is wanted of it
            model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = [*str(error).splitlines(), ""][1].strip() or error
        raise InputError(f"{path} does not fit {type(model).__name__}: {reason}") from error
