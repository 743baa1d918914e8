"""The disturbed set: what is periodic and no pulse, alone and over people whose pulse is known.

A third of the cases has no pulse at all. A third, the last test, is kept apart: its people are others, every number is
drawn from cells of its range that the rest leaves out, and two kinds of disturbance are in it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rppg_graph.data.pool import do_all
from rppg_graph.data.video import write_video
from rppg_graph.errors import InputError
from rppg_graph.files import appearing_folder, csv_text, write_text
from rppg_graph.synthetic.codec import quality_options, through_codec
from rppg_graph.synthetic.dataset import own_seed
from rppg_graph.synthetic.disturbances import (
    DISTURBANCES,
    LAST_ALONE,
    PERSON,
    PULSELESS_UNDER,
    SUBJECTS,
    draw,
    draw_disturbance,
    rate_hz,
)
from rppg_graph.synthetic.generate import generate
from rppg_graph.synthetic.recording import SyntheticRecording

TRUTH_FILE, CASES_FILE = "truth.tsv", "cases.csv"
PARTS = ("fit", "last")
BPM, BASES = (48.0, 150.0), ("easy", "still", "office")
APART_BPM = 10.0  # least distance of a pulse from the disturbance: else the wrong answer would be right

# The camera of a case, and a scene in which nothing else is periodic; the disturbance is laid over it.
_STEADY = {"flicker": 0.0, "screen": 0.0, "rhythm": 0.0, "spot": 0.0, "frame_jitter": 0.0, "dropped": 0.0,
           "codec": ["none", "none", "none", "h264", "vp9", "mpeg4"], "kbit_per_second": (1500.0, 4000.0),
           "key_frame_every": (100, 250)}  # fmt: skip
_RANGES = (list, tuple)


@dataclass(frozen=True)
class Case:
    """A video with a disturbance; the truth is known."""

    name: str
    part: str  # of PARTS
    kind: str  # of DISTURBANCES
    subject: str  # of SUBJECTS
    rate_hz: float | None  # of the disturbance, as the camera sees it
    strength: float | None
    recording: SyntheticRecording

    @property
    def person(self) -> int:
        return self.recording.parameters["person"]

    @property
    def bpm(self) -> float | None:
        """Mean heart rate; None where nothing pulses."""
        return float(self.recording.bpm.mean()) if self.subject == PERSON else None

    @property
    def seconds(self) -> np.ndarray:
        """(T,) of the frames."""
        return self.recording.seconds

    @property
    def key_frames(self) -> np.ndarray | None:
        """(T,) whether a frame is coded without those before it; None where there is no codec."""
        p = self.recording.parameters
        return None if p["codec"] == "none" else np.arange(len(self.seconds)) % p["key_frame_every"] == 0

    def camera_frames(self) -> Iterator[np.ndarray]:
        """The frames before the codec: RGB uint8 (H, W, 3)."""
        count, order = len(self.seconds), None
        if self.subject == "frames in no order":
            order = np.random.default_rng(self.recording.parameters["seed"]).permutation(count).tolist()
        elif self.subject == "one frame":
            order = [0] * count
        return self.recording.camera_frames(order=order)

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Seconds and RGB uint8 (H, W, 3) of the frames as the codec leaves them, as `data.video.read_video` has it."""
        p = self.recording.parameters
        coded = through_codec(self.camera_frames(), p["fps"], p["codec"], p["kbit_per_second"], p["key_frame_every"])
        return zip(self.seconds, coded, strict=True)

    def row(self) -> dict[str, Any]:
        """Truth and every parameter."""
        own = {"name": self.name, "part": self.part, "kind": self.kind, "subject": self.subject, "truth_bpm": self.bpm,
               "rate_hz": self.rate_hz, "strength": self.strength}  # fmt: skip
        return own | self.recording.parameters

    def write(self, folder: Path) -> Path:
        """Write the video; what has no codec is nearly lossless."""
        p = self.recording.parameters
        codec = "h264" if p["codec"] == "none" else p["codec"]
        rate, every = (None, None) if p["codec"] == "none" else (p["kbit_per_second"], p["key_frame_every"])
        quality = quality_options(codec, rate, p["size"])
        path = folder / f"{self.name}.mp4"
        return write_video(path, self.camera_frames(), p["fps"], codec=codec, key_frame_every=every, **quality)


