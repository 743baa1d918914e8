"""From a config's ``data`` section to cached recordings, on the sides of its split."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from rppg_graph.config import Config, CropConfig, DataConfig
from rppg_graph.data.cache import CachedRecording, CropSettings, load_cache, preprocess
from rppg_graph.data.recordings import Recording, find_recordings
from rppg_graph.data.recordings.folders import natural_order
from rppg_graph.data.splits import SIDES, Split, hold_out, read_splits, split_rule
from rppg_graph.errors import InputError

CACHE = Path("cache")
SPLIT_FILE = "split.yaml"  # of a run's folder


def wanted_recordings(data: DataConfig) -> list[Recording]:
    """The recordings that are there, without those that are left out."""
    recordings = find_recordings(data.root, data.layout)
    unknown = sorted(set(data.leave_out) - {recording.name for recording in recordings})
    if unknown:
        raise InputError(f"data.leave_out names {unknown[0]!r}, which is not among the recordings of {data.root}")
    return [recording for recording in recordings if recording.name not in data.leave_out]


def cached_recordings(data: DataConfig) -> list[CachedRecording]:
    """The recordings' face crops, cut out now if they are not in the cache."""
    recordings, folder = wanted_recordings(data), cache_folder(data)
    preprocess(recordings, folder, CropSettings(**data.crop.model_dump()))
    wanted = {recording.name for recording in recordings}
    return [recording for recording in load_cache(folder, data.leave_out) if recording.name in wanted]


def wrong_references(recordings: Iterable[CachedRecording]) -> dict[str, str]:
    """Name → what is wrong with the reference, of the recordings where something is."""
    return {each.name: each.faults[0] for each in recordings if each.faults}


def believable(recordings: Sequence[CachedRecording], data: DataConfig) -> list[CachedRecording]:
    """The recordings whose references are to be believed, unless ``data.every_reference`` asks for all.

    Who is left out is warned of, with what is wrong.

    Raises:
        InputError: none is left.
    """
    wrong = {} if data.every_reference else wrong_references(recordings)
    for name, fault in wrong.items():
        warnings.warn(f"{name} is left out: {fault}; data.every_reference=true takes it", stacklevel=2)
    if wrong and len(wrong) == len(recordings):
        raise InputError(f"no recording of {data.root} has a reference to be believed: see run.py check-data")
    return [each for each in recordings if each.name not in wrong]


def cache_folder(data: DataConfig) -> Path:
    """The cache named, or one of its own for this root and these crops."""
    if data.cache is not None:
        return data.cache
    identity = f"{data.root.resolve()}|{data.crop.model_dump_json()}"
    return CACHE / f"{data.root.resolve().name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def split_of(recordings: Sequence[Recording | CachedRecording], data: DataConfig) -> Split:
    """The fold of the split that the config names, with subjects set aside for validation."""
    folds = split_rule(data.split)(recording.subject for recording in recordings)
    if data.fold >= len(folds):
        raise InputError(f"data.fold = {data.fold}: the split {data.split} has {len(folds)} folds, counted from 0")
    return hold_out(folds[data.fold], data.validation_share)


def split_of_run(folder: Path, recordings: Sequence[Recording | CachedRecording], data: DataConfig) -> Split:
    """The split that a run was trained by, whoever is there now; who is missing and who is new is warned of.

    Args:
        folder: of the run. Where it has no split, as of a checkpoint that was taken elsewhere, the split is computed
            from the config, and that is warned of.
        recordings: all that are there.
    """
    place = folder / SPLIT_FILE
    if not place.exists():
        warnings.warn(
            f"there is no {place}: the split is computed from the recordings that are there, "
            "and is that of the training only if they are the same",
            stacklevel=2,
        )
        return split_of(recordings, data)
    (split, *_), _ = read_splits(place)
    named = {subject: side for side in SIDES for subject in getattr(split, side)}
    there = {recording.subject for recording in recordings}
    missing = [f"{subject} ({side})" for subject, side in named.items() if subject not in there]
    if missing:
        warnings.warn(f"{place} names subjects that are not there: {', '.join(missing)}", stacklevel=2)
    if new := sorted(there - set(named), key=natural_order):
        warnings.warn(f"subjects that {place} does not name are left out: {', '.join(new)}", stacklevel=2)
    return split


def subjects_of(checkpoints: Sequence[Path], data: DataConfig, side: str, config: Config) -> tuple[str, ...]:
    """Who is on a side of the first checkpoint's split; a further one that knows some of them is warned of."""
    there = wanted_recordings(data)
    first, *others = (split_of_run(path.parent, there, config.data) for path in checkpoints)
    subjects = getattr(first, side)
    for path, split in zip(checkpoints[1:], others, strict=True):
        if known := [subject for subject in subjects if split.side(subject) in ("train", "validation")]:
            warnings.warn(f"{path} learnt from subject {', '.join(known)}, on whom it is measured", stacklevel=2)
    return subjects


def other_dataset(root: Path, layout: str | None, crop: CropConfig) -> DataConfig:
    """A dataset named on the command line, with a method's own crops."""
    return DataConfig(root=root, layout=layout, crop=crop)
