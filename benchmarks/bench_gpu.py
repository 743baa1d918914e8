"""What do a training step and an inference take on a GPU: as they stand, compiled, as a CUDA graph, against ``plain``?

``python benchmarks/bench_gpu.py --device cuda [--quick] [--only train inference compiled profile]``

``plain`` is ``plain.py``, in float32 and under autocast. A step is forward, negative Pearson loss, backward and AdamW.
Rows are written as they come; what fails leaves a row that says why. Without a GPU, ``--quick`` runs all but the
capture, on tiny clips.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import NamedTuple

import harness
import torch
from bench_model import FAMILY, FRAMES
from plain import PlainSTGNet
from torch import Tensor, nn

from rppg_graph.models import MODELS
from rppg_graph.nn.folding import folded
from rppg_graph.training.losses import neg_pearson
from rppg_graph.training.trainer import adamw

COLUMNS = ["mode", "provider", "precision", "way", "batch", "median_ms", "clips_per_s", "peak_mb", "deviation", "error"]
EFFORT = harness.Effort(rounds=4, seconds=4.0)
KERNELS = 40  # of a profile, those that take longest
Step = Callable[[], Tensor]


class Provider(NamedTuple):
    """A network, the size of its crops, how it computes, and the way it is run."""

    network: str
    size: int
    precision: str = "float32"
    way: str = "eager"  # eager, graph, compiled

    def model(self, device: str) -> nn.Module:
        torch.manual_seed(0)
        options = {"size": self.size} if self.network in FAMILY else {}
        return (MODELS | {"plain": PlainSTGNet})[self.network](**options).to(device)

    def autocast(self, device: str) -> torch.autocast:
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False)


STGNET, LOW = "stgnet_released", "bfloat16"
TRAIN = [
    Provider(STGNET, 64, LOW), Provider(STGNET, 64, LOW, "graph"), Provider("plain", 64, LOW), Provider(STGNET, 64),
    Provider("plain", 64), Provider("stgnet_small", 32, LOW), Provider("stgnet_small", 32, LOW, "graph"),
    Provider("stream_net", 36, LOW), Provider("stream_net", 36, LOW, "graph"),
]  # fmt: skip
INFERENCE = [
    *(Provider(STGNET, 64, precision, way) for precision in ("float32", LOW) for way in ("eager", "graph")),
    Provider("plain", 64), Provider("plain", 64, LOW), Provider("stgnet_paper", 64), Provider("stgnet_small", 32),
    Provider("stgnet_small", 32, way="graph"), Provider("stream_net", 72),
]  # fmt: skip
COMPILED = [Provider(STGNET, 64, LOW, "compiled")]


def train_step(provider: Provider, batch: int, device: str, model: nn.Module) -> Step:
    """One optimiser step on a batch that is there; returns the prediction."""
    run = _way(provider, model.train())
    plain = isinstance(model, PlainSTGNet)
    capturable = {"capturable": True} if provider.way == "graph" and device == "cuda" else {}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, **capturable) if plain else adamw(model, 1e-4)
    for group in optimiser.param_groups:
        group.update(capturable)
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size, device=device)
    pulse = torch.randn(batch, FRAMES, device=device)

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
    run = _way(provider, model)
    generator = torch.Generator().manual_seed(1)
    video = torch.rand(batch, 3, FRAMES, provider.size, provider.size, generator=generator).to(device)

    @torch.no_grad()
    def step() -> Tensor:
        with provider.autocast(device):
            return run(video)

    return step


def _way(provider: Provider, model: nn.Module) -> nn.Module:
    if provider.way != "compiled":
        return model
    backend = "inductor" if next(model.parameters()).is_cuda else "aot_eager"  # no C++ compiler for a dry run
    return torch.compile(model, fullgraph=True, backend=backend)


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
    step()
    known: dict[str, float] = {}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        known["peak_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
        if provider.way == "graph":
            step = captured(step)
    if mode == "inference" and provider.network in MODELS:
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
    for name, seconds in harness.time_providers(steps, options.effort, options.device).items():
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


def targets(rows: list[dict]) -> list[harness.Target]:
    """The project's own: the fastest way of ours against ``plain`` of the same precision."""
    made = []
    for mode, precision, what in (
        ("inference", "float32", "STGNet inference of one clip"),
        ("train", LOW, "STGNet training step, batch 32, bfloat16"),
    ):
        same = [row for row in rows if (row["mode"], row["precision"]) == (mode, precision) and row["median_ms"]]
        ours = [row["median_ms"] for row in same if row["provider"] == STGNET]
        plain = [row for row in same if row["provider"] == "plain"]
        if ours and plain:
            made.append(harness.Target(f"{what}, against plain", plain[0]["median_ms"] / min(ours), 2, 4))
        peaks = [row["peak_mb"] for row in same if row["provider"] == STGNET and row["way"] == "eager"]
        if mode == "train" and plain and peaks and plain[0]["peak_mb"]:
            share = peaks[0] / plain[0]["peak_mb"]
            made.append(harness.Target("peak memory of that step", share, 0.4, 0.25, " of plain", True))
    return made


def main() -> None:
    parser = harness.parser(__doc__.splitlines()[0])
    parts = ("train", "inference", "profile", "compiled")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    options = harness.parsed(parser)
    options.effort = harness.QUICK if options.quick else EFFORT
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    for part in options.only:
        if part == "profile":
            profile(TRAIN[0] if not options.quick else Provider("stgnet_small", 32, LOW), options)
            continue
        providers, modes = {
            "train": (TRAIN, ["train"]), "inference": (INFERENCE, ["inference"]),
            "compiled": (COMPILED, ["inference", "train"]),
        }[part]  # fmt: skip
        if options.quick:
            providers = [p for p in providers if p.size == 32] or [Provider("stgnet_small", 32, LOW, "compiled")]
        for mode in modes:
            rows += measure(providers, mode, options)
            name = "gpu_compiled" if options.only == ["compiled"] else "gpu"
            harness.write(name, options, rows, targets(rows), done=(part, mode) == (options.only[-1], modes[-1]))
            gc.collect()
            if options.device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
