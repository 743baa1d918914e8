"""From a config's ``data`` section to cached recordings, on the sides of its split."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rppg_graph.config import CropConfig, DataConfig
from rppg_graph.data.cache import CachedRecording, CropSettings, load_cache, preprocess
from rppg_graph.data.recordings import find_recordings
from rppg_graph.data.splits import SPLITS, Split, hold_out
from rppg_graph.errors import InputError
from rppg_graph.files import claim

CACHE = Path("cache")


def cached_recordings(data: DataConfig) -> list[CachedRecording]:
    """The recordings' face crops, cut out now if they are not in the cache."""
    recordings = find_recordings(data.root, data.layout)
    unknown = sorted(set(data.leave_out) - {recording.name for recording in recordings})
    if unknown:
        raise InputError(f"data.leave_out names {unknown[0]!r}, which is not among the recordings of {data.root}")
    recordings = [recording for recording in recordings if recording.name not in data.leave_out]
    folder = cache_folder(data)
    with claim(folder.with_name(f"{folder.name}.claim")):  # two processes must not cut the same faces
        preprocess(recordings, folder, CropSettings(**data.crop.model_dump()))
    wanted = {recording.name for recording in recordings}
    return [recording for recording in load_cache(folder, data.leave_out) if recording.name in wanted]


def cache_folder(data: DataConfig) -> Path:
    """The cache named, or one of its own for this root and these crops."""
    if data.cache is not None:
        return data.cache
    identity = f"{data.root.resolve()}|{data.crop.model_dump_json()}"
    return CACHE / f"{data.root.resolve().name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def split_of(recordings: list[CachedRecording], data: DataConfig) -> Split:
    """The fold of the split that the config names, with subjects set aside for validation."""
    subjects = [recording.subject for recording in recordings]
    if data.split in SPLITS:
        folds = SPLITS[data.split](subjects)
    elif Path(data.split).suffix in (".yaml", ".yml"):
        folds = SPLITS["file"](subjects, Path(data.split))
    else:
        raise InputError(f"data.split = {data.split!r}: name one of {', '.join(SPLITS)}, or a YAML file")
    if data.fold >= len(folds):
        raise InputError(f"data.fold = {data.fold}: the split {data.split} has {len(folds)} folds, counted from 0")
    return hold_out(folds[data.fold], data.validation_share)


def other_dataset(root: Path, layout: str | None, crop: CropConfig) -> DataConfig:
    """A dataset named on the command line, with a method's own crops."""
    return DataConfig(root=root, layout=layout, crop=crop)
