"""Synthetic people straight into a cache of face crops: no video, no codec, no detector, so many more in the time."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from rppg_graph.data.cache_builder import move_into_place
from rppg_graph.data.cached_recording import (
    FRAMES_FILE,
    RECORDING_FILE,
    CachedRecording,
    CropSettings,
    read_metadata,
    read_recording,
    recording_to_json,
)
from rppg_graph.data.synthetic.dataset import each, own_seed
from rppg_graph.data.synthetic.generate import generate

RENDERED = "rendered"  # layout and detector of crops that no detector cut out


def render_people(
    out: Path,
    *,
    preset: str,
    subjects: int,
    seed: int,
    seconds: float,
    crop: int,
    size: tuple[int, int] = (240, 320),
    workers: int | None = None,
) -> list[CachedRecording]:
    """Render the face crops of several people, each into a folder of its own under `out`; those there are kept.

    The crops are `SyntheticRecording.crops`: what a face cropper with a little jitter cuts out of the frames before a
    codec. Same seed, same bytes, with any number of workers; a run that was stopped goes on.

    Args:
        preset, seconds: as for `generate`.
        subjects: how many; each is another person.
        crop: S, pixels of a crop.
        size: height and width in pixels of the frames that the crops are of: the finer, the less noise a crop has.
        workers: processes; None takes one for each core.

    Raises:
        InputError: what `generate` refuses.
    """
    generate(preset, seed, seconds=seconds, size=size)  # refuses impossible settings, before any process is started
    of = f"{seconds:g}s-{size[0]}x{size[1]}-{crop}px"
    names = {number: f"{preset}-{seed}-{number}-{of}" for number in range(1, subjects + 1)}
    missing = [number for number, name in names.items() if read_metadata(out / name) is None]
    out.mkdir(parents=True, exist_ok=True)
    render = partial(_render_one, out, names, preset, seed, crop, {"seconds": seconds, "size": size})
    if missing:
        with tqdm(total=len(missing), desc=f"rendering {preset}", unit="person") as progress:
            for _ in each(render, missing, min(workers or os.cpu_count() or 1, len(missing))):
                progress.update()
    return [read_recording(out / name) for name in names.values()]


def _render_one(
    out: Path, names: dict[int, str], preset: str, seed: int, crop: int, film: dict[str, Any], number: int
) -> None:
    cv2.setNumThreads(1)
    folder = out / names[number]
    part = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    recording = generate(preset, own_seed(seed, number), **film)
    try:
        part.mkdir()
        np.save(part / FRAMES_FILE, np.stack(list(recording.crops(crop))))
        left, top, side = recording.crop_boxes().T
        cached = CachedRecording(
            folder=part,
            name=folder.name,
            subject=folder.name,
            layout=RENDERED,
            seconds=recording.seconds,
            face=np.ones(len(recording.seconds), dtype=bool),
            boxes=np.stack([left, top, side, side], axis=1),
            pulse=recording.pulse,
            bpm=recording.bpm,
            detection_rate=1.0,
            notes=(),
        )
        source = {"seed": str(recording.parameters["seed"])}
        text = recording_to_json(cached, CropSettings(crop, RENDERED), source)
        (part / RECORDING_FILE).write_text(text, encoding="utf-8")
        move_into_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
