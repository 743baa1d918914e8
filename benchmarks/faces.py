"""The people whom readings are tried on: real recordings of a folder, and generated people of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rppg_graph.config import CropConfig
from rppg_graph.data.prepared import cached_recordings, other_dataset
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.experiments.people import SEEDS, TONES, Person, people_of_tone, people_to_try, persons

SECONDS, TONE_PEOPLE = 20.0, 16


def real_people(root: Path) -> list[Person]:
    """The recordings of a folder, as far as a face is in them."""
    return persons(cached_recordings(other_dataset(root, None, CropConfig(size=SKIN_CROP, policy="skip"))))


def of_preset(preset: str, people: int) -> list[Person]:
    """People of a preset, 20 seconds each."""
    return people_to_try(preset, people, SECONDS, SKIN_CROP)


def generated_people(people: int) -> Iterator[tuple[str, list[Person]]]:
    """So many people of every preset, then of tones of the skin, by name."""
    for preset in SEEDS:
        yield preset, of_preset(preset, people)
    for tone in TONES:
        yield f"tone {tone}", people_of_tone(tone, min(people, TONE_PEOPLE), SECONDS, SKIN_CROP)
