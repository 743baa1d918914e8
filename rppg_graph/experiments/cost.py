"""What a network costs: parameters, multiplications, time and memory."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rppg_graph.timing import median_ms

PASSES = 10


def parameters(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in model.parameters())


def macs_per_frame(model: nn.Module, clip_frames: int, size: int) -> float:
    """Multiply-accumulates of one pass over a clip, divided by its frames.

    Counted: convolutions and dense matrix products, as torch's own counter sees them: on a batch of two, since it does
    not know the convolution of oneDNN, which a Conv3d takes on a CPU at a batch of one. Not counted: means over
    neighbours and the search for them where a compiled backend does it, normalisations, activations.
    """
    clips = torch.rand(2, 3, clip_frames, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(clips)
    return counter.get_total_flops() / 2 / len(clips) / clip_frames


@torch.inference_mode()
def inference_ms(model: nn.Module, clip_frames: int, size: int) -> float:
    """Milliseconds of one pass over one clip on the CPU: median of ten, after one to warm up."""
    video = torch.rand(1, 3, clip_frames, size, size)
    model.eval()
    return median_ms(lambda: model(video), PASSES)


def peak_memory_mib() -> float:
    """Largest resident set of this process so far, in MiB.

    From ``VmHWM`` where there is a ``/proc``: ``ru_maxrss`` of a process starts at what its parent had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # of Unix alone

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
