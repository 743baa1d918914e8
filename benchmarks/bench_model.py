"""How fast do the networks predict and train, against STGNet as it is usually written down?

``python benchmarks/bench_model.py [--quick] [--device cuda]``

``plain`` is the released formulation (``plain.py``): permuted tensors, N×N distances, gathered edges. Modes:
``inference`` is one pass in evaluation mode as ``predict`` runs it, batch norm folded; ``train`` one optimiser step
(forward, negative Pearson loss, backward, AdamW: the trainer's, and torch's own for ``plain``). Random weights and
clips: time depends on neither. Each provider is a process of its own, as it would be in use: ours is set as the command
line sets it (``rppg_graph/training/memory.py``), ``plain`` is as Python is, and once more with the memory kept, to show
how much of the distance that is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import NamedTuple
from unittest.mock import patch

import harness
import torch
from kept import RESULTS, Target, medians, show, where
from model_stages import stage_ms
from plain import PlainSTGNet
from torch import Tensor, nn

from rppg_graph.experiments.cost import macs_per_frame
from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded
from rppg_graph.training.losses import neg_pearson
from rppg_graph.training.memory import ENVIRONMENT, keep_freed_memory
from rppg_graph.training.trainer import PRECISIONS, adamw

FRAMES = 160
COLUMNS = ["provider", "precision", "size", "batch", "mode", "median_ms", "clips_per_s", "of_ceiling", "peak_mb"]
STAGED = "stgnet_released"  # the network whose parts are timed, and which is compared with `plain`
RECOMPUTED = f"{STAGED}, recomputed"  # the same with its activations computed again in the backward pass
SHARED = f"{STAGED}, one graph a stage"  # approximations.py measures what this costs, and bfloat16
EFFORT = harness.Effort(rounds=4, seconds=30.0)


class Provider(NamedTuple):
    """A network to be timed: a name of ``MODELS``, or of ``plain.py``."""

    network: str
    size: int
    precision: str = "float32"
    ours: bool = True  # its process, where memory is kept and threads wait for a short time
    options: tuple[str, ...] = ()  # of the network, that are switched on

    def model(self) -> nn.Module:
        networks = MODELS | {"plain": PlainSTGNet}
        return networks[self.network](size=self.size, **dict.fromkeys(self.options, True))


FAMILY = ("stream_net", "ts_can", "deep_phys")  # sized when they are built
PROVIDERS = {
    "plain": Provider("plain", 64, ours=False),
    "plain, memory kept": Provider("plain", 64),
    "stgnet_released": Provider("stgnet_released", 64),
    "stgnet_released, bfloat16": Provider("stgnet_released", 64, "bfloat16"),
    SHARED: Provider("stgnet_released", 64, options=("reuse_graph",)),
    f"{SHARED}, bfloat16": Provider("stgnet_released", 64, "bfloat16", options=("reuse_graph",)),
    RECOMPUTED: Provider("stgnet_released", 64, options=("recompute",)),
    "stgnet_paper": Provider("stgnet_paper", 64),
    "stgnet_small": Provider("stgnet_small", 32),
    "stgnet_small, bfloat16": Provider("stgnet_small", 32, "bfloat16"),
    "stream_net": Provider("stream_net", 72),
    "stream_net at 36 px": Provider("stream_net", 36),
    "stream_net at 36 px, bfloat16": Provider("stream_net", 36, "bfloat16"),
    "ts_can at 36 px": Provider("ts_can", 36),
    "deep_phys at 36 px": Provider("deep_phys", 36),
}
LEFT_OUT = {
    "inference": (RECOMPUTED,),  # the same pass as without
    # all processes together must fit in 24 GB
    "train": ("stream_net", "stgnet_paper", SHARED, f"{SHARED}, bfloat16"),
}
QUICK = {name: PROVIDERS[name]._replace(size=16) for name in ("plain", "stgnet_released")}


def inference(
    model: nn.Module, size: int, batch: int, precise: Callable, way: Callable = lambda model: model,
    frames: int = FRAMES,
) -> Callable[[], Tensor]:  # fmt: skip
    """One pass without gradient, batch norm folded; ``way`` makes what is called of the network."""
    model = way(model.eval() if isinstance(model, PlainSTGNet) else folded(model))
    video = torch.rand(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1)).to(device_of(model))

    def run() -> Tensor:
        with precise():
            return model(video)

    return run


def train(
    model: nn.Module, size: int, batch: int, precise: Callable, way: Callable = lambda model: model,
    frames: int = FRAMES, capturable: bool = False,
) -> Callable[[], Tensor]:  # fmt: skip
    """One optimiser step on a batch that is there; returns the prediction."""
    device, run = device_of(model), way(model.train())
    options = {"capturable": True} if capturable else {}
    plain = isinstance(model, PlainSTGNet)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, **options) if plain else adamw(model, 1e-4)
    for group in optimiser.param_groups:
        group.update(options)
    video = torch.rand(batch, 3, frames, size, size, device=device)
    pulse = torch.randn(batch, frames, device=device)

    def step() -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with precise():
            prediction = run(video)
        neg_pearson(prediction.float(), pulse).backward()
        optimiser.step()
        return prediction.detach()

    return step


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


MODES = {"inference": (inference, 1), "train": (train, 3)}  # and how often a forward pass's work it takes
SETUP = """
import sys
sys.path.insert(0, {folder!r})
from bench_model import *
run = prepared({provider!r}, {mode!r}, {batch}, "cpu", keep=False)
"""


def prepared(provider: Provider, mode: str, batch: int, device: str, keep: bool = True) -> Callable[[], object]:
    """What is timed, in a process that was made ready for it; without ``keep`` no provider keeps freed memory."""
    if keep and provider.ours:
        keep_freed_memory()
    torch.manual_seed(0)
    precise = partial(PRECISIONS[provider.precision], device)
    run = MODES[mode][0](provider.model().to(device), provider.size, batch, precise)

    @torch.inference_mode(mode == "inference")
    def waited() -> object:
        return run().sum().item()  # waits for a GPU

    return waited


def serve(pipe: Connection, threads: int, *what: object) -> None:
    """Run what is asked for, once for every message."""
    torch.set_num_threads(threads)
    run = prepared(*what)
    while pipe.recv():
        run()
        pipe.send(True)


class Remote:
    """A provider in its own process; calling it runs it there."""

    def __init__(self, options: argparse.Namespace, *what: object) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(theirs, options.threads, *what, options.device), daemon=True)
        with patch.dict(os.environ, ENVIRONMENT if what[0].ours else {}):  # read when torch is loaded
            self.process.start()
        theirs.close()

    def __call__(self) -> None:
        self.pipe.send(True)
        self.pipe.recv()

    def close(self) -> None:
        self.pipe.send(False)
        self.process.join()


def measure(providers: dict[str, Provider], mode: str, batch: int, options: argparse.Namespace) -> list[dict]:
    """Rows of one mode and batch, all providers interleaved."""
    remotes = {name: Remote(options, provider, mode, batch) for name, provider in providers.items()}
    effort = harness.QUICK if options.quick else EFFORT
    times = harness.time_providers(remotes, effort, "cpu")  # a GPU's process waits for it by itself
    for remote in remotes.values():
        remote.close()
    rows = []
    for name, seconds in times.items():
        provider = providers[name]
        macs = FRAMES * macs_per_frame(provider.model(), FRAMES, provider.size)
        figures = harness.summary(seconds, 2 * MODES[mode][1] * batch * macs, 0.0)
        clips = batch / figures["median_ms"] * 1e3
        row = {"provider": name, "precision": provider.precision, "size": provider.size, "batch": batch, "mode": mode}
        row |= figures | {"clips_per_s": clips, "frames_per_s": clips * FRAMES}
        row["of_ceiling"] = figures["gflop_per_s"] / options.ceilings["gflop_per_s"]
        if options.device == "cpu" and not options.quick:
            setup = SETUP.format(folder=str(RESULTS.parent), provider=provider, mode=mode, batch=batch)
            row["peak_mb"] = harness.peak_extra_mb(setup, "run()", "run()", options.threads)  # of the second call
        rows.append(row)
    show(rows, COLUMNS)
    return rows


def stages(provider: Provider, batch: int, mode: str) -> list[dict]:
    """One row a kind of part of the staged network."""
    training = mode == "train"
    model = provider.model() if training else folded(provider.model())
    spent = stage_ms(model, torch.rand(batch, 3, FRAMES, provider.size, provider.size), training)
    about = {"precision": "float32", "size": provider.size, "batch": batch, "mode": mode}
    return [
        {"provider": f"{STAGED}: {name}", **about, "median_ms": ms, "share": ms / sum(spent.values())}
        for name, ms in spent.items()
    ]


def targets(rows: list[dict]) -> list[Target]:
    """The project's own, each against ``plain`` in the same mode and batch."""
    ms = medians(rows, mode="inference", batch=1)
    ways = {"": STAGED, ", bfloat16": f"{STAGED}, bfloat16", ", one graph a stage": SHARED}
    ways[", one graph a stage, bfloat16"] = f"{SHARED}, bfloat16"
    made = [
        Target(f"STGNet inference, batch 1{way}", ms["plain"] / ms[name], 7, 10)
        for way, name in ways.items()
        if name in ms
    ]
    steps, low = medians(rows, mode="train", batch=4), f"{STAGED}, bfloat16"
    peaks = {row["provider"]: row.get("peak_mb") for row in where(rows, mode="train", batch=4)}
    if "plain" in steps:
        what = "STGNet training step, batch 4"
        made.append(Target(f"{what}, float32", steps["plain"] / steps[STAGED], 4, 8))
        made.append(Target(f"{what}, bfloat16", steps["plain"] / steps[low], 12, 16))
    if peaks.get("plain"):
        for name, kind in ((STAGED, "float32"), (low, "bfloat16"), (RECOMPUTED, "float32, recomputed")):
            what = f"peak memory of a training step, batch 4, {kind}"
            made.append(Target(what, peaks[name] / peaks["plain"], 0.4, 0.25, " of plain", True))
    return made


def main() -> None:
    options = harness.arguments(__doc__)
    options.ceilings = harness.ceilings(options.device, options.quick)
    providers = QUICK if options.quick else PROVIDERS
    shapes = [("inference", 1)] if options.quick else [("inference", 1), ("train", 4)]
    rows = []
    for mode, batch in shapes:
        taken = {name: provider for name, provider in providers.items() if name not in LEFT_OUT[mode]}
        rows += measure(taken, mode, batch, options)
    for mode, batch in dict.fromkeys((shapes[0], shapes[-1])) if options.device == "cpu" else []:
        rows += stages(providers[STAGED], batch, mode)
    harness.write("model", options, rows, targets(rows))


if __name__ == "__main__":
    main()
