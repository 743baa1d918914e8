"""Synthetic people straight into a cache of face crops: no video, no detector, so many more in the time."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from rppg_graph.data.cached_recording import (
    FRAMES_FILE,
    RECORDING_FILE,
    CachedRecording,
    CropSettings,
    read_metadata,
    read_recording,
    recording_to_json,
)
from rppg_graph.data.synthetic.dataset import appearing_folder, do_all, own_seed
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
    coded: bool = False,
    workers: int | None = None,
) -> list[CachedRecording]:
    """Render the face crops of several people, each into a folder of its own under `out`; those there are kept.

    The crops are `SyntheticRecording.crops`: what a face cropper with a little jitter cuts out of the frames before a
    codec; or `coded_crops`, with what the codec leaves, in several times the time. Same seed, same bytes, with any number of workers; a run that was stopped goes on.

    Args:
        preset, seconds: as for `generate`.
        subjects: how many; each is another person.
        crop: S, pixels of a crop.
        size: height and width in pixels of the frames that the crops are of: the finer, the less noise a crop has.
        coded: whether the part of the frame with the face goes through the preset's codec.
        workers: processes; None takes one for each core.

    Raises:
        InputError: what `generate` refuses, or a folder that cannot be written.
    """
    generate(preset, seed, seconds=seconds, size=size)  # refuses impossible settings, before any process is started
    of = f"{seconds:g}s-{size[0]}x{size[1]}-{crop}px" + "-coded" * coded
    people = [(out / f"{preset}-{seed}-{number}-{of}", own_seed(seed, number)) for number in range(1, subjects + 1)]
    missing = [person for person in people if read_metadata(person[0]) is None]
    render = partial(_render_one, preset, {"seconds": seconds, "size": size}, crop, coded)
    if missing:
        with tqdm(total=len(missing), desc=f"rendering {preset}", unit="person") as progress:
            for _ in do_all(render, missing, min(workers or os.cpu_count() or 1, len(missing))):
                progress.update()
    return [read_recording(folder) for folder, _ in people]


def _render_one(preset: str, film: dict[str, Any], crop: int, coded: bool, person: tuple[Path, int]) -> None:
    cv2.setNumThreads(1)
    folder, seed = person
    recording = generate(preset, seed, **film)
    shutil.rmtree(folder, ignore_errors=True)  # not whole, or of another format version
    with appearing_folder(folder) as part:
        crops = recording.coded_crops(crop) if coded else recording.crops(crop)
        np.save(part / FRAMES_FILE, np.stack(list(crops)))
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
        source = {"seed": str(seed)}
        text = recording_to_json(cached, CropSettings(crop, RENDERED), source)
        (part / RECORDING_FILE).write_text(text, encoding="utf-8")
