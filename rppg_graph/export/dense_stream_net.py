"""The STREAM-Net family for inference, in plain tensor operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.models.stream_net import StreamNet
from rppg_graph.nn.frame_normalisation import normalise_frames
from rppg_graph.nn.temporal_shift import TemporalShift


class DenseStreamNet(nn.Module):
    """A trained network of the STREAM-Net family for clips of one length.

    Args:
        model: in eval mode.
        clip_frames, size: of the clips.

    Shapes:
        video (B, 3, clip_frames, size, size), RGB in [0, 1] → (B, clip_frames).
    """

    def __init__(self, model: StreamNet, clip_frames: int, size: int) -> None:
        super().__init__()
        self.clip_frames, self.missing = clip_frames, -clip_frames % model.segment
        self.temporal, self.spatial, self.spatial_5 = model.temporal, model.spatial, model.spatial_5
        self.shift = _Shift(model.shift) if isinstance(model.shift, TemporalShift) else nn.Identity()
        self.enhancement = model.enhancement
        self.attention_1, self.attention_2 = model.attention_1, model.attention_2
        self.hidden, self.out = model.hidden, model.out

    def forward(self, video: Tensor) -> Tensor:
        motion, appearance = normalise_frames(video)  # (B, T, 3, H, W) each
        motion = F.pad(motion, (0, 0, 0, 0, 0, 0, 0, self.missing)).flatten(0, 1)  # (B·T', 3, H, W)
        still = appearance[:, -1:].expand(-1, self.missing, -1, -1, -1)
        appearance = torch.cat((appearance, still), dim=1).flatten(0, 1)
        motion, appearance = self._pair(0, motion, appearance)
        motion, appearance = F.avg_pool2d(motion * self.attention_1(appearance), 2), F.avg_pool2d(appearance, 2)
        motion, appearance = self._pair(2, motion, appearance)
        if self.spatial_5 is not None:
            appearance = torch.tanh(self.spatial_5(appearance))
        gated = F.avg_pool2d(motion * self.attention_2(self.enhancement(appearance)), 2)
        prediction = self.out(torch.tanh(self.hidden(gated.flatten(1))))  # (B·T', 1)
        return prediction.view(video.shape[0], -1)[:, : self.clip_frames]

    def _pair(self, first: int, motion: Tensor, appearance: Tensor) -> tuple[Tensor, Tensor]:
        for temporal, spatial in zip(self.temporal[first : first + 2], self.spatial[first : first + 2], strict=True):
            motion, appearance = torch.tanh(temporal(self.shift(motion))), torch.tanh(spatial(appearance))
        return motion, appearance


class _Shift(nn.Module):
    """``nn.temporal_shift.TemporalShift``: a third of the channels from the next frame, a third from the one before."""

    def __init__(self, shift: TemporalShift) -> None:
        super().__init__()
        self.segment, self.wrap = shift.segment, shift.wrap

    def forward(self, x: Tensor) -> Tensor:
        segments = x.unflatten(0, (-1, self.segment))  # (N/L, L, C, H, W)
        third = x.shape[1] // 3
        ahead, back, own = segments[:, :, :third], segments[:, :, third : 2 * third], segments[:, :, 2 * third :]
        first, last = (ahead[:, :1], back[:, -1:]) if self.wrap else (0 * ahead[:, :1], 0 * back[:, -1:])
        ahead, back = torch.cat((ahead[:, 1:], first), dim=1), torch.cat((last, back[:, :-1]), dim=1)
        return torch.cat((ahead, back, own), dim=2).flatten(0, 1)  # (N, C, H, W)
