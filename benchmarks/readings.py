"""Which formula on which pixels, and which of them together: every reading of the same faces, side by side.

    python benchmarks/readings.py --people 60                       # generated people
    python benchmarks/readings.py ../shared/data/ubfc_rppg_mp4      # ROOT: real ones, and their compressed copies

Formulas of CLASSICAL on the masks of MASKS and the map network, each alone; the ensemble of formulas, the same with the
network, and the same with the judgement, which is the default. On generated people of every preset and of four tones of
skin, straight to crops of 128 px; on ROOT (recordings with references); and on ROOT once more, strongly compressed:
coded again as MPEG-4 at 20 frames a second with a key frame every 30. Choices are made on the generated people; ROOT
confirms them.

Writes results/readings_generated_DEVICE.csv and .json, or readings_real: for each set and reading the mean absolute
error and the share within 5 bpm, of windows of ten seconds side by side and of whole recordings, with intervals of 95 %
by bootstrap over people.
Caches people under runs/people, copies under runs/readings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from faces import generated_people, real_people
from harness import arguments, write
from kept import show

from rppg_graph.data.masks import MASKS
from rppg_graph.data.recordings import find_recordings, ubfc_rppg
from rppg_graph.data.video import probe
from rppg_graph.experiments.people import Person
from rppg_graph.inference.ensemble import NETWORK, Ensemble, default_ensemble
from rppg_graph.inference.ensemble_stream import read_traces
from rppg_graph.inference.ensemble_windows import FRAMES, STRIDE
from rppg_graph.inference.predict import wave_beside
from rppg_graph.models.checkpoint import load
from rppg_graph.models.weights import load_weights
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.measure import measure
from rppg_graph.pulse.protocols import PROTOCOLS

WORK = Path("runs/readings")
COPY_FPS, COPY_KBIT, COPY_KEY_FRAMES = 20, (250, 500, 1000), 30
SPANS = {"windows": 10.0, "recordings": None}  # seconds
CLOSE_BPM, DRAWS = 5.0, 2000


def compressed(root: Path, kbit: int) -> Path:
    """A copy of every recording of ROOT as a strongly compressing webcam would have left it, at the frames' own index.

    Labels are of the frames that are kept: sample i of a reference belongs to frame i.
    """
    out = WORK / f"{root.name}-mpeg4-{kbit}"
    for recording in find_recordings(root, "ubfc-rppg"):
        folder = out / recording.name
        video = next(file for file in recording.files if file.suffix != ".txt")
        if (folder / ubfc_rppg.LABELS).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        kept = _recode(video, folder / "vid.mp4", kbit)
        rows = np.loadtxt(video.parent / ubfc_rppg.LABELS)
        np.savetxt(folder / ubfc_rppg.LABELS, rows[:, kept[kept < rows.shape[1]]], fmt="%16.7e")
    return out


def _recode(video: Path, out: Path, kbit: int) -> np.ndarray:
    """Numbers of the frames that were kept."""
    fps, kept = probe(video).fps, []
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream("mpeg4", rate=COPY_FPS)
        first = source.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.bit_rate, stream.gop_size = 1000 * kbit, COPY_KEY_FRAMES
        for number, frame in enumerate(source.decode(video=0)):
            if number / fps < len(kept) / COPY_FPS - 1e-6:
                continue
            coded = frame.reformat(format="yuv420p")
            coded.pts, coded.time_base, coded.pict_type = len(kept), Fraction(1, COPY_FPS), 0
            kept.append(number)
            target.mux(stream.encode(coded))
        target.mux(stream.encode(None))
    return np.array(kept)


def readings(network) -> dict[str, Ensemble]:
    """Every reading by name."""
    alone = {f"{formula}, {mask}": Ensemble(((formula, mask),)) for mask in MASKS for formula in CLASSICAL}
    together = {"ensemble": Ensemble(), "ensemble with network": Ensemble(network=network)}
    judged = {"default": replace(default_ensemble(), network=network)}
    return alone | {"network": Ensemble((), network)} | together | judged


def errors(reading: Ensemble, person: Person, stride: int = STRIDE) -> dict[str, list[float]]:
    """Absolute errors in bpm of windows and of the whole; what has no number errs by the whole rate."""
    wave = wave_beside(person.recording, read_traces(reading, person.traces, stride), reading.name)
    return {
        span: [
            abs((row.bpm or 0.0) - row.reference_bpm)
            for row in measure(wave, PROTOCOLS["native"], "fft", window)
            if row.reference_bpm is not None
        ]
        for span, window in SPANS.items()
    }


def table(name: str, people: list[Person], methods: Mapping[str, Ensemble], quick: bool) -> Iterator[dict]:
    """One row a reading and span; quick: what is one member alone is read in windows side by side."""
    for method, reading in methods.items():
        stride = FRAMES if quick and len(reading.names) == 1 else STRIDE
        found = [errors(reading, person, stride) for person in people]
        for span in SPANS:
            yield {"set": name, "reading": method, "span": span, **summary([each[span] for each in found])}


def summary(found: list[list[float]], seed: int = 0) -> dict[str, float]:
    """MAE and share within 5 bpm of all errors, with the interval over draws of people."""
    rows = {"mae_bpm": found, "within_5_percent": [[100.0 * (e <= CLOSE_BPM) for e in errors] for errors in found]}
    drawn = np.random.default_rng(seed).integers(len(found), size=(DRAWS, len(found)))
    numbers: dict[str, float] = {}
    for name, values in rows.items():
        sums, counts = np.array([sum(v) for v in values]), np.array([len(v) for v in values])
        low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
        numbers |= {name: sums.sum() / counts.sum(), f"{name}_low": low, f"{name}_high": high}
    return numbers | {"n": sum(map(len, found)), "people": len(found)}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("real", type=Path, nargs="?", help="ROOT of recordings with references, in place of generated")
    parser.add_argument("--people", type=int, default=10, help="generated ones of each preset")
    parser.add_argument("--network", type=Path, help="a trained map network in place of the one that comes along")
    parser.add_argument("--kbit", type=int, nargs="+", default=COPY_KBIT, help="a second, of the compressed copies")


def main() -> None:
    options = arguments(__doc__, add_options)
    network = (load(options.network) if options.network else load_weights(NETWORK)).model.eval()
    sets = {}
    if options.real:
        roots = {options.real.name: options.real}
        for kbit in options.kbit:
            roots[f"{options.real.name}, MPEG-4 of {kbit} kbit"] = compressed(options.real, kbit)
        sets = {name: real_people(root) for name, root in roots.items()}
    rows = []
    for name, people in sets.items() or generated_people(options.people):
        new = list(table(name, people, readings(network), quick=options.real is None))
        show(new, ["set", "reading", "span", "mae_bpm", "within_5_percent", "n"])
        rows += new
    write(f"readings_{'real' if options.real else 'generated'}", options, rows, [])


if __name__ == "__main__":
    main()
