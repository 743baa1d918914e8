"""Fit the judgement of a heart rate, and report what it is worth: `python benchmarks/judgement.py fit|report`.

Recordings come from SOURCES, each (traces, rate or None, kind, person). The fit uses simulated and rendered people
alone; real recordings, stored as .npz files, are for the report.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from simulated_faces import simulated
from tqdm import tqdm

import rppg_graph.pulse.judgement as package
from rppg_graph.data.traces import FaceTraces
from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.cures import without_background, without_key_frames
from rppg_graph.pulse.evidence import key_period
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS, heart_rate
from rppg_graph.pulse.judgement import Judge, candidates, evidence_of
from rppg_graph.pulse.judgement_fit import Row, chosen_rows, fit_judge
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.uncertainty import area_under, risk_coverage
from rppg_graph.pulse.window import Window, amplitudes, cut_window, relative

Source = Iterable[tuple[FaceTraces, np.ndarray | float | None, str, str]]
FILE = Path(package.__file__).with_suffix(".json")
MEMBERS = ("pos", "pbv", "chrom", "omit", "green")
STEP_SECONDS = 5.0
MOST_FPS = 30.0  # a faster video is read at this rate: no pulse is lost


def stored(folder: Path) -> Iterator[tuple[FaceTraces, np.ndarray | float | None, str, str]]:
    """Recordings from .npz files: the fields of FaceTraces, `bpm` (a number, one for each frame, or NaN for nobody),
    `kind` and `person`."""
    for path in sorted(folder.glob("*.npz")):
        held = np.load(path)
        optional = {name: held.get(name) for name in ("background", "boxes", "key_frames")}
        traces = FaceTraces(held["seconds"], {"skin": held["skin"]}, held["patches"], **optional)
        bpm = held["bpm"]
        yield traces, None if np.isnan(bpm).all() else bpm, str(held["kind"]), str(held["person"])


def cured(traces: FaceTraces) -> FaceTraces:
    """Traces less what is known to be no pulse."""
    return without_key_frames(without_background(traces))


def member_rates(skin: np.ndarray, fps: float) -> dict[str, float]:
    """Rate in bpm by formula; NaN where it has none."""
    rates = {}
    for name in MEMBERS:
        try:
            bpm = heart_rate(prepare_native(CLASSICAL[name](skin, fps), fps), fps).bpm
        except InputError:
            bpm = None
        rates[name] = np.nan if bpm is None else bpm
    return rates


def common_rate(members: dict[str, float]) -> float:
    """The rate that most members share; NaN where none has one."""
    groups = candidates(members)
    votes = [sum(abs(rate - group) <= 3 for rate in members.values()) for group in groups]
    return groups[int(np.argmax(votes))] if groups else np.nan


def windows_of(traces: FaceTraces, fooled: dict[str, float] | None = None) -> list[tuple[float, Window]]:
    """Start and window, every five seconds, with the formulas' rates and those of the windows beside it.

    Args:
        fooled: rates that methods are made to have in every window.
    """
    fps = min(MOST_FPS, 1 / float(np.median(np.diff(traces.seconds))))
    first, last = float(traces.seconds[0]), float(traces.seconds[-1])
    found = []
    for start in np.arange(first, max(last - WINDOW_SECONDS, first) + 1e-6, STEP_SECONDS):
        try:
            window = cut_window(traces, start, min(WINDOW_SECONDS, last - start), fps)
            found.append((start, replace(window, members=member_rates(window.skin, fps) | (fooled or {}))))
        except InputError:
            continue
    rates = [common_rate(window.members) for _, window in found]
    beside = [[rates[j] for j in (i - 1, i + 1) if 0 <= j < len(rates)] for i in range(len(rates))]
    return [(at, replace(window, neighbours=near)) for (at, window), near in zip(found, beside, strict=True)]


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
    """A row for every candidate of every window.

    Args:
        hardened: for a fit. A quarter of the recordings are not cured, and in a fifth one to three of the methods
            have the rate of what is no pulse, as a network may: the judgement must not lean on either.
    """
    rows = []
    for number, (traces, truth, kind, person) in enumerate(tqdm(source, total=total, unit="recording", leave=False)):
        rng, fooled = np.random.default_rng([7, number]), {}
        if hardened and rng.random() < 0.2:
            fooled = dict.fromkeys(rng.choice(MEMBERS, rng.integers(1, 4), replace=False), suspect(traces, rng))
        treated = traces if hardened and rng.random() < 0.25 else cured(traces)
        for index, (start, window) in enumerate(windows_of(treated, fooled)):
            true_bpm = np.nan
            if truth is not None:
                inside = (traces.seconds >= start) & (traces.seconds < start + WINDOW_SECONDS)
                true_bpm = float(np.mean(np.broadcast_to(truth, len(traces.seconds))[inside]))
            for bpm, evidence in evidence_of(window, candidates(window.members)):
                rows.append(Row(f"{person}/{number}", person, kind, index, bpm, true_bpm, evidence))
    return rows


def report(rows: Sequence[Row], probabilities: np.ndarray, judge: Judge, trust: float | None = None) -> dict:
    """What the judgement of these rows is worth, in all and by kind, one window a row."""
    trust = judge.trust if trust is None else trust
    chosen = chosen_rows(rows, probabilities)
    rows, p = [rows[index] for index in chosen], probabilities[chosen]
    error = np.array([abs(row.bpm - row.true_bpm) for row in rows])  # NaN where nothing pulses
    width = np.array([judge.halfwidth(value) or np.nan for value in p])
    alive, answered = np.isfinite(error), p >= trust

    def summary(part: np.ndarray) -> dict:
        own, said = part & alive, part & alive & answered
        nobody = part & ~alive
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

    kinds = defaultdict(lambda: np.zeros(len(rows), dtype=bool))
    for index, row in enumerate(rows):
        kinds[row.kind][index] = True
    right = alive & (error <= 5)
    edges = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.01)
    reliability = [
        {"said": float(p[inside].mean()), "right": float(right[inside].mean()), "windows": int(inside.sum())}
        for inside in ((p >= low) & (p < high) for low, high in pairwise(edges))
        if inside.any()
    ]
    return {
        "trust": trust,
        "all": summary(np.ones(len(rows), dtype=bool)),
        "reliability": reliability,
        "kinds": {kind: summary(part) for kind, part in sorted(kinds.items())},
    }


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    return round(float(part.sum() / whole.sum()), 4) if whole.any() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "report"))
    parser.add_argument("--recordings", type=int, default=420, help="simulated ones")
    parser.add_argument("--seed", type=int, default=None, help="of the simulation: 0 to fit, 1 to report")
    parser.add_argument("--stored", type=Path, nargs="*", default=[], help="folders of .npz files to add")
    parser.add_argument("--trust", type=float, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else ("fit", "report").index(options.what)
    fit = options.what == "fit"
    rows = rows_of(simulated(options.recordings, seed), options.recordings, fit) if options.recordings else []
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
