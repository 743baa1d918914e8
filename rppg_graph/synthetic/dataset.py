"""Data sets of synthetic recordings on disk, in the layouts of real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rppg_graph.data.pool import do_all
from rppg_graph.data.recordings import Recording, find_recordings, pure, ubfc_rppg
from rppg_graph.errors import InputError
from rppg_graph.files import appearing_folder
from rppg_graph.registry import choose
from rppg_graph.synthetic.codec import quality_options
from rppg_graph.synthetic.generate import generate
from rppg_graph.synthetic.photo import find_portraits
from rppg_graph.synthetic.recording import SyntheticRecording

PARAMETERS_FILE = "synthetic.json"  # beside each recording
OXIMETER_HZ = 60.0


@dataclass(frozen=True)
class SyntheticLayout:
    """How a layout names recordings and writes them."""

    name: Callable[[int, int], str]  # of subject and take, both from 1
    write: Callable[[Path, str, SyntheticRecording], Path]
    most_subjects: int
    most_takes: int


def write_ubfc_rppg(root: Path, name: str, recording: SyntheticRecording) -> Path:
    """H.264 or MJPEG with each frame's own time; without a codec a lossless AVI, whose rate is constant."""
    codec = recording.parameters["codec"]
    options: dict[str, Any] = {"video": "vid.avi", "codec": "ffv1"}
    if codec != "none":
        rate, size = recording.parameters["kbit_per_second"], recording.parameters["size"]
        options = {"video": "vid.mp4", "codec": codec} | quality_options(codec, rate, size)
        options["key_frame_every"] = recording.parameters["key_frame_every"]
    reference = recording.reference(recording.seconds)
    return ubfc_rppg.write(root, name, recording.camera_frames(), recording.seconds, reference, **options)


def write_pure(root: Path, name: str, recording: SyntheticRecording) -> Path:
    """PNG images of what the codec leaves, and a pulse at the oximeter's 60 Hz."""
    samples = np.arange(np.floor(recording.seconds[-1] * OXIMETER_HZ) + 1) / OXIMETER_HZ
    return pure.write(root, name, recording.frames(), recording.seconds, recording.reference(samples))


# The keys are those of data.recordings.RECORDINGS, which reads them back.
LAYOUTS: dict[str, SyntheticLayout] = {
    "ubfc-rppg": SyntheticLayout(lambda subject, take: f"subject{subject}", write_ubfc_rppg, 9999, 1),
    "pure": SyntheticLayout(lambda subject, take: f"{subject:02d}-{take:02d}", write_pure, 99, 99),
}


def write_dataset(
    out: str | Path, *, layout: str = "ubfc-rppg", preset: str = "easy", subjects: int, seed: int,
    seconds: float = 30.0, fps: float = 30.0, size: tuple[int, int] = (240, 320), recordings_per_subject: int = 1,
    portraits: str | Path | None = None, workers: int | None = None, **overrides: Any,
) -> list[Recording]:  # fmt: skip
    """Write recordings of several people to disk and return them as the layout's reader finds them.

    The folder appears under its name only when it is whole. Each recording's parameters are beside it in
    `synthetic.json`. Same seed, same bytes, with any number of workers.

    Args:
        out: a folder that does not exist or is empty.
        layout: a key of LAYOUTS.
        portraits: a folder of pictures of faces: subject 1 gets the first's head, and so on, in turn.
        workers: processes, see `pool.do_all`.
        **overrides: as for `generate`.

    Raises:
        InputError: what `generate` or `find_portraits` refuses, an unknown layout, numbers that the layout cannot
            name, or an output folder that holds something.
    """
    writer = choose("layout of a synthetic data set", LAYOUTS, layout)
    _check_count("subjects", subjects, writer.most_subjects, layout)
    _check_count("recordings_per_subject", recordings_per_subject, writer.most_takes, layout)
    jobs = [(subject, take) for subject in range(1, subjects + 1) for take in range(1, recordings_per_subject + 1)]
    settings = {"preset": preset, "seconds": seconds, "fps": fps, "size": size} | overrides
    heads = find_portraits(portraits) if portraits is not None else []
    generate(seed=seed, **settings)  # impossible settings are refused here, before any process is started
    with appearing_folder(Path(out)) as folder:
        write = partial(_write_one, folder, layout, seed, settings, heads)
        for _ in tqdm(do_all(write, jobs, workers), total=len(jobs), desc=f"synthetic {preset}", unit="recording"):
            pass
    return find_recordings(out, layout)


def _check_count(name: str, value: int, most: int, layout: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(
            f"synthetic data set: {name} = {value!r}; the layout {layout!r} takes whole numbers 1 to {most}"
        )


def _write_one(
    folder: Path, layout: str, seed: int, settings: dict[str, Any], heads: list[str], job: tuple[int, int]
) -> None:
    """Render and write one take of one subject; all takes of a subject show the same person."""
    subject, take = job
    person, own = own_seed(seed, subject), own_seed(seed, *job)
    portrait = {"head": heads[(subject - 1) % len(heads)]} if heads else {}
    recording = generate(seed=own, person=person, **settings | portrait)
    name = LAYOUTS[layout].name(subject, take)
    place = LAYOUTS[layout].write(folder, name, recording)
    (place / PARAMETERS_FILE).write_text(json.dumps(recording.parameters, indent=1) + "\n", encoding="utf-8")


def own_seed(seed: int, *numbers: int) -> int:
    """The seed of one of a data set's people, or of one of their takes."""
    return int(np.random.SeedSequence([seed, *numbers]).generate_state(1)[0])
