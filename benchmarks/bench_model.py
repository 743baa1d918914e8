"""How fast do the networks predict and train, against STGNet as it is usually written down?

``python benchmarks/bench_model.py [--quick] [--device cuda]``

``plain`` is the released formulation (``plain.py``): permuted tensors, N×N distances, gathered edges. Modes:
``inference`` is one pass in evaluation mode as ``predict`` runs it, batch norm folded; ``train`` one optimiser step
(forward, negative Pearson loss, backward, AdamW: the trainer's, and torch's own for ``plain``). Random weights and
clips: time depends on neither. Each provider is a process of its own, as it would be in use: ours keeps freed memory
(``rppg_graph/training/memory.py``), ``plain`` does as Python does, and once more with the memory kept, to show how much
of the distance that is.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

import harness
import torch
from model_stages import stage_ms
from plain import PlainSTGNet
from torch import nn

from rppg_graph.experiments.cost import macs_per_frame
from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded
from rppg_graph.training.losses import neg_pearson
from rppg_graph.training.memory import keep_freed_memory
from rppg_graph.training.trainer import PRECISIONS, adamw

FRAMES = 160
COLUMNS = ["provider", "precision", "size", "batch", "mode", "median_ms", "clips_per_s", "of_ceiling", "peak_mb"]
STAGED = "stgnet_released"  # the network whose parts are timed, and which is compared with `plain`
RECOMPUTED = f"{STAGED}, recomputed"  # the same with its activations computed again in the backward pass
EFFORT = harness.Effort(rounds=4, seconds=30.0)


class Provider(NamedTuple):
    """A network to be timed: a name of ``MODELS``, or of ``plain.py``."""

    network: str
    size: int
    precision: str = "float32"
    keeps_memory: bool = True
    recompute: bool = False  # activations in the backward pass, for memory: in training alone

    def model(self) -> nn.Module:
        networks = MODELS | {"plain": PlainSTGNet}
        options = {"size": self.size} if self.network in FAMILY else {}
        options |= {"recompute": True} if self.recompute else {}
        return networks[self.network](**options)


FAMILY = ("stream_net", "ts_can", "deep_phys")  # sized when they are built
PROVIDERS = {
    "plain": Provider("plain", 64, keeps_memory=False),
    "plain, memory kept": Provider("plain", 64),
    "stgnet_released": Provider("stgnet_released", 64),
    "stgnet_released, bfloat16": Provider("stgnet_released", 64, "bfloat16"),
    RECOMPUTED: Provider("stgnet_released", 64, recompute=True),
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
    "train": ("stream_net", "stgnet_paper"),  # all processes together must fit in 24 GB
}
QUICK = ("plain", "stgnet_released", "stgnet_small")


def inference(provider: Provider, batch: int, device: str) -> Callable[[], object]:
    """One pass without gradient."""
    model = provider.model().eval().to(device)
    model = model if isinstance(model, PlainSTGNet) else folded(model)
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size, device=device)

    @torch.inference_mode()
    def run() -> object:
        with PRECISIONS[provider.precision](device):
            return model(video).sum().item()  # waits for a GPU

    return run


def train(provider: Provider, batch: int, device: str) -> Callable[[], object]:
    """One optimiser step."""
    model = provider.model().train().to(device)
    plain = isinstance(model, PlainSTGNet)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4) if plain else adamw(model, 1e-4)
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size, device=device)
    pulse = torch.randn(batch, FRAMES, device=device)

    def run() -> object:
        optimiser.zero_grad(set_to_none=True)
        with PRECISIONS[provider.precision](device):
            prediction = model(video)
        neg_pearson(prediction.float(), pulse).backward()
        optimiser.step()
        return prediction.sum().item()  # waits for a GPU

    return run


MODES = {"inference": (inference, 1), "train": (train, 3)}  # and how often a forward pass's work it takes
SETUP = """
import sys
sys.path.insert(0, {folder!r})
from bench_model import *
run = prepared({name!r}, {mode!r}, {batch}, "cpu", keep=False)
"""


def prepared(name: str, mode: str, batch: int, device: str, keep: bool = True) -> Callable[[], object]:
    """What is timed, in a process that was made ready for it; without ``keep`` no provider keeps freed memory."""
    provider = PROVIDERS[name]
    if keep and provider.keeps_memory:
        keep_freed_memory()
    torch.manual_seed(0)
    return MODES[mode][0](provider, batch, device)


def peak_mb(name: str, mode: str, batch: int, threads: int) -> float:
    """The rise of a process's memory in its second call: without what the first leaves, as an optimiser's state."""
    setup = SETUP.format(folder=str(harness.RESULTS.parent), name=name, mode=mode, batch=batch)
    return harness.peak_extra_mb(setup, "run()", "run()", threads)


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
        self.process.start()
        theirs.close()

    def __call__(self) -> None:
        self.pipe.send(True)
        self.pipe.recv()

    def close(self) -> None:
        self.pipe.send(False)
        self.process.join()


def measure(names: list[str], mode: str, batch: int, options: argparse.Namespace) -> list[dict]:
    """Rows of one mode and batch, all providers interleaved."""
    remotes = {name: Remote(options, name, mode, batch) for name in names}
    effort = harness.QUICK if options.quick else EFFORT
    times = harness.time_providers(remotes, effort, "cpu")  # a GPU's process waits for it by itself
    for remote in remotes.values():
        remote.close()
    rows = []
    for name, seconds in times.items():
        provider = PROVIDERS[name]
        macs = FRAMES * macs_per_frame(provider.model(), FRAMES, provider.size)
        figures = harness.summary(seconds, 2 * MODES[mode][1] * batch * macs, 0.0)
        clips = batch / figures["median_ms"] * 1e3
        row = {"provider": name, "precision": provider.precision, "size": provider.size, "batch": batch, "mode": mode}
        row |= figures | {"clips_per_s": clips, "frames_per_s": clips * FRAMES}
        row["of_ceiling"] = figures["gflop_per_s"] / options.ceilings["gflop_per_s"]
        if options.device == "cpu" and not options.quick:
            row["peak_mb"] = peak_mb(name, mode, batch, options.threads)
        rows.append(row)
    harness.show(rows, COLUMNS)
    return rows


def stages(batch: int, mode: str) -> list[dict]:
    """One row a kind of part of the staged network."""
    provider, training = PROVIDERS[STAGED], mode == "train"
    model = provider.model() if training else folded(provider.model())
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size)
    spent = stage_ms(model, video, training)
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

    made = [harness.Target("STGNet inference, batch 1", times_faster(STAGED, "inference", 1), 7, 10)]
    if ("plain", "train", 4) in found:
        made.append(harness.Target("STGNet training step, batch 4, float32", times_faster(STAGED, "train", 4), 4, 8))
        low = f"{STAGED}, bfloat16"
        made.append(harness.Target("STGNet training step, batch 4, bfloat16", times_faster(low, "train", 4), 12, 16))
        plain_mb = found["plain", "train", 4].get("peak_mb")
        kinds = ((STAGED, "float32"), (low, "bfloat16"), (RECOMPUTED, "float32, recomputed"))
        for name, kind in kinds if plain_mb else ():
            share = found[name, "train", 4]["peak_mb"] / plain_mb
            what = f"peak memory of a training step, batch 4, {kind}"
            made.append(harness.Target(what, share, 0.4, 0.25, " of plain", True))
    return made


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    options.ceilings = harness.ceilings(options.device, options.quick)
    names = list(QUICK if options.quick else PROVIDERS)
    shapes = [("inference", 1)] if options.quick else [("inference", 1), ("train", 4)]
    rows = []
    for mode, batch in shapes:
        rows += measure([name for name in names if name not in LEFT_OUT[mode]], mode, batch, options)
    for mode, batch in [shapes[0], shapes[-1]] if options.device == "cpu" else []:
        rows += stages(batch, mode)
    harness.write("model", options, rows, targets(rows))


if __name__ == "__main__":
    main()
