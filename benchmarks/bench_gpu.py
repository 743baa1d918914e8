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
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import harness
import numpy as np
import torch
from bench_model import FAMILY
from plain import PlainSTGNet
from torch import Tensor, nn

from rppg_graph.data.augment import Augment
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.models import MODELS
from rppg_graph.models.stgnet import STGNet
from rppg_graph.nn.folding import folded
from rppg_graph.training.losses import neg_pearson
from rppg_graph.training.trainer import Trainer, adamw, compiled, read_metrics

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

    def autocast(self, device: str) -> torch.autocast:
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False)


STGNET, LOW = "stgnet_released", "bfloat16"
PARTS: dict[str, tuple[tuple[str, ...], list[Provider]]] = {  # part → modes, providers
    "train": (("train",), [
        Provider(STGNET, 64, LOW), Provider("plain", 64, LOW), Provider(STGNET, 64), Provider("plain", 64),
        Provider("stgnet_small", 32, LOW), Provider("stream_net", 36, LOW),
    ]),
    "inference": (("inference",), [
        *(Provider(STGNET, 64, precision, way) for precision in ("float32", LOW) for way in ("eager", "graph")),
        Provider("plain", 64), Provider("plain", 64, LOW), Provider("stgnet_paper", 64), Provider("stgnet_small", 32),
        Provider("stgnet_small", 32, way="graph"), Provider("stream_net", 72),
    ]),
    "graphs": (("train",), [
        Provider(STGNET, 64, LOW, "graph"), Provider("plain", 64, LOW), Provider("stgnet_small", 32, LOW, "graph"),
        Provider("stream_net", 36, LOW, "graph"),
    ]),
    "compiled": (("train", "inference"), [
        Provider(STGNET, 64, LOW, "compiled"), Provider(STGNET, 64, LOW), Provider("plain", 64, LOW),
    ]),
}  # fmt: skip


def way_of(provider: Provider, model: nn.Module) -> nn.Module:
    """What is called: the network, or what torch.compile makes of it (a dry run leaves out the machine code)."""
    if provider.way != "compiled":
        return model
    return compiled(model, "inductor" if next(model.parameters()).is_cuda else "aot_eager")


def train_step(provider: Provider, batch: int, device: str, model: nn.Module) -> Step:
    """One optimiser step on a batch that is there; returns the prediction."""
    run = way_of(provider, model.train())
    plain = isinstance(model, PlainSTGNet)
    capturable = {"capturable": True} if provider.way == "graph" and device == "cuda" else {}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, **capturable) if plain else adamw(model, 1e-4)
    for group in optimiser.param_groups:
        group.update(capturable)
    video = torch.rand(batch, 3, provider.frames, provider.size, provider.size, device=device)
    pulse = torch.randn(batch, provider.frames, device=device)

    def step() -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with provider.autocast(device):
            prediction = run(video)
        neg_pearson(prediction.float(), pulse).backward()
        optimiser.step()
        return prediction.detach()

    return step


def inference_step(provider: Provider, batch: int, device: str, model: nn.Module) -> Step:
    """One pass without gradient, batch norm folded."""
    model = model.eval() if isinstance(model, PlainSTGNet) else folded(model)
    run = way_of(provider, model)
    generator = torch.Generator().manual_seed(1)
    video = torch.rand(batch, 3, provider.frames, provider.size, provider.size, generator=generator).to(device)

    @torch.no_grad()
    def step() -> Tensor:
        with provider.autocast(device):
            return run(video)

    return step


