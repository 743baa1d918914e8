"""What each variant of the studies of graphs costs: inference of a clip, and a training step, all in turn.

    OMP_NUM_THREADS=1 python benchmarks/bench_variants.py --threads 1

The studies' own times come from runs hours apart, on a machine that may have had other work; here every variant takes
its turn in every round. The network of configs/ablations/base/maps.yaml with untrained weights, clips of ten seconds
in, for a step, batches of eight. Writes results/variants_<device>.json and .csv.
"""

from __future__ import annotations

from functools import partial

import harness
import torch
from graph_answers import STUDIES, study_of
from kept import show
from torch import nn

from rppg_graph.models import MODELS

FRAMES, BATCH = 300, 8
EFFORT = harness.Effort(rounds=8, seconds=12.0, in_a_row=2)


def networks() -> dict[str, nn.Module]:
    """Every variant once, by its options: studies share some under other names."""
    found: dict[str, tuple[str, nn.Module]] = {}
    for name in STUDIES:
        study = study_of(name)
        for variant in study.variants:
            model = study.config(variant, study.seeds[0]).model
            found.setdefault(model.model_dump_json(), (f"{name}: {variant.name}", MODELS[model.name](**model.options)))
    return dict(found.values())


@torch.inference_mode()
def infer(model: nn.Module, colours: torch.Tensor) -> None:
    model.eval()(colours)


def step(model: nn.Module, colours: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        wave = model.train()(colours)
    wave.float().square().sum().backward()


def main() -> None:
    options = harness.arguments(__doc__)
    models = networks()
    if options.quick:
        models = dict(list(models.items())[:2])
    generator, rows = torch.Generator().manual_seed(0), []
    for mode, work, clips in (("inference", infer, 1), ("step", step, BATCH)):
        colours = 0.5 + 0.01 * torch.rand(clips, 3, FRAMES, 16, generator=generator)
        providers = {name: partial(work, model, colours) for name, model in models.items()}
        times = harness.time_providers(providers, harness.QUICK if options.quick else EFFORT, "cpu")
        for name, seconds in times.items():
            found = harness.summary(seconds, 0, 0)
            shown = {key: found[key] for key in ("median_ms", "p20_ms", "p80_ms", "calls")}
            rows.append({"variant": name, "mode": mode, "clips": clips, **shown})
    show(rows, ["variant", "mode", "median_ms"])
    harness.write("variants", options, rows, [])


if __name__ == "__main__":
    main()
