"""What error heart-rate variability and breathing have on waves whose beats are known, by quality and length.

    python benchmarks/hrv.py            # about a minute; writes results/hrv.json

A wave is that of a generated heart at 30 frames a second, with white noise (weak) or with two-second bursts of motion
(disturbed), filtered as `predict` filters. The truth is computed from the heart's own beats. `pulse.beats.find_beats`
stands beside neurokit2's peaks on a spline of 1,000 Hz; with --contact FILE.csv (columns ppg and ecg at 30 Hz) both are
measured against the beats of an electrocardiogram as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path

import neurokit2
import numpy as np
from kept import RESULTS, environment
from scipy.interpolate import make_interp_spline
from scipy.signal import find_peaks

from rppg_graph.files import write_json
from rppg_graph.pulse.beats import find_beats, regular_intervals
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import signal_quality
from rppg_graph.pulse.respiration import respiration_rate
from rppg_graph.synthetic.cardiac import simulate_heart

FPS, FINE_HZ = 30.0, 1000
NOISE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # deviation; a pulse is 1 from trough to peak
BINS = (0.0, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.01)  # of quality
LENGTHS = (30.0, 60.0, 120.0)


def by_neurokit(wave: np.ndarray, fps: float) -> np.ndarray:
    fine = fine_of(wave, fps)
    return neurokit2.ppg_findpeaks(fine - fine.mean(), sampling_rate=FINE_HZ)["PPG_Peaks"] / FINE_HZ


def fine_of(wave: np.ndarray, fps: float) -> np.ndarray:
    """A spline through the wave at FINE_HZ."""
    times = np.arange(len(wave)) / fps
    return make_interp_spline(times, wave)(np.arange(0, times[-1], 1 / FINE_HZ))


FINDERS = {"find_beats": find_beats, "neurokit2": by_neurokit}


def beside_heart(path: Path) -> dict:
    """How much the delay of the pulse's beats after the heart's varies, in ms, by finder."""
    columns = np.genfromtxt(path, delimiter=",", names=True)
    heart = fine_of(-columns["ecg"], FPS)  # S waves are its sharpest mark at this rate
    heart = find_peaks(heart, distance=0.4 * FINE_HZ, height=np.percentile(heart, 90))[0] / FINE_HZ
    told = {}
    for name, find in FINDERS.items():
        beats = find(columns["ppg"], FPS)
        delay = beats - heart[np.searchsorted(heart, beats) - 1]
        told[name] = {"beats": len(beats), "delay_sd_ms": round(1000 * float(delay.std()), 1)}
    return told


def measures(beats: np.ndarray) -> dict[str, float]:
    """Mean interval, SDNN and RMSSD in ms of the regular intervals."""
    if len(beats) < 5:
        return dict.fromkeys(("mean_interval_ms", "sdnn_ms", "rmssd_ms"), np.nan)
    regular, intervals = regular_intervals(beats), 1000 * np.diff(beats)
    steps, kept = np.diff(intervals)[regular[1:] & regular[:-1]], intervals[regular]
    return {"mean_interval_ms": kept.mean(), "sdnn_ms": kept.std(ddof=1), "rmssd_ms": np.sqrt((steps**2).mean())}


def rows(people: int) -> list[dict]:
    found = []
    for seed, length, noise, bursts in itertools.product(range(people), LENGTHS, NOISE, (False, True)):
        rng = np.random.default_rng([seed, round(length), round(1000 * noise), bursts])
        heart = simulate_heart(
            length, bpm=rng.uniform(55, 95), drift_bpm=rng.uniform(0.5, 3), recovery_bpm=0.0,
            sinus_arrhythmia_bpm=rng.uniform(0.5, 6), breaths_per_minute=rng.uniform(9, 20), ectopic_per_minute=0.0,
            age=rng.uniform(20, 70), rng=rng,
        )  # fmt: skip
        clock = np.arange(round(length * FPS)) / FPS
        wave = heart.pulse(clock) + noise * rng.standard_normal(len(clock))
        if bursts:
            for start in rng.uniform(0, length - 2, round(length / 10)):
                inside = (clock > start) & (clock < start + 2)
                wave[inside] += 0.5 * np.sin(2 * np.pi * rng.uniform(0.7, 3) * (clock[inside] - start))
        wave = prepare_native(wave, FPS)
        whole = np.arange(np.ceil(heart.grid_beats[0]), heart.grid_beats[-1])
        beats = np.interp(whole, heart.grid_beats, heart.grid)
        truth = measures(beats[(beats >= 0) & (beats <= length)])
        breaths = 60 * np.count_nonzero(np.diff(np.sign(heart.breath(clock))) > 0) / length
        row = {"seconds": length, "noise": noise, "bursts": bursts, "quality": signal_quality(wave, FPS)}
        for name, find in FINDERS.items():
            row |= {f"{name}.{what}": value - truth[what] for what, value in measures(find(wave, FPS)).items()}
        said = respiration_rate(wave, FPS).breaths_per_minute
        row |= {"true_rmssd_ms": truth["rmssd_ms"], "breaths": None if said is None else said - breaths}
        found.append(row)
    return found


def table(found: list[dict]) -> list[dict]:
    """By length and quality: how many, and the median and the 90th percentile of each absolute error."""
    groups = defaultdict(list)
    for row in found:
        groups[row["seconds"], int(np.digitize(row["quality"], BINS)) - 1].append(row)
    told = []
    for (seconds, place), some in sorted(groups.items()):
        line = {"seconds": seconds, "quality": [BINS[place], min(BINS[place + 1], 1.0)], "waves": len(some)}
        line["true_rmssd_ms"] = round(float(np.median([row["true_rmssd_ms"] for row in some])), 1)
        for name in [key for key in some[0] if "." in key] + ["breaths"]:
            errors = np.abs([row[name] for row in some if row[name] is not None and np.isfinite(row[name])])
            line[name] = [round(float(q), 1) for q in np.quantile(errors, [0.5, 0.9])] if len(errors) else None
        line["breaths_answered"] = round(np.mean([row["breaths"] is not None for row in some]), 2)
        told.append(line)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=12, help="generated hearts for each length, noise and kind")
    parser.add_argument("--json", type=Path, default=RESULTS / "hrv.json", help="where the result goes")
    parser.add_argument("--contact", type=Path, help="a contact pulse and an electrocardiogram beside it (CSV)")
    args = parser.parse_args()
    told, contact = table(rows(args.people)), beside_heart(args.contact) if args.contact else None
    print("\n".join(json.dumps(line) for line in [*told, contact]))
    found = {"people": args.people, "contact": contact, "rows": told, "stamp": environment()}
    write_json(args.json, {"bench": "hrv"} | found)


if __name__ == "__main__":
    main()
