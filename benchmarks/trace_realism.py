"""Are simulated colour traces like those of real faces? Distributions side by side, in windows of ten seconds.

    python benchmarks/trace_realism.py ../shared/data/ubfc_rppg_mp4

Real recordings of ROOT, rendered people of PRESETS and simulated maps (synthetic/traces.py), all as mean colours of the
patches of a face crop. Nothing is fitted to the real ones. Writes results/trace_realism.json: median and tenths of each
of MEASURES by set.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from faces import of_preset, real_people
from kept import RESULTS, environment, show
from scipy.signal import periodogram
from scipy.stats import kurtosis

from rppg_graph.experiments.people import Person
from rppg_graph.files import write_json
from rppg_graph.pulse.classical import pbv
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import snr_db
from rppg_graph.pulse.window import relative
from rppg_graph.synthetic.traces import simulate_people

FPS, FRAMES, FAST_HZ = 30.0, 300, 5.0
PRESETS = ("office", "motion", "compressed", "still")
REAL, SIMULATED = "real", "simulated"
SIDE = 4  # patches along a side, as the map network pools them


def _fast_share(x: np.ndarray) -> float:
    hz, power = periodogram(x, FPS, window="hann", axis=0)
    return float(np.median(power[hz > FAST_HZ].sum(axis=0) / power.sum(axis=0)))


def _alike(x: np.ndarray) -> float:
    """Mean correlation of two patches."""
    found = np.corrcoef(x.T)
    return float(found[~np.eye(len(found), dtype=bool)].mean())


# Name → figure of the relative traces (T, P, 3) of a window, without their parabola.
MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "size of a patch's green (%)": lambda x: float(100 * np.median(x[..., 1].std(axis=0))),
    "size of the patches' mean (%)": lambda x: float(100 * x[..., 1].mean(axis=1).std()),
    "share above 5 Hz": lambda x: _fast_share(x[..., 1]),
    "kurtosis": lambda x: float(np.median(kurtosis(x[..., 1], axis=0, fisher=False))),
    "red with green": lambda x: float(np.median([np.corrcoef(p[:, 0], p[:, 1])[0, 1] for p in x.swapaxes(0, 1)])),
    "patch with patch": lambda x: _alike(x[..., 1]),
}
SNR = "SNR of PBV at the true rate (dB)"


def row_of(patches: np.ndarray, pulse: np.ndarray) -> dict[str, float]:
    """The figures of a window of mean colours (T, g², 3) with its reference pulse (T,)."""
    fine = round(patches.shape[1] ** 0.5)
    pooled = patches.reshape(FRAMES, SIDE, fine // SIDE, SIDE, fine // SIDE, 3).mean(axis=(2, 4))
    x = relative(pooled.reshape(FRAMES, -1, 3))
    row = {name: measure(x) for name, measure in MEASURES.items()}
    true = CONTACT.heart_rate(prepare_native(pulse, FPS), FPS).bpm
    wave = prepare_native(pbv(patches.mean(axis=1), FPS), FPS)
    return row | ({} if true is None else {SNR: snr_db(wave, FPS, true)})


def side_by_side(person: Person, frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Mean colours (T, g², 3) and pulse (T,) of a recording's windows of so many frames, where the pulse is known."""
    recording, traces = person
    clock, patches = resample(traces.seconds, traces.patches.reshape(len(traces.seconds), -1), FPS)
    pulse = np.interp(clock, recording.seconds, recording.pulse)
    for first in range(0, len(clock) - frames + 1, frames):
        part = slice(first, first + frames)
        if np.isfinite(pulse[part]).all():
            yield patches[part].reshape(frames, -1, 3), pulse[part]


def filmed(people: list[Person]) -> Iterator[dict[str, float]]:
    """Windows side by side of recordings."""
    return (row_of(patches, pulse) for person in people for patches, pulse in side_by_side(person, FRAMES))


def simulated(count: int, seed: int = 9) -> Iterator[dict[str, float]]:
    """Windows of simulated people with a pulse."""
    drawn = simulate_people(np.random.default_rng(seed), count, FRAMES, FPS)
    return map(row_of, drawn.patches, drawn.pulse)


def tenths(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """10 %, 50 % and 90 % of every figure."""
    names = [*MEASURES, SNR]
    return {name: np.percentile([row[name] for row in rows if name in row], [10, 50, 90]).tolist() for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder of the real recordings")
    parser.add_argument("--people", type=int, default=30, help="rendered ones of each preset")
    parser.add_argument("--simulated", type=int, default=256)
    options = parser.parse_args()
    sets = {REAL: list(filmed(real_people(options.root))), SIMULATED: list(simulated(options.simulated))}
    sets |= {preset: list(filmed(of_preset(preset, options.people))) for preset in PRESETS}
    found = {name: {"windows": len(rows), "figures": tenths(rows)} for name, rows in sets.items()}
    medians = [{"set": name} | {key: own[1] for key, own in each["figures"].items()} for name, each in found.items()]
    show(medians, list(medians[0]))
    write_json(RESULTS / "trace_realism.json", {"stamp": environment(), "sets": found})


if __name__ == "__main__":
    main()
