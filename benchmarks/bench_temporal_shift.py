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
    def run() -> Tensor:
        with torch.no_grad():
            return shift(x)

    return run


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
    harness.show(rows, COLUMNS)
    return rows


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    shapes = SHAPES[1:2] if options.quick else SHAPES
    rows = [row for shape in shapes for row in measure(*shape, options)]
    targets = []
    for frames, channels, pixels in shapes:
        ms = {
            (row["mode"], row["provider"]): row["median_ms"]
            for row in rows
            if (row["frames"], row["channels"], row["pixels"]) == (frames, channels, pixels)
        }
        at = f"{channels} channels, {pixels} px"
        share = 100 * ms["forward", "rppg_graph"] / ms["forward", CONVOLUTION]
        speed = ms["full", "reference"] / ms["full", "rppg_graph"]
        targets += [
            harness.Target(f"shift as a share of the convolution after it, {at}", share, 25, 10, " %", True),
            harness.Target(f"shift, forward and backward, against the reference, {at}", speed, 2, 4),
        ]
    harness.write("temporal_shift", options, rows, targets)


if __name__ == "__main__":
    main()
