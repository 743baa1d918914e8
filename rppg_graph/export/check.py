"""Whether an exported network says what the original says, on real input."""

from __future__ import annotations

import copy
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.export.dense import dense_form
from rppg_graph.export.formats import Run
from rppg_graph.pulse.heart_rate import heart_rate

PASSES = 5
EXACT = 1e-6  # of the wave's deviation, in float64; the dense form as it should be stays below 1e-12
CLOSE = 0.1  # of the wave's deviation, in float32; one swapped neighbour was seen to move a wave by 0.02
CLOSE_BPM = 1.0


class Check(NamedTuple):
    """What the comparison gave; deviations are the largest of any frame, in standard deviations of the original's wave.

    Args:
        exact: of the dense form, both in float64.
        close: of the file, both in float32.
        bpm: heart rate of the original's wave and of the file's; None where the clip is too short for one.
        milliseconds: of the original and of the file for one clip: medians.
    """

    exact: float
    close: float
    bpm: tuple[float | None, float | None]
    milliseconds: tuple[float, float]


def check(run: Run, model: nn.Module, video: Tensor, fps: float) -> Check:
    """Compare a network's dense form, and the file made of it, with the network.

    Float64 shows whether both compute the same: any mistake would lie far above ``EXACT``. The file computes in
    float32, where a rounding may swap two patches that are equally near a third, in the original as in the file; the
    wave then moves by some percent of its deviation and nothing is wrong. Hence two bounds.

    Args:
        run: the file, loaded.
        model: the original in eval mode.
        video: (B, 3, T, H, W) float32 in [0, 1], B > 1: a file must take any number of clips.
        fps: of the video.

    Raises:
        InputError: a deviation beyond ``EXACT``, ``CLOSE`` or ``CLOSE_BPM``, or a wave that says nothing.
    """
    with torch.no_grad():
        exact = _check_exact(model, video.double())
        wave, ours = model(video), torch.cat([run(video[:1]), run(video)[1:]])
        close = _deviation(ours, wave)
        bpm = tuple(heart_rate(one.double().numpy(), fps).bpm for one in (wave[0], ours[0]))
        if not (close <= CLOSE and (bpm == (None, None) or (None not in bpm and abs(bpm[0] - bpm[1]) <= CLOSE_BPM))):
            raise InputError(
                f"the file's wave deviates by {close:.2g} of the original's standard deviation (at most {CLOSE:g}), its "
                f"heart rate is {bpm[1]} instead of {bpm[0]} bpm (within {CLOSE_BPM:g}); no file was left. Try the "
                "other format, or other input with --video"
            )
        return Check(exact, close, bpm, (_milliseconds(model, video[:1]), _milliseconds(run, video[:1])))


def _check_exact(model: nn.Module, video: Tensor) -> float:
    model = copy.deepcopy(model).double()
    exact = _deviation(dense_form(model, *video.shape[2:4])(video), model(video))
    if not exact <= EXACT:
        raise InputError(
            f"the dense form of {type(model).__name__} deviates from it by {exact:.2g} of the wave's standard deviation "
            f"in float64 (at most {EXACT:g}): it cannot be exported faithfully, and no file was left"
        )
    return exact


def _deviation(wave: Tensor, original: Tensor) -> float:
    """Largest ``|w_t − o_t| / sd(o)`` of waves (B, T)."""
    sd = original.std(dim=1, correction=0, keepdim=True)
    if not (sd > 1e-6 * original.abs().amax(1, keepdim=True)).all():  # also true of NaN
        raise InputError("the network's wave is constant or not finite, so nothing can be compared; train it first")
    return ((wave - original).abs() / sd).max().item()


def _milliseconds(run: Run, video: Tensor) -> float:
    run(video)
    times = []
    for _ in range(PASSES):
        started = time.perf_counter()
        run(video)
        times.append(time.perf_counter() - started)
    return 1e3 * float(np.median(times))
