"""Whether an exported network says what the original says, on real input."""

from __future__ import annotations

import copy
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.export.formats import Run
from rppg_graph.export.network import Decomposed, inference_form
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.timing import median_ms

PASSES = 3
# Largest deviations that pass, in standard deviations of the wave.
EXACT = 1e-6  # of the exported form in float64; as it should be it stays below 1e-12
CLOSE = 1e-2  # of the file in float32, in one clip at least; another library's tanh was seen to make 2e-4
SWAPPED = 0.1  # of the file in every clip; one swapped neighbour was seen to move a wave by 0.02
CLOSE_BPM = 1.0


class Check(NamedTuple):
    """What the comparison gave.

    Args:
        exact: largest deviation of the exported form, both in float64, in standard deviations of the original's wave.
        close: the same of the file, both in float32, for each clip.
        bpm: heart rate of the original's first wave and of the file's; None where a clip is too short for one.
        milliseconds: of the original and of the file for one clip: medians.
    """

    exact: float
    close: tuple[float, ...]
    bpm: tuple[float | None, float | None]
    milliseconds: tuple[float, float]


def check(run: Run, model: nn.Module, video: Tensor, fps: float) -> Check:
    """Compare the form that is exported, and the file made of it, with the network.

    Float64 shows whether both compute the same: any mistake lies far above ``EXACT``. The file computes in float32,
    where a rounding may swap two patches that are equally near a third, in the original as in the file: in about one
    clip of twelve the wave then moves by up to some percent, and nothing is wrong. A mistake shows in every clip. Hence
    two bounds: ``CLOSE`` for the clip that agrees best, ``SWAPPED`` for all; and the heart rate must be the same.

    Args:
        run: the file, loaded.
        model: the original in eval mode.
        video: (B, 3, T, H, W) float32 in [0, 1], B > 1: a file must take any number of clips.
        fps: of the video.

    Raises:
        InputError: a deviation beyond these bounds, or a wave that says nothing.
    """
    with torch.no_grad():
        exact = _check_exact(model, video[:1].double())
        wave, ours = model(video), torch.cat([run(video[:1]), run(video)[1:]])
        close = _deviations(ours, wave)
        if not (min(close) <= CLOSE and all(deviation <= SWAPPED for deviation in close)):
            raise InputError(
                f"the file's waves deviate by {', '.join(f'{deviation:.2g}' for deviation in close)} of the original's "
                f"standard deviation (at most {CLOSE:g} in one clip and {SWAPPED:g} in all): no file was left; "
                "try the other format, or other input with --video"
            )
        bpm = tuple(CONTACT.heart_rate(one.double().numpy(), fps).bpm for one in (wave[0], ours[0]))
        if bpm[0] != bpm[1] and (None in bpm or abs(bpm[0] - bpm[1]) > CLOSE_BPM):
            raise InputError(
                f"the file's wave gives {bpm[1]} bpm, the original's {bpm[0]} (at most {CLOSE_BPM:g} apart): no file "
                "was left; the heart rate of this input is uncertain, so name another with --video"
            )
        return Check(exact, close, bpm, tuple(median_ms(partial(step, video[:1]), PASSES) for step in (model, run)))


def _check_exact(model: nn.Module, video: Tensor) -> float:
    model = copy.deepcopy(model).double()
    form = inference_form(model)
    with Decomposed():
        wave = form(video)
    exact = max(_deviations(wave, model(video)))
    if not exact <= EXACT:
        raise InputError(
            f"the exported form of {type(model).__name__} deviates from it by {exact:.2g} of the wave's standard "
            f"deviation in float64 (at most {EXACT:g}): it cannot be exported faithfully, and no file was left"
        )
    return exact


def _deviations(wave: Tensor, original: Tensor) -> tuple[float, ...]:
    """``max_t |w_t − o_t| / sd(o)`` of each pair of waves (B, T)."""
    sd = original.std(dim=1, correction=0, keepdim=True)
    if not (sd > 1e-6 * original.abs().amax(1, keepdim=True)).all():  # also true of NaN
        raise InputError("the network's wave is constant or not finite, so nothing can be compared; train it first")
    return tuple(((wave - original).abs() / sd).amax(1).tolist())
