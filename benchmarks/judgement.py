"""Fit the judgement of a heart rate, and report what it is worth: `python benchmarks/judgement.py fit|report`.

Recordings come from SOURCES, each (traces, rate or None, kind, person). The fit uses simulated and rendered people
alone; real recordings, stored as .npz files, are for the report.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.signal import hilbert
from simulated_faces import simulated
from tqdm import tqdm

import rppg_graph.pulse.judgement as package
from rppg_graph.data.traces import FaceTraces
from rppg_graph.errors import InputError
from rppg_graph.inference.ensemble import Ensemble
from rppg_graph.inference.ensemble_stream import read_traces
from rppg_graph.models.weights import load_weights
from rppg_graph.nn.folding import folded
from rppg_graph.pulse.evidence import key_period
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS
from rppg_graph.pulse.judgement import Judge, Judgement, candidates, evidence_of
from rppg_graph.pulse.judgement_fit import Row, chosen_rows, fit_judge
from rppg_graph.pulse.uncertainty import area_under, risk_coverage
from rppg_graph.pulse.window import Window, amplitudes, relative
from rppg_graph.synthetic.traces import simulate_people

Source = Iterable[tuple[FaceTraces, np.ndarray | float | None, str, str]]
FILE = Path(package.__file__).with_suffix(".json")
NETWORK = "stgnet-map-synth"
STEP_FRAMES = 150
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of trust
OF_LEVELS = ("answered", "of these right", "answered and wrong", "no pulse, answered")
MAP_FRAMES, MAPS_AT_ONCE = 465, 8


def stored(folder: Path) -> Iterator[tuple[FaceTraces, np.ndarray | float | None, str, str]]:
    """Recordings from .npz files: what FaceTraces.write keeps, `bpm` (a number, one for each frame, or NaN for
    nobody), `kind` and `person`."""
    for path in sorted(folder.glob("*.npz")):
        held = np.load(path)
        bpm = held["bpm"]
        yield FaceTraces.read(path), None if np.isnan(bpm).all() else bpm, str(held["kind"]), str(held["person"])


def maps(recordings: int, seed: int) -> Iterator[tuple[FaceTraces, np.ndarray | None, str, str]]:
    """Simulated people as the map network learns from, without face boxes; a third of them has no pulse."""
    for first in range(0, recordings, MAPS_AT_ONCE):
        people = simulate_people(np.random.default_rng([seed, 5, first]), MAPS_AT_ONCE, MAP_FRAMES, no_pulse=1 / 3)
        coded = people.parameters["coded_share"] > 0
        for i in range(min(MAPS_AT_ONCE, recordings - first)):
            weights = np.where(people.skin[i] > 0.5, people.skin[i], 0) + 1e-6
            skin = (people.patches[i] * weights[:, None]).sum(1) / weights.sum()
            masks = {"skin": skin, "steady": skin, "whole": people.patches[i].mean(axis=1)}
            traces = FaceTraces(np.arange(MAP_FRAMES) / 30, masks, people.patches[i], people.background[i])
            alive = np.isfinite(people.bpm[i]).all()
            kind = f"map, {'coded' if coded[i] else 'as filmed'}{'' if alive else ', no pulse'}"
            yield traces, people.bpm[i] if alive else None, kind, f"map-{seed}-{first + i}"


class Recorder:
    """In the place of a judge: keeps every candidate of every window with its evidence."""

    def __init__(self, fooled: dict[str, float]) -> None:
        self.fooled, self.found = fooled, []

    def judge(self, window: Window, trust: float | None = None) -> Judgement:
        waves = {**window.waves}
        for name in self.fooled.keys() & waves.keys():  # as clear as it was, at the other rate
            off = (self.fooled[name] - window.members[name]) / 60
            turning = np.exp(2j * np.pi * off * np.arange(len(waves[name])) / window.fps)
            waves[name] = (hilbert(waves[name]) * turning).real
        window = replace(window, members={**window.members, **self.fooled}, waves=waves)
        found = evidence_of(window, candidates(window.members))
        if not found:
            raise InputError("no method has a rate")
        self.found.append(found)
        likeliest = max(found, key=lambda each: package.shipped().probability(each[1]))
        return Judgement(likeliest[0], 0.5, None, False, likeliest[1], {}, None, ())


def suspect(traces: FaceTraces, rng: np.random.Generator) -> float:
    """The rate in bpm that a method would have that is fooled: of the head, of a light, of the key frames, or any."""
    signals = []
    if traces.boxes is not None:
        signals += list((traces.boxes[:, :3] / traces.boxes[:, 2:3]).T)
    if traces.background is not None:
        signals.append(np.nanmean(traces.background, axis=(1, 2)))
    fps = 1 / float(np.median(np.diff(traces.seconds)))
    hz = np.arange(0.7, 3.5, 0.02)
    best = (30.0, 60 * rng.choice(hz))  # thirty times the median is a line
    for signal in signals:
        power = np.abs(amplitudes(relative(1 + signal - signal.mean()), fps, hz)) ** 2
        best = max(best, (power.max() / max(np.median(power), 1e-30), 60 * hz[power.argmax()]))
    period = key_period(traces.key_frames)
    if period and 0.7 < fps / period < 3.5 and rng.random() < 0.5:
        return 60 * fps / period
    return float(best[1])


def rows_of(source: Source, total: int | None = None, hardened: bool = False) -> list[Row]:
    """A row for every candidate of every window, five seconds apart, as the default method reads them.

    Args:
        hardened: for a fit. In a fifth of the recordings one to three of the methods have the rate of what is no
            pulse, as one that is fooled may: the judgement must not lean on them.
    """
    rows, method = [], Ensemble(network=folded(load_weights(NETWORK).model))
    for number, (traces, truth, kind, person) in enumerate(tqdm(source, total=total, unit="recording", leave=False)):
        rng, fooled = np.random.default_rng([7, number]), {}
        if hardened and rng.random() < 0.2:
            few = rng.choice(method.names, rng.integers(1, 4), replace=False)
            fooled = dict.fromkeys(few, suspect(traces, rng))
        recorder = Recorder(fooled)
        same = {"steady": traces.masks["skin"], "whole": traces.patches.mean(axis=1)}  # where only skin was simulated
        traces = replace(traces, masks={**same, **traces.masks})
        raw = read_traces(replace(method, judge=recorder), traces, STEP_FRAMES)
        judged = [window for window in raw.windows if window.judgement is not None]
        for index, (window, found) in enumerate(zip(judged, recorder.found, strict=True)):
            true_bpm = np.nan
            if truth is not None:
                inside = (traces.seconds >= window.start) & (traces.seconds < window.start + WINDOW_SECONDS)
                true_bpm = float(np.mean(np.broadcast_to(truth, len(traces.seconds))[inside]))
            rows += [Row(f"{person}/{number}", person, kind, index, bpm, true_bpm, seen) for bpm, seen in found]
    return rows


def report(rows: Sequence[Row], probabilities: np.ndarray, judge: Judge, trust: float | None = None) -> dict:
    """What the judgement of these rows is worth, in all and by kind, one window a row."""
    trust = judge.trust if trust is None else trust
    chosen = chosen_rows(rows, probabilities)
    rows, p = [rows[index] for index in chosen], probabilities[chosen]
    error = np.array([abs(row.bpm - row.true_bpm) for row in rows])  # NaN where nothing pulses
    width = np.array([judge.halfwidth(value) or np.nan for value in p])
    alive = np.isfinite(error)

    def summary(part: np.ndarray, answered: np.ndarray) -> dict:
        own, said, nobody = part & alive, part & alive & answered, part & ~alive
        return {
            "windows": int(part.sum()),
            "with a pulse": int(own.sum()),
            "answered": _share(said, own),
            "of these right": _share(said & (error <= 5), said),
            "answered and wrong": _share(said & (error > 5), own),
            "no pulse, answered": _share(nobody & answered, nobody),
            "median half-width": float(np.nanmedian(width[said])) if said.any() else None,
            "share in the interval": _share(said & (error <= width), said),
            "AURC": float(area_under(risk_coverage(-p[own], error[own]))) if own.any() else None,
            "AURC of the oracle": float(area_under(risk_coverage(error[own], error[own]))) if own.any() else None,
        }

    kinds = np.array([row.kind for row in rows])
    right, everybody = alive & (error <= 5), np.ones(len(rows), dtype=bool)
    edges = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.01)
    reliability = [
        {"said": float(p[inside].mean()), "right": float(right[inside].mean()), "windows": int(inside.sum())}
        for inside in ((p >= low) & (p < high) for low, high in pairwise(edges))
        if inside.any()
    ]
    levels = {f"{level:g}": summary(everybody, p >= level) for level in LEVELS}
    return {
        "trust": trust,
        "levels": {level: {name: found[name] for name in OF_LEVELS} for level, found in levels.items()},
        "all": summary(everybody, p >= trust),
        "reliability": reliability,
        "kinds": {str(kind): summary(kinds == kind, p >= trust) for kind in np.unique(kinds)},
    }


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    return round(float(part.sum() / whole.sum()), 4) if whole.any() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "report"))
    parser.add_argument("--recordings", type=int, default=420, help="simulated faces with all evidence")
    parser.add_argument("--maps", type=int, default=400, help="simulated maps, coded and as filmed")
    parser.add_argument("--seed", type=int, default=None, help="of the simulation: 0 to fit, 1 to report")
    parser.add_argument("--stored", type=Path, nargs="*", default=[], help="folders of .npz files to add")
    parser.add_argument("--trust", type=float, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else ("fit", "report").index(options.what)
    fit = options.what == "fit"
    rows = rows_of(simulated(options.recordings, seed), options.recordings, fit)
    rows += rows_of(maps(options.maps, seed), options.maps, fit)
    for folder in options.stored:
        rows += rows_of(stored(folder), hardened=fit)
    if fit:
        judge, probabilities = fit_judge(rows)
        FILE.write_text(judge.to_json() + "\n", encoding="utf-8")
    else:
        judge = package.shipped()
        probabilities = np.array([judge.probability(row.evidence) for row in rows])
    print(json.dumps(report(rows, probabilities, judge, options.trust), indent=1))


if __name__ == "__main__":
    main()
