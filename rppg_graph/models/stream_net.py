"""STREAM-Net and its family: two-branch convolutional networks on frame differences and frames.

Usman, Sobotka, Ruminski, "STREAM-Net: Spatio-temporal feature fusion network for robust rPPG signal measurement in
remote health monitoring", Knowledge-Based Systems, 2025, doi 10.1016/j.knosys.2025.114080. Without the multi-scale
block it is TS-CAN (Liu et al., NeurIPS 2020), without the shift too DeepPhys (Chen and McDuff, ECCV 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.models.video_input import check_video
from rppg_graph.nn.dropout import Dropout
from rppg_graph.nn.frame_normalisation import normalise_frames
from rppg_graph.nn.lateral_attention import LateralAttention
from rppg_graph.nn.multi_scale import MultiScaleEnhancement
from rppg_graph.nn.tanh import tanh
from rppg_graph.nn.temporal_shift import TemporalShift
from rppg_graph.registry import choose

NARROW, WIDE, HIDDEN = 32, 64, 128  # channels of the first and the second pair of convolutions, units of the head
SHIFTS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda segment: nn.Identity(),
    "zero": lambda segment: TemporalShift(segment, wrap=False),
    "wrap": lambda segment: TemporalShift(segment, wrap=True),
}
PIECE_FRAMES = 20  # on a CPU; larger activations leave the cache and are mapped anew by every operation: half the speed


class StreamNet(nn.Module):
    """Face clip to pulse: motion let through where the appearance says so (STREAM-Net, figure 1).

    Args:
        size: H = W of the crop in pixels, at least 10.
        shift: ``wrap``, ``zero`` or ``none``: how the temporal branch looks at the neighbouring frames.
        multi_scale: whether the spatial branch has the multi-scale feature enhancement.
        dilations: of its scales.
        fifth_convolution: whether the spatial branch has the fifth convolution that the paper draws and no code has.
        segment: frames among which the shift moves; a clip is filled up to a multiple by repeating its last frame, and
            the prediction cut to its length.
        label: ``differenced`` (as published) or ``wave``: what the prediction stands for.

    Shapes:
        video (B, 3, T, size, size), RGB in [0, 1] → (B, T).

    Raises:
        InputError: a size, shift, segment, label or video that the network cannot work with.
    """

    clip_frames = None  # any length

    def __init__(
        self, *, size: int = 72, shift: Literal["wrap", "zero", "none"] = "wrap", multi_scale: bool = True,
        dilations: Sequence[int] = (1, 2, 4, 8), fifth_convolution: bool = False, segment: int = 10,
        label: Literal["differenced", "wave"] = "differenced",
    ) -> None:  # fmt: skip
        super().__init__()
        if _pooled(_pooled(size)) < 1:
            raise InputError(f"size={size}: the network needs a crop of at least 10 pixels")
        choose("shift", SHIFTS, shift)
        if segment < 2:
            raise InputError(f"segment={segment}: a shift needs at least 2 frames; shift='none' switches it off")
        if label not in ("differenced", "wave"):
            raise InputError(f"label={label!r}: must be 'differenced' or 'wave'")
        self.size, self.label = size, label
        self.segment = 1 if shift == "none" else segment
        self.temporal = nn.ModuleList(_convolutions())
        self.spatial = nn.ModuleList(_convolutions())
        self.spatial_5 = nn.Conv2d(WIDE, WIDE, 3, padding=1) if fifth_convolution else None
        self.shift = SHIFTS[shift](segment)
        self.enhancement = MultiScaleEnhancement(WIDE, dilations) if multi_scale else nn.Identity()
        self.attention_1, self.attention_2 = LateralAttention(NARROW), LateralAttention(WIDE)
        self.dropout_temporal, self.dropout_spatial, self.dropout_gate = Dropout(0.25), Dropout(0.25), Dropout(0.25)
        self.hidden = nn.Linear(head_features(size), HIDDEN)
        self.dropout_hidden = Dropout(0.5)
        self.out = nn.Linear(HIDDEN, 1)

    def forward(self, video: Tensor) -> Tensor:
        return self.after_dropout(self.before_dropout(video), frames=video.shape[2])

    def before_dropout(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """What no dropout touches: video (B, 3, T, H, W) → both branches after the first gate (B, T', 32, H', W')."""
        check_video(video, least_frames=max(self.segment, 2), size=self.size)
        return self.first_half(*normalise_frames(video))

    def after_dropout(self, branches: tuple[Tensor, Tensor], frames: int) -> Tensor:
        """The rest, which Monte-Carlo dropout repeats: both branches → prediction (B, T) of ``frames`` values."""
        clips = branches[0].shape[0]
        (prediction,) = self._in_pieces(self._second_gate, *(branch.flatten(0, 1) for branch in branches))  # (B·T', 1)
        return prediction.view(clips, -1)[:, :frames]

    def first_half(self, difference: Tensor, standardised: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`before_dropout` of frames that are normalised already, each (B, T, 3, H, W)."""
        clips, frames = difference.shape[:2]
        missing = -frames % self.segment
        # a video that stands still after its last frame: no difference, the same appearance
        difference = F.pad(difference, (0, 0, 0, 0, 0, 0, 0, missing))
        standardised = torch.cat([standardised, standardised[:, -1:].expand(-1, missing, -1, -1, -1)], 1)
        branches = self._in_pieces(self._first_gate, difference.flatten(0, 1), standardised.flatten(0, 1))
        return tuple(branch.unflatten(0, (clips, -1)) for branch in branches)  # (B, T', 32, H', W')

    def _first_gate(self, motion: Tensor, appearance: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, 3, H, W) of both branches → (N, 32, H', W') of both."""
        motion, appearance = self._pair(0, motion, appearance)
        gated = motion * self.attention_1(appearance)
        return F.avg_pool2d(gated, 2), F.avg_pool2d(appearance, 2)

    def _second_gate(self, motion: Tensor, appearance: Tensor) -> tuple[Tensor]:
        """(N, 32, H', W') of both branches → prediction (N, 1)."""
        motion, appearance = self._pair(2, self.dropout_temporal(motion), self.dropout_spatial(appearance))
        if self.spatial_5 is not None:
            appearance = tanh(self.spatial_5(appearance))
        gated = motion * self.attention_2(self.enhancement(appearance))
        features = self.dropout_gate(F.avg_pool2d(gated, 2)).flatten(1)  # (N, 64·H''·W'')
        return (self.out(self.dropout_hidden(tanh(self.hidden(features)))),)

    def _pair(self, first: int, motion: Tensor, appearance: Tensor) -> tuple[Tensor, Tensor]:
        """Two convolutions of each branch, from number ``first``; those of the temporal branch see shifted frames."""
        motion = motion.contiguous(memory_format=torch.channels_last)
        appearance = appearance.contiguous(memory_format=torch.channels_last)
        for temporal, spatial in zip(self.temporal[first : first + 2], self.spatial[first : first + 2], strict=True):
            motion = tanh(temporal(self.shift(motion)))
            appearance = tanh(spatial(appearance))
        return motion, appearance

    def _in_pieces(self, part: Callable[..., tuple[Tensor, ...]], *frames: Tensor) -> tuple[Tensor, ...]:
        """``part`` of frames (N, …), a few segments at a time where nothing but their order ties them together."""
        whole = self.training or torch.is_grad_enabled() or torch.compiler.is_compiling()
        if whole or frames[0].device.type != "cpu":
            return part(*frames)
        piece = max(1, PIECE_FRAMES // self.segment) * self.segment
        outputs = [part(*pieces) for pieces in zip(*(tensor.split(piece) for tensor in frames), strict=True)]
        return tuple(torch.cat(output) for output in zip(*outputs, strict=True))


def _convolutions() -> list[nn.Conv2d]:
    widths = ((3, NARROW, 1), (NARROW, NARROW, 0), (NARROW, WIDE, 1), (WIDE, WIDE, 0))
    return [nn.Conv2d(inputs, outputs, 3, padding=padding) for inputs, outputs, padding in widths]


def _pooled(size: int) -> int:
    """Pixels after a padded and an unpadded 3×3 convolution and a 2×2 pool."""
    return (size - 2) // 2


def head_features(size: int) -> int:
    """Inputs of the first linear layer for crops of ``size`` pixels."""
    return WIDE * _pooled(_pooled(size)) ** 2


def stream_net(**options: object) -> StreamNet:
    """STREAM-Net: wrapping shift and multi-scale enhancement; 2,238,119 parameters at 72 px."""
    return StreamNet(**options)


def ts_can(**options: object) -> StreamNet:
    """TS-CAN: zero-padded shift, no enhancement; 2,228,643 parameters at 72 px."""
    return StreamNet(**{"shift": "zero", "multi_scale": False} | options)


def deep_phys(**options: object) -> StreamNet:
    """DeepPhys, which is what the released STREAM-Net code runs: no shift, no enhancement."""
    return StreamNet(**{"shift": "none", "multi_scale": False} | options)


_RELEASED_PREFIXES = {
    **{f"motion_conv{n + 1}": f"temporal.{n}" for n in range(4)},
    **{f"apperance_conv{n + 1}": f"spatial.{n}" for n in range(4)},
    "apperance_att_conv1": "attention_1.conv",
    "apperance_att_conv2": "attention_2.conv",
    "ssfem.conv1": "enhancement.reduce.0",
    "ssfem.bn1": "enhancement.reduce.1",
    **{f"ssfem.conv2.{n}": f"enhancement.scales.{n}.0" for n in range(4)},
    **{f"ssfem.bn2.{n}": f"enhancement.scales.{n}.1" for n in range(4)},
    "ssfem.conv3": "enhancement.merge.0",
    "ssfem.bn3": "enhancement.merge.1",
    "ssfem.se.fc1": "enhancement.squeeze_excite.squeeze",
    "ssfem.se.fc2": "enhancement.squeeze_excite.excite",
    "final_dense_1": "hidden",
    "final_dense_2": "out",
}


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a released ``state_dict`` to ours, with or without the ``module.`` of a data-parallel one.

    Raises:
        KeyError: a name that no released network of the family has.
    """
    renamed = {}
    for name, value in state.items():
        prefix, _, leaf = name.removeprefix("module.").rpartition(".")
        if prefix not in _RELEASED_PREFIXES:
            raise KeyError(name)
        renamed[f"{_RELEASED_PREFIXES[prefix]}.{leaf}"] = value
    return renamed
