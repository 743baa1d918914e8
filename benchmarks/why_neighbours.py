"""What is it that neighbours share, and what does a denoise block do to the pulse with and without them?

    python benchmarks/why_neighbours.py

On the trained networks of configs/ablations/neighbours.yaml and on its people, in windows of each of SECONDS:

- the signal-to-noise ratio of the pulse in the features before and behind each denoise block, with the neighbours that
  the network was trained with, and with others put in their place at the same input: CHOICES. The ratio: power at
  the true rate and at its double, within 12 bpm for ten seconds, over the rest of the band, summed over channels and
  patches;
- how far neighbours are from each other in each of SHARED, over what all pairs of nodes of the clip are: 1 is chance.

Writes results/why_neighbours.json and .csv: a row a variant, set, length, block; intervals over seeds and people.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from kept import RESULTS, environment, show
from torch import Tensor
from tqdm import tqdm
from trace_realism import FPS, side_by_side

from rppg_graph.data.traces import GRID
from rppg_graph.experiments.measure import people
from rppg_graph.experiments.people import Person
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.study import load_study, study_runs
from rppg_graph.files import csv_text, write_json, write_text
from rppg_graph.graph.constructors import GRAPHS
from rppg_graph.models.checkpoint import load
from rppg_graph.models.stgnet_map import SEGMENT_FRAMES
from rppg_graph.nn.denoise_block import SegmentDenoise
from rppg_graph.pulse.filters import PULSE_BAND_HZ
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.paired import difference_over_seeds
from rppg_graph.pulse.phase import pulse_phase
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import HARMONIC_REACH_HZ

STUDY, SECONDS, SHARED_SECONDS = Path("configs/ablations/neighbours.yaml"), (5, 10, 20), 10
VARIANTS = ("k=16", "none (self alone)")
TRAINED = "as trained"
CHOICES = ("random", "self")  # of GRAPHS, in place of the network's own
SHARED = ("phase of the pulse", "time", "place", "brightness", "noise")
COLUMNS = ["variant", "set", "seconds", "block", "people", "before_db", TRAINED, *CHOICES, "low", "high", *SHARED]


def snr_of_features(x: Tensor, bpm: float) -> float:
    """The pulse's signal-to-noise ratio (dB) in features (1, C, P, T)."""
    window = torch.hann_window(x.shape[-1], periodic=False)
    power = torch.fft.rfft((x - x.mean(-1, keepdim=True)) * window, n=8 * x.shape[-1]).abs().square().sum((0, 1, 2))
    hz = torch.fft.rfftfreq(8 * x.shape[-1], 1 / FPS)
    reach = max(HARMONIC_REACH_HZ, 2 * FPS / x.shape[-1])  # never less than the main lobe of the taper
    pulse = ((hz - bpm / 60).abs() <= reach) | ((hz - 2 * bpm / 60).abs() <= reach)
    rest = (hz >= PULSE_BAND_HZ[0]) & (hz <= PULSE_BAND_HZ[1]) & ~pulse
    return float(10 * torch.log10(power[pulse].sum() / power[rest].sum()))


def windows(person: Person, seconds: int) -> Iterator[tuple[Tensor, np.ndarray, float]]:
    """Colours (1, 3, T, P), pulse (T,) and rate (bpm) of windows side by side."""
    for patches, pulse in side_by_side(person, round(seconds * FPS)):
        bpm = CONTACT.heart_rate(prepare_native(pulse, FPS), FPS).bpm
        if bpm is not None:
            yield torch.as_tensor(patches, dtype=torch.float32).permute(2, 0, 1)[None], pulse, bpm


