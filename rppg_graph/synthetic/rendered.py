"""Synthetic people straight into a cache of face crops: no video, no detector, so many more in the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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
from rppg_graph.data.pool import do_all
from rppg_graph.files import appearing_folder
from rppg_graph.synthetic.dataset import own_seed
from rppg_graph.synthetic.generate import generate

RENDERED = "rendered"  # layout and detector of crops that no detector cut out


class Person(NamedTuple):
    """Whom to render, and into which folder."""

    folder: Path
    preset: str
    seed: int
    coded: bool
    film: dict[str, Any]


def render_people(
    out: Path, parts: Iterable[Mapping[str, Any]], *, crop: int, workers: int | None = None
) -> list[CachedRecording]:
    """Render the face crops of people of several kinds, each into a folder of its own in `out`; those there are kept.

    The crops are `SyntheticRecording.crops`: what a face cropper with a little jitter cuts out of the frames before a
    codec; or `coded_crops`, with what the codec leaves, in several times the time. Same seed, same bytes, with any
    number of workers; a run that was stopped goes on.

    Args:
        parts: of each kind of people the arguments of `people_of`.
        crop: S, pixels of a crop.
        workers: processes; None takes one for each core.

    Raises:
        InputError: what `generate` refuses, or a folder that cannot be written.
    """
    people = [person for part in parts for person in people_of(out, crop, **part)]
    missing = [person for person in people if read_metadata(person.folder) is None]
    done = do_all(partial(_render_one, crop), missing, workers)
    for _ in tqdm(done, total=len(missing), desc="rendering", unit="person", disable=not missing):
        pass
    return [read_recording(person.folder) for person in people]


def people_of(
    out: Path, crop: int, *, preset: str, subjects: int, seed: int, seconds: float, size: tuple[int, int] = (240, 320),
    coded: bool = False, **overrides: Any,
) -> list[Person]:  # fmt: skip
    """So many people of one kind, with folders that say which.

    Args:
        preset, seconds, **overrides: as for `generate`.
        subjects: how many; each is another person.
        size: height and width in pixels of the frames that the crops are of: the finer, the less noise a crop has.
        coded: whether the part of the frame with the face goes through the preset's codec.

    Raises:
        InputError: what `generate` refuses.
    """
    film = {"seconds": seconds, "size": size} | overrides
    generate(preset, seed, **film)  # refuses impossible settings, before any process is started
    of = f"{seconds:g}s-{size[0]}x{size[1]}-{crop}px" + "-coded" * coded
    of += "".join(f"-{name}={value}" for name, value in sorted(overrides.items()))
    return [
        Person(out / f"{preset}-{seed}-{number}-{of}", preset, own_seed(seed, number), coded, film)
        for number in range(1, subjects + 1)
    ]


def _render_one(crop: int, person: Person) -> None:
    folder = person.folder
    recording = generate(person.preset, person.seed, **person.film)
    shutil.rmtree(folder, ignore_errors=True)  # not whole, or of another format version
    with appearing_folder(folder) as part:
        crops = recording.coded_crops(crop) if person.coded else recording.crops(crop)
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
        source = {"seed": str(person.seed)}
        text = recording_to_json(cached, CropSettings(crop, RENDERED), source)
        (part / RECORDING_FILE).write_text(text, encoding="utf-8")
