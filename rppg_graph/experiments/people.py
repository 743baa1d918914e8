"""The generated people that networks and readings are tried on: so many of each preset, cut once, the same for all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rppg_graph.data.cached_recording import CachedRecording
from rppg_graph.data.traces import FaceTraces, face_traces
from rppg_graph.inference.predict import face_frames
from rppg_graph.synthetic.rendered import render_people

FOLDER = Path("runs/people")
SIZE = (480, 640)  # of the frames that the crops are of
SEEDS = {
    "motion": 4100,
    "compressed": 4101,
    "still": 4102,
    "dark": 4103,
    "hard": 4104,
    "office": 4105,
    "easy": 4106,
    "local": 4107,
}
CODED = ("compressed", "still", "hard")  # whose codec takes something of the pulse
TONES, TONE_PRESET, TONE_SEED = (1, 4, 7, 10), "office", 4150  # of the Monk scale: the same people with each
TRACES_FILE = "traces-1.npz"  # goes up with any change of what a trace is


class Person(NamedTuple):
    """A recording, with the colours of its face."""

    recording: CachedRecording
    traces: FaceTraces


def people_to_try(preset: str, people: int, seconds: float, crop: int, workers: int | None = None) -> list[Person]:
    """People of a preset, straight to crops of ``crop`` pixels; rendered now if they are not there."""
    part = {"preset": preset, "seed": SEEDS[preset], "coded": preset in CODED}
    return _rendered(part | {"subjects": people, "seconds": seconds}, crop, workers)


def people_of_tone(tone: int, people: int, seconds: float, crop: int) -> list[Person]:
    """The same people with skin of a tone of the Monk scale, everything else alike."""
    part = {"preset": TONE_PRESET, "seed": TONE_SEED, "skin_tone": tone}
    return _rendered(part | {"subjects": people, "seconds": seconds}, crop)


def _rendered(part: dict[str, object], crop: int, workers: int | None = None) -> list[Person]:
    return persons(render_people(FOLDER, [part | {"size": SIZE}], crop=crop, workers=workers))


def persons(recordings: Iterable[CachedRecording]) -> list[Person]:
    """Recordings with their colours."""
    return [Person(recording, traces_of(recording)) for recording in recordings]


def traces_of(recording: CachedRecording) -> FaceTraces:
    """The colours of a cached recording, read once and kept beside its crops."""
    place = recording.folder / TRACES_FILE
    if not place.exists():
        face_traces(face_frames(recording)).write(place)
    return FaceTraces.read(place)


def fingerprint(people: Iterable[Person]) -> str:
    """Twelve letters that stand for what is read: colours, times and references of all of them."""
    digest = hashlib.sha256()
    for recording, traces in people:
        for values in (traces.patches, traces.seconds, recording.pulse):
            digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()[:12]
