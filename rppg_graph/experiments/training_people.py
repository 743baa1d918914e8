"""Whom a network learns from: recordings, rendered people, or simulated ones."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rppg_graph.config import Config
from rppg_graph.data.augment import Augment
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.data.prepared import (
    SPLIT_FILE,
    believable,
    cached_recordings,
    split_of,
    split_of_run,
    wanted_recordings,
)
from rppg_graph.data.recordings import Recording
from rppg_graph.data.recordings.folders import natural_order
from rppg_graph.data.splits import Split, write_splits
from rppg_graph.errors import InputError
from rppg_graph.files import claim
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.synthetic import render_people
from rppg_graph.synthetic.maps import RenderedMap, SimulatedMaps
from rppg_graph.synthetic.traces import RANGES
from rppg_graph.training.distributed import ranks

VALIDATED = 10  # one in so many rendered people validates, where nobody was recorded


class TrainingPeople(NamedTuple):
    """Clips to train on and to validate with; ``recordings``: those of validation, none where people are simulated."""

    train: ClipDataset | SimulatedMaps
    validation: ClipDataset | SimulatedMaps
    mean_bpm: float
    recordings: list[CachedRecording]


def split_to_train(config: Config, folder: Path, resume: bool) -> Split:
    """The split of a run, written to its folder; a run that goes on keeps its own.

    Raises:
        InputError: somebody whom the run that goes on has learnt from is not there; no reference pulse to learn from.
    """
    recordings = wanted_recordings(config.data)
    goes_on = resume and (folder / SPLIT_FILE).exists()
    split = split_of_run(folder, recordings, config.data) if goes_on else split_of(recordings, config.data)
    gone = {*split.train, *split.validation} - {recording.subject for recording in recordings}
    if gone:
        names = ", ".join(sorted(gone, key=natural_order))
        raise InputError(
            f"{config.data.root} lacks subject {names}, of whom {folder} learns; put it back, or train anew"
        )
    learnt = [recording for recording in recordings if split.side(recording.subject) in ("train", "validation")]
    if without := [recording.name for recording in learnt if not _has_pulse(recording)]:
        names = ", ".join(without)
        raise InputError(f"{names}: no reference pulse to learn from; add one, or name them in data.leave_out")
    if not goes_on and ranks().rank == 0:
        write_splits(folder / SPLIT_FILE, [split])
    return split


def _has_pulse(recording: Recording) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are said when the recording is cut
        try:
            reference = recording.reference()
        except InputError:  # then, too, together with all others that cannot be read
            return True
    return reference is not None and reference.pulse is not None


def recorded_people(config: Config, split: Split) -> TrainingPeople:
    """The recordings of a split's sides, and the config's rendered people beside those to train on."""
    recordings = believable(cached_recordings(config.data), config.data)
    train, validation = ([r for r in recordings if split.side(r.subject) == side] for side in ("train", "validation"))
    if config.rendered:
        train += rendered_people(config)
    clips = {"clip_frames": config.data.clip_frames, "stride": config.data.stride}
    augment = config.train.augment and Augment(config.data.clip_frames, **config.train.augment.model_dump())
    learnt = ClipDataset(train, augment=augment or None, seed=config.seed, **clips)
    to_validate = ClipDataset(validation, fps=learnt.fps, **clips)
    return TrainingPeople(learnt, to_validate, mean_reference_bpm(train), validation)


def simulated_people(config: Config) -> TrainingPeople:
    """People that are drawn for every step, and clips of rendered ones among them, a tenth of whom validates."""
    people = config.simulated
    rendered = [RenderedMap.of(each) for each in rendered_people(config)] if people.rendered_share else []
    learnt = [person for number, person in enumerate(rendered) if number % VALIDATED]
    maps = partial(SimulatedMaps, frames=config.data.clip_frames, rendered_share=people.rendered_share)
    drawn = config.train.steps * config.train.batch
    train = maps(drawn, seed=config.seed, no_pulse=people.no_pulse, rendered=learnt)
    validation = maps(people.validation_people, seed=config.seed + 1_000_000, rendered=rendered[::VALIDATED])
    return TrainingPeople(train, validation, float(np.mean(RANGES["bpm"][:2])), [])


def rendered_people(config: Config) -> list[CachedRecording]:
    """The crops of the config's further people, rendered now if they are not beside its recordings."""
    out, crop = config.data.root.with_name(f"{config.data.root.name}-rendered"), config.data.crop.size
    with claim(out.with_name(f"{out.name}.claim")):  # two processes must not render the same people
        return render_people(out, [part.model_dump(exclude_none=True) for part in config.rendered], crop=crop)


def mean_reference_bpm(recordings: list[CachedRecording]) -> float:
    """Mean of the recordings' reference heart rates: all that a network knows that has learnt nothing else."""
    rates = []
    for recording in recordings:
        known = np.isfinite(recording.pulse)
        _, pulse = resample(recording.seconds[known], recording.pulse[known], recording.fps)
        rate = CONTACT.heart_rate(prepare_native(pulse, recording.fps), recording.fps).bpm
        if rate is not None:
            rates.append(rate)
    return float(np.mean(rates))
