"""What do a training step and an inference take on a GPU: as they stand, compiled, as a CUDA graph, against ``plain``?

``python benchmarks/bench_gpu.py PART [--device cuda] [--quick]``

Each part is a process of its own, with a file of its own, so that one that a device-side assertion ends leaves the
others: ``train``, ``graphs`` and ``compiled`` are steps of forward, negative Pearson loss, backward and AdamW;
``inference`` is a pass without gradient; ``fed`` is the trainer itself with its loader, and ``profile`` one step.
``plain`` is ``plain.py``, in float32 and under autocast. What fails leaves a row that says why. Without a GPU,
``--quick`` runs all but the capture, on a tiny network.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import harness
import numpy as np
import torch
from bench_model import FAMILY, inference, train
from kept import Target, environment, show, slug, where, write_document
from plain import PlainSTGNet
from torch import Tensor, nn

from rppg_graph.data.augment import Augment
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.models import MODELS
from rppg_graph.models.stgnet import STGNet
from rppg_graph.training.trainer import Trainer, compiled, read_metrics

COLUMNS = ["mode", "provider", "precision", "way", "batch", "median_ms", "clips_per_s", "peak_mb", "deviation", "error"]
EFFORT = harness.Effort(rounds=4, seconds=4.0)
KERNELS = 40  # of a profile, those that take longest
TINY = {"stages": [[1, 4, 2]], "clip_frames": 24, "size": 32}  # of a dry run
NETWORKS = MODELS | {"plain": PlainSTGNet, "tiny": partial(STGNet, **TINY)}
Step = Callable[[], Tensor]


class Provider(NamedTuple):
    """A network, the size of its crops, how it computes, and the way it is run."""

    network: str
    size: int
    precision: str = "float32"
    way: str = "eager"  # eager, graph, compiled

    @property
    def frames(self) -> int:
        return TINY["clip_frames"] if self.network == "tiny" else 160

    def model(self, device: str) -> nn.Module:
        torch.manual_seed(0)
        options = {"size": self.size} if self.network in FAMILY else {}
        return NETWORKS[self.network](**options).to(device)

    def step(self, mode: str, batch: int, device: str) -> Step:
        """What is timed: of ``train`` one optimiser step, of ``inference`` one pass without gradient."""
        precise = partial(torch.autocast, device, torch.bfloat16, enabled=self.precision == LOW, cache_enabled=False)
        about = self.model(device), self.size, batch, precise, self.called, self.frames
        if mode == "train":
            return train(*about, capturable=self.way == "graph" and device == "cuda")
        return torch.no_grad()(inference(*about))

    def called(self, model: nn.Module) -> nn.Module:
        """The network, or what torch.compile makes of it (a dry run leaves out the machine code)."""
        backend = "inductor" if next(model.parameters()).is_cuda else "aot_eager"
        return compiled(model, backend) if self.way == "compiled" else model


STGNET, LOW = "stgnet_released", "bfloat16"
BATCHES = {"train": 32, "inference": 1}
OURS, PLAIN, SMALL, STREAM = map(Provider, (STGNET, "plain", "stgnet_small", "stream_net"), (64, 64, 32, 36))
LOW_OURS, LOW_PLAIN, LOW_SMALL, LOW_STREAM = (each._replace(precision=LOW) for each in (OURS, PLAIN, SMALL, STREAM))
PARTS: dict[str, tuple[tuple[str, ...], list[Provider]]] = {  # part → modes, providers
    "train": (("train",), [LOW_OURS, LOW_PLAIN, OURS, PLAIN, LOW_SMALL, LOW_STREAM]),
    "inference": (("inference",), [
        *(each._replace(way=way) for each in (OURS, LOW_OURS) for way in ("eager", "graph")), PLAIN, LOW_PLAIN,
        Provider("stgnet_paper", 64), SMALL, SMALL._replace(way="graph"), Provider("stream_net", 72),
    ]),
    "graphs": (("train",), [
        LOW_OURS._replace(way="graph"), LOW_PLAIN, LOW_SMALL._replace(way="graph"), LOW_STREAM._replace(way="graph"),
    ]),
    "compiled": (("train", "inference"), [LOW_OURS._replace(way="compiled"), LOW_OURS, LOW_PLAIN]),
}  # fmt: skip


def captured(step: Step) -> Step:
    """The step as one CUDA graph: every launch of it again by one call."""
    aside, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    with torch.cuda.graph(graph):
        out = step()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


def prepared(provider: Provider, mode: str, batch: int, device: str) -> tuple[Step, dict]:
    """What is timed, once warm, and what is known of it by then."""
    step = provider.step(mode, batch, device)
    if not step().isfinite().all():
        raise ArithmeticError("the first pass gives values that are not finite")
    known: dict[str, float] = {}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        known["peak_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
        if provider.way == "graph":
            step = captured(step)
    if mode == "inference" and provider.network != "plain":
        expected = provider._replace(precision="float32", way="eager").step(mode, batch, device)()
        known["deviation"] = float((step() - expected).norm() / expected.norm())
    return step, known


def measure(providers: list[Provider], mode: str, options) -> list[dict]:
    """Rows of one mode, all providers interleaved."""
    batch = 2 if options.quick and mode == "train" else BATCHES[mode]
    steps, rows, timed = {}, {}, {}
    for provider in providers:
        name = " ".join(provider[:1] + provider[2:])
        rows[name] = provider._asdict() | {"provider": provider.network, "mode": mode, "batch": batch}
        try:
            steps[name], known = prepared(provider, mode, batch, options.device)
            rows[name] |= known
        except Exception as error:  # whatever it is, the others are measured
            rows[name]["error"] = f"{type(error).__name__}: {error}"[:300]
            gc.collect()
    try:
        timed = harness.time_providers(steps, options.effort, options.device)
    except RuntimeError as error:  # a device-side assertion: nothing runs in this process any more
        for name in steps:
            rows[name]["error"] = f"{type(error).__name__}: {error}"[:300]
    for name, seconds in timed.items():
        figures = harness.summary(seconds, 0.0, 0.0)
        rows[name] |= figures | {"clips_per_s": batch / figures["median_ms"] * 1e3}
    made = [{column: row.get(column, "") for column in (*COLUMNS, "size", "p20_ms", "p80_ms")} for row in rows.values()]
    show(made, COLUMNS)
    return made


def profile(provider: Provider, options) -> None:
    """Write what the kernels of one training step take, the longest first, beside what the step takes."""
    device, cuda = options.device, options.device == "cuda"
    step = provider.step("train", 1 if options.quick else BATCHES["train"], device)
    for _ in range(3):
        step()
    activities = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=activities) as seen:
        step()
        if cuda:
            torch.cuda.synchronize()
    spent = "self_device_time_total" if cuda else "self_cpu_time_total"
    kernels = [{"name": event.key[:160], "calls": event.count, "ms": getattr(event, spent) / 1e3}
               for event in sorted(seen.key_averages(), key=lambda event: -getattr(event, spent))]  # fmt: skip
    wall, about = harness.time_providers({"step": step}, options.effort, device)["step"], environment(device)
    document = {
        "provider": provider._asdict(), "environment": about,
        "step_ms": harness.summary(wall, 0, 0)["median_ms"],
        "kernels_ms": sum(kernel["ms"] for kernel in kernels), "longest": kernels[:KERNELS],
    }  # fmt: skip
    write_document((options.out / f"gpu_profile_{slug(str(about['device']))}.json").resolve(), document)


def fed(provider: Provider, options) -> list[dict]:
    """The trainer itself, fed by its loader: a step, and the share of the time that it waits for data."""
    batch, steps, workers = (2, 2, 0) if options.quick else (64, 30, 12)
    rng, frames = np.random.default_rng(0), provider.frames
    people = [_person(rng, 3 * frames, provider.size) for _ in range(8)]
    clips = ClipDataset(people, frames, 20, Augment(frames)), ClipDataset(people[:1], frames, frames)
    trainer = Trainer(
        provider.model(options.device), "neg_pearson", *clips, steps=steps, batch=batch, learning_rate=1e-4,
        validate_every=steps // 2, precision=provider.precision, workers=workers, device=options.device,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer.run(Path(folder), {"model": {"name": STGNET, "options": {}}}, 70.0)
        last = read_metrics(Path(folder))[-1]
        took = last["seconds_per_step"]
    row = provider._asdict() | {"provider": provider.network, "mode": "fed", "batch": batch, "median_ms": 1e3 * took}
    row |= {"clips_per_s": batch / took, "waiting_for_data": last["waiting_for_data"], "workers": workers}
    show([row], [*COLUMNS[:7], "waiting_for_data", "workers"])
    return [row]


def _person(rng: np.random.Generator, frames: int, size: int) -> SimpleNamespace:
    """A recording that is all noise and a pulse; a loader does not care."""
    seconds = np.arange(frames) / 30
    return SimpleNamespace(
        frames=rng.integers(0, 256, (frames, size, size, 3), np.uint8), seconds=seconds, face=np.ones(frames, bool),
        pulse=np.sin(2 * np.pi * 1.2 * seconds), fps=30.0,
    )  # fmt: skip


def targets(part: str, rows: list[dict]) -> list[Target]:
    """The project's own: the fastest way of ours against ``plain`` of the same precision."""
    made, way = [], "" if part in ("train", "inference") else f", {part}"
    for mode, precision, what in (
        ("inference", "float32", "STGNet inference of one clip"),
        ("train", LOW, "STGNet training step, batch 32, bfloat16"),
    ):
        same = [row for row in where(rows, mode=mode, precision=precision) if row["median_ms"]]
        ours, plain = where(same, provider=STGNET), where(same, provider="plain")
        if not ours or not plain:
            continue
        faster = plain[0]["median_ms"] / min(row["median_ms"] for row in ours)
        made.append(Target(f"{what}{way}, against plain", faster, 2, 4))
        eager = where(ours, way="eager")
        if part == "train" and eager and plain[0]["peak_mb"]:
            share = eager[0]["peak_mb"] / plain[0]["peak_mb"]
            made.append(Target("peak memory of that step", share, 0.4, 0.25, " of plain", True))
    what = "share of the time that training waits for data"
    return made + [Target(what, row["waiting_for_data"], 0.05, 0.01, "", True) for row in where(rows, mode="fed")]


def main() -> None:
    parts = (*PARTS, "fed", "profile")
    options = harness.arguments(__doc__, lambda parser: parser.add_argument("part", choices=parts))
    options.effort = harness.QUICK if options.quick else EFFORT
    options.out.mkdir(parents=True, exist_ok=True)
    part, tiny, rows = options.part, Provider("tiny", 32, LOW), []
    first = tiny if options.quick else LOW_OURS
    if part == "profile":
        profile(first, options)
        return
    modes, providers = PARTS.get(part, (("fed",), [first]))
    if options.quick:
        providers = list(dict.fromkeys(tiny._replace(way=provider.way) for provider in providers))
    for mode in modes:
        rows += fed(first, options) if part == "fed" else measure(providers, mode, options)
        harness.write(f"gpu_{part}", options, rows, targets(part, rows), done=mode == modes[-1])
        gc.collect()


if __name__ == "__main__":
    main()
