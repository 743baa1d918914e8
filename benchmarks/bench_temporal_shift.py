"""What does the temporal shift cost, beside the definition, the usual ways to write it, and the convolution after it?

``python benchmarks/bench_temporal_shift.py [--quick] [--device cuda]``

Modes: ``forward`` without gradient, and ``full``, forward and backward. Shapes are those of STREAM-Net at 36 and 72 px,
20 frames at a time as it runs on a CPU, in its memory format (channels last).
"""

from __future__ import annotations

from collections.abc import Callable

import harness
import torch
import torch.nn.functional as F
from kept import Target, medians
from torch import Tensor

from rppg_graph.nn.temporal_shift import temporal_shift, temporal_shift_reference

COLUMNS = ["pixels", "channels", "mode", "provider", "median_ms", "p20_ms", "p80_ms", "gb_per_s"]
SEGMENT = 10
SHAPES = [(20, 32, 36), (20, 64, 17), (20, 32, 72), (20, 64, 35)]  # frames, channels, pixels
CONVOLUTION = "convolution 3×3 (for scale)"


def rolled(x: Tensor) -> Tensor:
    """Two rolls and a concatenation, as most code has it."""
    clips = x.unflatten(0, (-1, SEGMENT))
    third = x.shape[1] // 3
    parts = clips[:, :, :third].roll(-1, 1), clips[:, :, third : 2 * third].roll(1, 1), clips[:, :, 2 * third :]
    return torch.cat(parts, 2).flatten(0, 1)


def indexed(x: Tensor) -> Tensor:
    """Three gathers by frame number into one tensor."""
    frame = torch.arange(len(x), device=x.device)
    start, third = frame - frame % SEGMENT, x.shape[1] // 3
    out = torch.empty_like(x)
    out[:, :third] = x[start + (frame + 1) % SEGMENT, :third]
    out[:, third : 2 * third] = x[start + (frame - 1) % SEGMENT, third : 2 * third]
    out[:, 2 * third :] = x[:, 2 * third :]
    return out


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "reference": lambda x: temporal_shift_reference(x, SEGMENT, wrap=True),
    "roll and concatenate": rolled,
    "index": indexed,
    "rppg_graph": lambda x: temporal_shift(x, SEGMENT, wrap=True),
}


def full(shift: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], Tensor]:
    return lambda: torch.autograd.grad(shift(x), x, gradient)[0]


def forward(shift: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], Tensor]:
    return torch.no_grad()(lambda: shift(x))


MODES = {"forward": (forward, 1), "full": (full, 2)}


def measure(frames: int, channels: int, pixels: int, options) -> list[dict]:
    generator = torch.Generator().manual_seed(pixels)
    x = torch.randn(frames, channels, pixels, pixels, generator=generator).to(options.device)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = x.detach().cos()
    weight = torch.randn(channels, channels, 3, 3, generator=generator).to(options.device)
    weight = weight.contiguous(memory_format=torch.channels_last)
    providers = SHIFTS | {CONVOLUTION: lambda x: F.conv2d(x, weight, padding=1)}
    rows = []
    for mode, (build, passes) in MODES.items():
        runs = {name: build(provider, x, gradient) for name, provider in providers.items()}
        expected = runs["reference"]()
        for name in SHIFTS:
            assert torch.equal(runs[name](), expected), f"{name} is not the reference"
        for name, seconds in harness.time_providers(runs, options.effort, options.device).items():
            work = harness.summary(seconds, 0, passes * 2 * x.numel() * x.element_size())
            shape = {"frames": frames, "channels": channels, "pixels": pixels}
            rows.append(shape | {"mode": mode, "provider": name} | work)
    return rows


def targets(rows: list[dict], device: str) -> list[Target]:
    """Two for each shape."""
    made = []
    for channels, pixels in dict.fromkeys((row["channels"], row["pixels"]) for row in rows):
        forward, full = (medians(rows, mode=mode, channels=channels, pixels=pixels) for mode in MODES)
        at = f"{channels} channels, {pixels} px"
        share = 100 * forward["rppg_graph"] / forward[CONVOLUTION]
        made.append(Target(f"shift as a share of the convolution after it, {at}", share, 25, 10, " %", True))
        speed = full["reference"] / full["rppg_graph"]
        made.append(Target(f"shift, forward and backward, against the reference, {at}", speed, 2, 4))
    return made


def main() -> None:
    options = harness.arguments(__doc__)
    shapes = SHAPES[1:2] if options.quick else SHAPES
    harness.measure_all("temporal_shift", options, shapes, measure, COLUMNS, targets)


if __name__ == "__main__":
    main()
