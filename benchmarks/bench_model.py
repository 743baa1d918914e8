"""How fast do the networks predict and train, against STGNet as it is usually written down?

``python benchmarks/bench_model.py [--quick] [--device cuda]``

``plain`` is the released formulation (``plain.py``): permuted tensors, N×N distances, gathered edges. Modes:
``inference`` is one pass in evaluation mode as ``predict`` runs it, batch norm folded; ``train`` one optimiser step
(forward, negative Pearson loss, backward, AdamW). Random weights and clips: time depends on neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import harness
import torch
from model_stages import stage_ms
from plain import PlainSTGNet
from torch import nn

from rppg_graph.cli.cost import macs_per_frame
from rppg_graph.losses import neg_pearson
from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded
from rppg_graph.train import PRECISIONS

FRAMES = 160
COLUMNS = ["provider", "precision", "size", "batch", "mode", "median_ms", "clips_per_s", "of_ceiling", "peak_mb"]
STAGED = "stgnet_released"  # the network whose parts are timed, and which is compared with `plain`
EFFORT = harness.Effort(rounds=4, seconds=60.0)


class Provider(NamedTuple):
    """A network to be timed; ``make`` is Python that gives it, for a process of its own."""

    make: str
    size: int
    precision: str = "float32"

    def model(self) -> nn.Module:
        return eval(self.make, {"MODELS": MODELS, "PlainSTGNet": PlainSTGNet})


PROVIDERS = {
    "plain": Provider("PlainSTGNet()", 64),
    "stgnet_released": Provider("MODELS['stgnet_released']()", 64),
    "stgnet_released, bfloat16": Provider("MODELS['stgnet_released']()", 64, "bfloat16"),
    "stgnet_paper": Provider("MODELS['stgnet_paper']()", 64),
    "stgnet_small": Provider("MODELS['stgnet_small']()", 32),
    "stgnet_small, bfloat16": Provider("MODELS['stgnet_small']()", 32, "bfloat16"),
    "stream_net": Provider("MODELS['stream_net'](size=72)", 72),
    "stream_net at 36 px": Provider("MODELS['stream_net'](size=36)", 36),
    "stream_net at 36 px, bfloat16": Provider("MODELS['stream_net'](size=36)", 36, "bfloat16"),
    "ts_can at 36 px": Provider("MODELS['ts_can'](size=36)", 36),
    "deep_phys at 36 px": Provider("MODELS['deep_phys'](size=36)", 36),
}
QUICK = ("plain", "stgnet_released", "stgnet_small")


def inference(model: nn.Module, precision: str, batch: int, size: int, device: str) -> Callable[[], object]:
    model = model.eval().to(device)
    model = model if isinstance(model, PlainSTGNet) else folded(model)
    video = torch.rand(batch, 3, FRAMES, size, size, device=device)

    @torch.inference_mode()
    def run() -> object:
        with PRECISIONS[precision](device):
            return model(video)

    return run


def train(model: nn.Module, precision: str, batch: int, size: int, device: str) -> Callable[[], object]:
    model = model.train().to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    video = torch.rand(batch, 3, FRAMES, size, size, device=device)
    pulse = torch.randn(batch, FRAMES, device=device)

    def run() -> object:
        optimiser.zero_grad(set_to_none=True)
        with PRECISIONS[precision](device):
            prediction = model(video)
        neg_pearson(prediction.float(), pulse).backward()
        return optimiser.step()

    return run


MODES = {"inference": (inference, 1), "train": (train, 3)}  # and how often a forward pass's work it takes
SETUP = """
import sys
sys.path.insert(0, {folder!r})
from bench_model import *
run = {mode}({make}, {precision!r}, {batch}, {size}, "cpu")
"""


def peak_mb(provider: Provider, mode: str, batch: int, threads: int) -> float:
    """The rise of a process's memory in its second call: without what the first leaves, as an optimiser's state."""
    setup = SETUP.format(folder=str(harness.RESULTS.parent), mode=mode, batch=batch, **provider._asdict())
    return harness.peak_extra_mb(setup, "run()", "run()", threads)


def measure(names: list[str], mode: str, batch: int, options) -> list[dict]:
    """Rows of one mode and batch, all providers interleaved."""
    build, passes = MODES[mode]
    runs, work = {}, {}
    for name in names:
        provider = PROVIDERS[name]
        torch.manual_seed(0)
        model = provider.model()
        macs = FRAMES * macs_per_frame(model, FRAMES, provider.size)
        work[name] = 2 * passes * batch * macs
        runs[name] = build(model, provider.precision, batch, provider.size, options.device)
    effort = harness.QUICK if options.quick else EFFORT
    rows = []
    for name, seconds in harness.time_providers(runs, effort, options.device).items():
        provider, figures = PROVIDERS[name], harness.summary(seconds, work[name], 0.0)
        clips = batch / figures["median_ms"] * 1e3
        row = {"provider": name, "precision": provider.precision, "size": provider.size, "batch": batch, "mode": mode}
        row |= figures | {"clips_per_s": clips, "frames_per_s": clips * FRAMES}
        row["of_ceiling"] = figures["gflop_per_s"] / options.ceilings["gflop_per_s"]
        if options.device == "cpu" and not options.quick:
            row["peak_mb"] = peak_mb(provider, mode, batch, options.threads)
        rows.append(row)
    harness.show(rows, COLUMNS)
    return rows


def stages(batch: int, mode: str, options) -> list[dict]:
    """One row a kind of part of the staged network."""
    provider, training = PROVIDERS[STAGED], mode == "train"
    model = provider.model()
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size)
    step = train(model, "float32", batch, provider.size, "cpu") if training else None
    if training:
        step()  # so that there are gradients for the optimiser
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
        step = optimiser.step
    spent = stage_ms(model, video, training, step)
    total = sum(spent.values())
    return [
        {"provider": f"{STAGED}: {name}", "precision": "float32", "size": provider.size, "batch": batch, "mode": mode,
         "median_ms": ms, "share": ms / total}
        for name, ms in spent.items()
    ]  # fmt: skip


def targets(rows: list[dict]) -> list[harness.Target]:
    """The project's own, each against ``plain`` in the same mode and batch."""
    found = {(row["provider"], row["mode"], row["batch"]): row for row in rows}

    def times_faster(name: str, mode: str, batch: int) -> float:
        return found["plain", mode, batch]["median_ms"] / found[name, mode, batch]["median_ms"]

    made = [harness.Target("STGNet inference, batch 1", times_faster(STAGED, "inference", 1), 4, 8)]
    if ("plain", "train", 4) in found:
        made.append(harness.Target("STGNet training step, batch 4, float32", times_faster(STAGED, "train", 4), 4, 8))
        low = times_faster(f"{STAGED}, bfloat16", "train", 4)
        made.append(harness.Target("STGNet training step, batch 4, bfloat16", low, 6, 12))
        memory = found[STAGED, "train", 4].get("peak_mb"), found["plain", "train", 4].get("peak_mb")
        if all(memory):
            share = memory[0] / memory[1]
            made.append(harness.Target("peak memory of a training step, batch 4", share, 0.5, 0.25, " of plain", True))
    return made


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    options.ceilings = harness.ceilings(options.device, options.quick)
    names = list(QUICK if options.quick else PROVIDERS)
    shapes = [("inference", 1)] if options.quick else [("inference", 1), ("inference", 4), ("train", 1), ("train", 4)]
    rows = [row for mode, batch in shapes for row in measure(names, mode, batch, options)]
    for mode, batch in [shapes[0], shapes[-1]] if options.device == "cpu" else []:
        rows += stages(batch, mode, options)
    harness.write("model", options, rows, targets(rows))


if __name__ == "__main__":
    main()
