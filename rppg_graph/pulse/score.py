"""Waves from anywhere, in an .npz file, through the same ruler as our own."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.pulse.evaluation import Evaluation, evaluate_waves
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO
from rppg_graph.pulse.measure import Wave
from rppg_graph.registry import choose

LABEL_TYPES = {"DiffNormalized": True, "Standardized": False, "Raw": False}
"""The field's names for what a label is → whether it is a frame difference."""


def score(
    path: str | Path, protocol: str = "native", window_seconds: float | None = None, method: str = "fft"
) -> Evaluation:
    """Evaluate the waves of an .npz file; see `load_waves` and `evaluate_waves`.

    Raises:
        InputError: the file is not such a file, or the protocol or method is unknown.
    """
    return evaluate_waves(load_waves(path), protocol, window_seconds, method)


def load_waves(path: str | Path) -> list[Wave]:
    """Read `<name>_pred` and `<name>_label` of every recording, with rates and `label_type`, from an .npz file.

    Frames per second are `<name>_fs` of each recording, or one `fs` for those that have none of their own. Waves are
    whole, (T,), or in chunks, (chunks, frames), which follow each other. `label_type` is "DiffNormalized" (prediction
    and label are frame differences), "Standardized" or "Raw". Each recording counts as its own subject. Where there is
    a `contact` that is true, predictions are read by `CONTACT`, as a contact sensor's wave.

    Raises:
        InputError: the file is missing or no .npz; an array is missing, not numeric, or longer than its partner.
    """
    path = Path(path)
    arrays = _read(path)
    label_type = str(_scalar(path, arrays, "label_type", f"one of {', '.join(LABEL_TYPES)}"))
    differenced = choose(f"label_type in {path}", LABEL_TYPES, label_type)
    names = [key.removesuffix("_pred") for key in arrays if key.endswith("_pred")]
    orphans = [key for key in arrays if key.endswith("_label") and key.removesuffix("_label") not in names]
    if orphans:
        raise InputError(f"{path}: {orphans[0]} has no partner {orphans[0].removesuffix('_label')}_pred")
    if not names:
        raise InputError(f"{path}: no recording in it; arrays named <name>_pred and <name>_label are needed")
    reader = CONTACT if "contact" in arrays and _scalar(path, arrays, "contact", "true or false") else VIDEO
    waves = []
    for name in names:
        if f"{name}_label" not in arrays:
            raise InputError(f"{path}: {name}_pred has no partner {name}_label")
        prediction, label = (_wave(path, key, arrays[key]) for key in (f"{name}_pred", f"{name}_label"))
        if len(prediction) != len(label):
            raise InputError(
                f"{path}: {name}_pred has {len(prediction)} samples and {name}_label {len(label)}: cut both alike"
            )
        rate = f"{name}_fs" if f"{name}_fs" in arrays else "fs"
        fps = _scalar(path, arrays, rate, "frames per second, e.g. 30")
        if not np.issubdtype(np.asarray(fps).dtype, np.number) or not np.isfinite(fps) or fps <= 0:
            raise InputError(f"{path}: {rate} is {fps}; frames per second above zero are needed")
        waves.append(Wave(name, name, prediction, label, float(fps), differenced, reader=reader))
    return waves


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.lib.npyio.NpzFile):
            with archive:
                return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:  # or it is encrypted
        raise InputError(f"{path} cannot be read as an .npz file of plain arrays: {error}") from error
    raise InputError(f"{path} is a single array; an .npz file of <name>_pred and <name>_label is needed")


def _scalar(path: Path, arrays: dict[str, np.ndarray], key: str, wanted: str) -> np.generic:
    if key not in arrays:
        raise InputError(f"{path}: the array {key!r} is missing ({wanted})")
    if arrays[key].size != 1:
        raise InputError(f"{path}: {key!r} has shape {arrays[key].shape}; a single value is needed ({wanted})")
    return arrays[key].reshape(())[()]


def _wave(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path}: {key} holds {array.dtype} and not numbers")
    if array.ndim not in (1, 2) or array.size == 0:
        raise InputError(f"{path}: {key} has shape {array.shape}; (frames,) or (chunks, frames) is needed")
    return array.reshape(-1).astype(np.float64)  # chunks follow each other: (chunks · frames,)