def disturbed_case(seed: int, index: int, *, seconds: float = 20.0, size: tuple[int, int] = (240, 320)) -> Case:
    """One case of the set; it follows from seed and index alone.

    Raises:
        InputError: what `generate` refuses.
    """
    return make_case(**draw_case(seed, index), seconds=seconds, size=size)


def draw_case(seed: int, index: int) -> dict[str, Any]:
    """The arguments of `make_case` for a case of the set."""
    last = index % 3 == 2
    kinds = [kind for kind in DISTURBANCES if last or kind not in LAST_ALONE]
    turn, at = divmod(index // 3 if last else 2 * (index // 3) + index % 3, len(kinds))
    kind, rng = kinds[at], np.random.default_rng([seed, index])
    pulseless = PULSELESS_UNDER[kind]
    subject = PERSON if (at + turn) % 3 else pulseless[rng.integers(len(pulseless))]
    fps, drawn = draw_disturbance(kind, rng, last=last)
    steady = {name: draw(choice, rng, last) for name, choice in (_STEADY | SUBJECTS[subject]).items()}
    hz, bpm = rate_hz(kind, drawn, fps), draw(BPM, rng, last)
    while hz is not None and abs(bpm - 60 * hz) < APART_BPM:
        bpm = draw(BPM, rng, last)
    head = {"head": "procedural"} if last else {}  # portraits are few: the last test has none of them
    return {
        "name": f"{PARTS[last]}_{index:04d}_{kind}_{subject}".replace(" ", "-"),
        "kind": kind,
        "subject": subject,
        "preset": BASES[rng.integers(len(BASES))],
        "seed": own_seed(seed, index),
        "part": PARTS[last],
        "fps": fps,
        "bpm": bpm,
        **head,
        **steady,
        **drawn,
    }


def make_case(
    *, name: str, kind: str, subject: str, preset: str, seed: int, fps: float, part: str = PARTS[0], **settings: Any
) -> Case:
    """A case of one's own: subject and disturbance by name, and settings as for `generate`."""
    fixed = {choice: value for choice, value in (_STEADY | SUBJECTS[subject]).items() if not isinstance(value, _RANGES)}
    recording = generate(preset, seed, fps=fps, **{"codec": "none"} | fixed | settings)
    strength, p = DISTURBANCES[kind].strength, recording.parameters
    return Case(name, part, kind, subject, rate_hz(kind, p, fps), strength and p[strength], recording)


def write_disturbed(
    out: str | Path, *, count: int = 300, seed: int = 1, workers: int | None = None, **settings: Any
) -> list[dict[str, Any]]:
    """Write the set's videos, their truth (TRUTH_FILE: name, bpm or none) and every parameter (CASES_FILE).

    Same seed, same bytes, with any number of workers; the folder appears under its name when it is whole.

    Args:
        count: cases; settings: as for `disturbed_case`.

    Returns:
        The rows of CASES_FILE.

    Raises:
        InputError: what `generate` refuses, no case, or a folder that holds something.
    """
    if not 1 <= count <= 9999:
        raise InputError(f"disturbed set: count = {count}; it is 1 to 9999")
    disturbed_case(seed, 0, **settings)  # impossible settings are refused before any process is started
    with appearing_folder(Path(out)) as folder:
        done = do_all(partial(_write_one, folder, seed, settings), range(count), workers)
        rows = [row for _, row in sorted(tqdm(done, total=count, desc="disturbed", unit="video"), key=itemgetter(0))]
        write_truth(folder, rows)
    return rows


def _write_one(folder: Path, seed: int, settings: dict[str, Any], index: int) -> dict[str, Any]:
    case = disturbed_case(seed, index, **settings)
    return {"file": case.write(folder).name, "index": index} | case.row()


def write_truth(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """TRUTH_FILE and CASES_FILE of videos; each row has at least file and truth_bpm."""
    truths = ["none" if row["truth_bpm"] is None else f"{row['truth_bpm']:.2f}" for row in rows]
    lines = [f"{row['file']}\t{truth}\n" for row, truth in zip(rows, truths, strict=True)]
    write_text(folder / TRUTH_FILE, "".join(lines))
    write_text(folder / CASES_FILE, csv_text(rows))
