"""Whom a network learns from: recordings, rendered people, or simulated ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rppg_graph.config import Config
from rppg_graph.data.augment import Augment
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.data.prepared import believable, cached_recordings
from rppg_graph.data.splits import Split
from rppg_graph.files import claim
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.synthetic import render_people
from rppg_graph.synthetic.maps import RenderedMap, SimulatedMaps
from rppg_graph.synthetic.traces import RANGES

VALIDATED = 10  # one in so many rendered people validates, where nobody was recorded


class TrainingPeople(NamedTuple):
    """Clips to train on and to validate with; ``recordings``: those of validation, none where people are simulated."""

    train: ClipDataset | SimulatedMaps
    validation: ClipDataset | SimulatedMaps
    mean_bpm: float
    recordings: list[CachedRecording]


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
    frames, people = config.data.clip_frames, config.simulated
    rendered = [RenderedMap.of(each) for each in rendered_people(config)] if people.rendered_share else []
    learnt = [person for number, person in enumerate(rendered) if number % VALIDATED]
    share = people.rendered_share
    return TrainingPeople(
        SimulatedMaps(
            config.train.steps * config.train.batch,
            frames,
            seed=config.seed,
            no_pulse=people.no_pulse,
            rendered=learnt,
            rendered_share=share,
        ),
        SimulatedMaps(
            people.validation_people,
            frames,
            seed=config.seed + 1_000_000,
            rendered=rendered[::VALIDATED],
            rendered_share=share,
        ),
        float(np.mean(RANGES["bpm"][:2])),
        [],
    )


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
        rate = heart_rate(prepare_native(pulse, recording.fps), recording.fps, contact=True).bpm
        if rate is not None:
            rates.append(rate)
    return float(np.mean(rates))