def captured(step: Step) -> Step:
    """The step as one CUDA graph: every launch of it again by one call."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = step()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


MODES = {"train": (train_step, 32), "inference": (inference_step, 1)}


def prepared(provider: Provider, mode: str, batch: int, device: str) -> tuple[Step, dict]:
    """What is timed, once warm, and what is known of it by then."""
    step = MODES[mode][0](provider, batch, device, provider.model(device))
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
        exact = provider._replace(precision="float32", way="eager")
        expected = inference_step(exact, batch, device, exact.model(device))()
        known["deviation"] = float((step() - expected).norm() / expected.norm())
    return step, known


def measure(providers: list[Provider], mode: str, options) -> list[dict]:
    """Rows of one mode, all providers interleaved."""
    batch = 2 if options.quick and mode == "train" else MODES[mode][1]
    steps: dict[str, Step] = {}
    rows: dict[str, dict] = {}
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
        timed = {}
        for name in steps:
            rows[name]["error"] = f"{type(error).__name__}: {error}"[:300]
    for name, seconds in timed.items():
        figures = harness.summary(seconds, 0.0, 0.0)
        rows[name] |= figures | {"clips_per_s": batch / figures["median_ms"] * 1e3}
    made = [{column: row.get(column, "") for column in (*COLUMNS, "size", "p20_ms", "p80_ms")} for row in rows.values()]
    harness.show(made, COLUMNS)
    return made


def profile(provider: Provider, options) -> None:
    """Write what the kernels of one training step take, the longest first, beside what the step takes."""
    from torch.profiler import ProfilerActivity

    device, cuda = options.device, options.device == "cuda"
    step = train_step(provider, 32 if not options.quick else 1, device, provider.model(device))
    for _ in range(3):
        step()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=activities) as seen:
        step()
        if cuda:
            torch.cuda.synchronize()
    spent = "self_device_time_total" if cuda else "self_cpu_time_total"
    events = sorted(seen.key_averages(), key=lambda event: -getattr(event, spent))
    kernels = [
        {"name": event.key[:160], "calls": event.count, "ms": getattr(event, spent) / 1e3} for event in events[:KERNELS]
    ]
    wall = harness.time_providers({"step": step}, options.effort, device)["step"]
    document = {
        "provider": provider._asdict(), "environment": harness.environment(device),
        "step_ms": harness.summary(wall, 0, 0)["median_ms"],
        "kernels_ms": sum(getattr(event, spent) for event in events) / 1e3, "longest": kernels,
    }  # fmt: skip
    name = harness.slug(str(document["environment"]["device"]))
    (options.out / f"gpu_profile_{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def fed(provider: Provider, options) -> list[dict]:
    """The trainer itself, fed by its loader: a step, and the share of the time that it waits for data."""
    batch, steps, workers = (2, 2, 0) if options.quick else (64, 30, 12)
    rng = np.random.default_rng(0)
    frames = provider.frames
    people = [_person(rng, 3 * frames, provider.size) for _ in range(8)]
    clips = ClipDataset(people, frames, 20, Augment(frames)), ClipDataset(people[:1], frames, frames)
    model = provider.model(options.device)
    trainer = Trainer(
        model, "neg_pearson", *clips, steps=steps, batch=batch, learning_rate=1e-4, validate_every=steps // 2,
        precision=provider.precision, workers=workers, device=options.device,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer.run(Path(folder), {"model": {"name": STGNET, "options": {}}}, 70.0)
        last = read_metrics(Path(folder))[-1]
    row = provider._asdict() | {"provider": provider.network, "mode": "fed", "batch": batch}
    row |= {"median_ms": 1e3 * last["seconds_per_step"], "clips_per_s": batch / last["seconds_per_step"]}
    row |= {"waiting_for_data": last["waiting_for_data"], "workers": workers}
    harness.show([row], [*COLUMNS[:7], "waiting_for_data", "workers"])
    return [row]


def _person(rng: np.random.Generator, frames: int, size: int) -> SimpleNamespace:
    """A recording that is all noise and a pulse; a loader does not care."""
    seconds = np.arange(frames) / 30
    return SimpleNamespace(
        frames=rng.integers(0, 256, (frames, size, size, 3), np.uint8), seconds=seconds, face=np.ones(frames, bool),
        pulse=np.sin(2 * np.pi * 1.2 * seconds), fps=30.0,
    )  # fmt: skip


def targets(part: str, rows: list[dict]) -> list[harness.Target]:
    """The project's own: the fastest way of ours against ``plain`` of the same precision."""
    made = []
    for mode, precision, what in (
        ("inference", "float32", "STGNet inference of one clip"),
        ("train", LOW, "STGNet training step, batch 32, bfloat16"),
    ):
        same = [row for row in rows if (row["mode"], row["precision"]) == (mode, precision) and row["median_ms"]]
        ours = [row["median_ms"] for row in same if row["provider"] == STGNET]
        plain = [row for row in same if row["provider"] == "plain"]
        way = "" if part in ("train", "inference") else f", {part}"
        if ours and plain:
            made.append(harness.Target(f"{what}{way}, against plain", plain[0]["median_ms"] / min(ours), 2, 4))
        peaks = [row["peak_mb"] for row in same if row["provider"] == STGNET and row["way"] == "eager"]
        if part == "train" and plain and peaks and plain[0]["peak_mb"]:
            share = peaks[0] / plain[0]["peak_mb"]
            made.append(harness.Target("peak memory of that step", share, 0.4, 0.25, " of plain", True))
    made += [
        harness.Target("share of the time that training waits for data", row["waiting_for_data"], 0.05, 0.01, "", True)
        for row in rows
        if row["mode"] == "fed"
    ]
    return made


def main() -> None:
    parser = harness.parser(__doc__.splitlines()[0])
    parser.add_argument("part", choices=(*PARTS, "fed", "profile"))
    options = harness.parsed(parser)
    options.effort = harness.QUICK if options.quick else EFFORT
    options.out.mkdir(parents=True, exist_ok=True)
    part, tiny = options.part, Provider("tiny", 32, LOW)
    if part == "profile":
        profile(tiny if options.quick else PARTS["train"][1][0], options)
        return
    rows: list[dict] = []
    if part == "fed":
        rows = fed(tiny if options.quick else PARTS["train"][1][0], options)
    else:
        modes, providers = PARTS[part]
        if options.quick:
            providers = [tiny._replace(way=way) for way in dict.fromkeys(provider.way for provider in providers)]
        for mode in modes:
            rows += measure(providers, mode, options)
            if mode != modes[-1]:
                harness.write(f"gpu_{part}", options, rows, targets(part, rows), done=False)
                gc.collect()
    harness.write(f"gpu_{part}", options, rows, targets(part, rows))


if __name__ == "__main__":
    main()
