"""Does the fast STGNet learn as the plain one does? Loss curves of both, three seeds each.

``python benchmarks/loss_curves.py``, half an hour on two cores; finished curves are kept in ``runs/loss_curves``.

In float64 the networks agree to 1e-9 (``tests/benchmarks/test_plain.py``). In float32 a rounding swaps a neighbour and
batch norm amplifies it, so that single losses cannot be compared; curves can. Networks of one seed start with the same
weights and see the same clips. The distance of two sets of curves is the root mean square, over the validations, of the
difference of their means over the seeds; it is given in units of the spread of ``plain`` over its seeds (standard
deviation, root mean square over the validations).
"""

from __future__ import annotations

import itertools
from pathlib import Path

import harness
import numpy as np
import torch
from kept import ROOT, Target, where
from plain import PlainSTGNet
from torch import nn

from rppg_graph.config import TrainConfig
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.data.prepared import cached_recordings, split_of
from rppg_graph.experiments.plan import load_experiments
from rppg_graph.experiments.study import Study
from rppg_graph.models import MODELS
from rppg_graph.models.released import build_released
from rppg_graph.synthetic.mix import write_mix
from rppg_graph.training.trainer import Trainer, read_metrics

STUDY = ROOT / "configs" / "ablations" / "neighbours.yaml"  # its people and its recipe
STEPS, VALIDATE_EVERY = 300, 50
SIZE = 32  # px of a crop; the plain network takes hours at 64
PROVIDERS = {"plain": "float32", "ours, float32": "float32", "ours, bfloat16": "bfloat16"}


def network(provider: str, seed: int, size: int = SIZE) -> nn.Module:
    """Of all providers with the same weights for a seed, under the names that each has for them."""
    torch.manual_seed(seed)
    plain = PlainSTGNet(size=size)
    if provider == "plain":
        return plain
    _, weights = build_released(plain.state_dict())
    ours = MODELS["stgnet_released"](size=size)
    ours.load_state_dict(weights)
    return ours


def curve(
    provider: str, seed: int, folder: Path, clips: tuple[ClipDataset, ClipDataset], options: TrainConfig
) -> list[dict]:
    """One row a validation, trained now if the folder does not hold them all."""
    file = folder / "metrics.jsonl"
    if not file.exists() or max((row["step"] for row in read_metrics(folder)), default=0) < options.steps:
        folder.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        chosen = options.model_copy(update={"precision": PROVIDERS[provider]}).model_dump(exclude={"augment", "loss"})
        Trainer(network(provider, seed), options.loss, *clips, seed=seed, **chosen).run(folder, {}, 0.0)
    keys, about = ("step", "loss", "validation_loss"), {"provider": provider, "seed": seed}
    return [about | {key: row[key] for key in keys} for row in read_metrics(folder)]


def distance(rows: list[dict], provider: str) -> float:
    """Of a provider's curves from those of ``plain``, in units of the spread of those over their seeds."""

    def losses(name: str) -> np.ndarray:
        found = where(rows, provider=name)
        seeds = dict.fromkeys(row["seed"] for row in found)
        return np.array([[row["validation_loss"] for row in where(found, seed=seed)] for seed in seeds])

    plain = losses("plain")  # seeds × validations
    apart = losses(provider).mean(axis=0) - plain.mean(axis=0)
    return float(np.sqrt(np.mean(apart**2) / np.mean(plain.var(axis=0, ddof=1))))


def data(study: Study) -> tuple[tuple[ClipDataset, ClipDataset], TrainConfig]:
    """Clips to train and to validate on, and the options of the training."""
    config = study.config(study.variants[0], seed=1)
    write_mix(config.data.root, study.synthetic)
    recordings = cached_recordings(config.data)
    split = split_of(recordings, config.data)
    sides = [[r for r in recordings if split.side(r.subject) == side] for side in ("train", "validation")]
    frames, stride = config.data.clip_frames, config.data.stride
    return tuple(ClipDataset(side, frames, stride=stride) for side in sides), config.train


def main() -> None:
    options = harness.arguments(__doc__)
    harness.ceilings("cpu", options.quick)  # measured before the training, kept for the result
    study = load_experiments(STUDY, Study)
    clips, training = data(study)
    training = training.model_copy(update={"steps": STEPS, "validate_every": VALIDATE_EVERY})
    runs = ROOT / "runs" / "loss_curves"
    if options.quick:
        training, runs = training.model_copy(update={"steps": 2}), runs.with_name("loss_curves_quick")
    rows = []
    for seed, provider in itertools.product(study.seeds, PROVIDERS):
        folder = runs / f"{provider.replace(', ', '-')}-seed{seed}"
        rows += curve(provider, seed, folder, clips, training)
    targets = [
        Target(f"loss curves of {name} from those of plain", distance(rows, name), 1.0, 1.0, " spreads", True)
        for name in list(PROVIDERS)[1:]
    ]
    harness.write("loss_curves", options, rows, targets)


if __name__ == "__main__":
    main()