def properties(colours: Tensor, pulse: np.ndarray, grid: tuple[int, int, int]) -> dict[str, Tensor]:
    """What may make two nodes alike, each (N, D), so that the distance of two nodes is that of their rows."""
    segments, side = grid[:2]
    frames, fine = colours.shape[2], GRID // side
    green = colours[0, 1].view(frames, side, fine, side, fine).mean((2, 4)).flatten(1)  # (T, P)
    phase = torch.as_tensor(pulse_phase(np.arange(frames) / FPS, pulse, FPS))
    middle = (torch.arange(segments) * SEGMENT_FRAMES + SEGMENT_FRAMES // 2).clamp_max(frames - 1)
    turn = torch.stack([phase.cos(), phase.sin()], dim=1)[middle]  # (S, 2)
    jumps = (green.diff(dim=0, n=2) / green.mean(0)).std(0).log()  # of a patch: what changes from frame to frame
    places, time = torch.cartesian_prod(*2 * [torch.arange(float(side))]), torch.arange(float(segments))
    each = {
        "phase of the pulse": turn.repeat_interleave(side**2, 0),
        "time": time.repeat_interleave(side**2)[:, None],
        "place": places.repeat(segments, 1),
        "brightness": green[middle].flatten()[:, None].log(),
        "noise": jumps.repeat(segments)[:, None],
    }
    return {name: value.double() for name, value in each.items()}


def shares(neighbours: Tensor, nodes: dict[str, Tensor]) -> dict[str, float]:
    """Mean distance of neighbours (N, K), a node itself left out, over the mean distance of all pairs."""
    count, k = neighbours.shape
    source, target = neighbours.flatten(), torch.arange(count).repeat_interleave(k)
    other, found = source != target, {}
    for name, values in nodes.items():
        near = (values[source[other]] - values[target[other]]).norm(dim=1).mean()
        found[name] = float(near * count * (count - 1) / torch.cdist(values, values).sum())
    return found


@torch.inference_mode()
def looked_at(run: Run, sets: dict[str, list[Person]]) -> Iterator[tuple[tuple, str, str, float]]:
    """((set, seconds, block), person, figure, value) of every window."""
    model = load(run.best).model.eval()
    blocks = [block for block in model.blocks if isinstance(block, SegmentDenoise)]
    seen: dict[torch.nn.Module, tuple] = {}
    hooks = [block.register_forward_hook(lambda block, given, y: seen.update({block: (*given, y)})) for block in blocks]
    for name, tried in sets.items():
        for person in tqdm(tried, desc=f"{run.variant}, seed {run.seed}, {name}", leave=False):
            for seconds in SECONDS:
                for colours, pulse, bpm in windows(person, seconds):
                    model.from_map(colours)
                    for number, block in enumerate(blocks, 1):
                        x, grid, _, y = seen[block]
                        key, who = (name, seconds, number), person.recording.name
                        before = snr_of_features(x, bpm)
                        yield key, who, "before_db", before
                        yield key, who, TRAINED, snr_of_features(y, bpm) - before
                        nodes = block.nodes(x)
                        for choice in CHOICES:
                            others = GRAPHS[choice](nodes, block.k, grid)
                            yield key, who, choice, snr_of_features(block(x, grid, others), bpm) - before
                        own = block.neighbours(nodes, grid)
                        if seconds == SHARED_SECONDS and own.shape[-1] > 1:
                            for what, value in shares(own[0], properties(colours, pulse, grid)).items():
                                yield key, who, what, value
    for hook in hooks:
        hook.remove()


def row_of(variant: str, key: tuple, figures: dict[str, dict[int, dict[str, float]]]) -> dict:
    """Means of all figures, and the interval of what the network's own neighbours give more than a node alone."""
    row = dict(zip(("variant", "set", "seconds", "block"), (variant, *key), strict=True))
    row["people"] = max(len(named) for named in figures["before_db"].values())
    for name, found in figures.items():
        row[name] = float(np.mean([value for named in found.values() for value in named.values()]))
    more = difference_over_seeds(figures["self"], figures[TRAINED])
    return row | {"low": more.low, "high": more.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=30, help="of each set")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(STUDY)
    runs = [run for run in study_runs(study, options.runs) if run.variant in VARIANTS]
    sets = {
        name: [each for each in tried if each.recording.pulse is not None][: options.people]
        for name, tried in people(runs[0].config, study.evaluation, None).items()
    }
    values = defaultdict(list)
    for run in runs:
        for key, who, figure, value in looked_at(run, sets):
            values[run.variant, key, figure, run.seed, who].append(value)
    means = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for (variant, key, figure, seed, who), found in values.items():
        means[variant, key][figure][seed][who] = float(np.mean(found))
    rows = [row_of(*about, figures) for about, figures in means.items()]
    show(rows, COLUMNS)
    about = {"stamp": environment(), "seeds": sorted({run.seed for run in runs}), "people": options.people}
    about |= {"shared": SHARED, "shared_seconds": SHARED_SECONDS, "trained": TRAINED, "choices": CHOICES}
    write_json(RESULTS / "why_neighbours.json", about | {"rows": rows})
    write_text(RESULTS / "why_neighbours.csv", csv_text(rows, COLUMNS))


if __name__ == "__main__":
    main()
