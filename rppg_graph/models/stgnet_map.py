"""STGNet on a map of mean colours: patches × time segments as nodes, no pixel and no absolute brightness.

The denoise blocks, the selection of regions and the BVP head are those of Xiong et al., "STGNet", Biomedical Signal
Processing and Control, 2024, 106690, on relative colour traces in place of a feature map of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.models.video_input import check_video
from rppg_graph.nn.denoise_block import SegmentDenoise, check_blocks

SLOW_FRAMES = 31  # what is slower than about a second of video is light and posture
SEGMENT_FRAMES = 4  # of a node: 7.5 nodes a second carry rates up to 225 bpm
LEAST_FRAMES = SLOW_FRAMES
CLIP = 6.0  # of the scaled colours: a jump is a jump, however large
_LOUDNESS = 1.5  # times the median size, so that most of a trace lies within one


def relative_colours(traces: Tensor) -> Tensor:
    """Mean colours (B, 3, P, T) of any unit to comparable traces of the same shape.

    ``x = c / mean_t(c) − 1``, less its running mean of about a second taken twice, over 1.5 times the clip's median
    |x|, cut at ± 6. Brightness, exposure and tone of skin drop out; relative sizes of patches and channels stay.
    """
    x = traces / traces.mean(-1, keepdim=True).clamp_min(1e-6) - 1
    flat = x.flatten(0, 2)[:, None]
    slow, half = flat, SLOW_FRAMES // 2
    for _ in range(2):
        slow = F.avg_pool1d(F.pad(slow, (half, half), mode="reflect"), SLOW_FRAMES, 1)
    x = x - slow.view(x.shape)
    size = x.flatten(1).abs().median(dim=1).values.clamp_min(1e-7)
    return (x / (_LOUDNESS * size[:, None, None, None])).clamp(-CLIP, CLIP)


class TemporalBlock(nn.Module):
    """Each patch looks along time, then beside what the face as a whole shows (message passing on the complete graph).

    ``h = GELU(BN(conv_t x))``; ``y = x + W₂ GELU(W₁ [h, Σ_q a_q h_q − h])``, a = softmax of the patches' mean scores.

    Args:
        channels: C.
        dilation: frames between the five taps of the convolution.

    Shapes:
        (B, C, P, T) → (B, C, P, T).
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.time = nn.Conv2d(channels, channels, (1, 5), padding=(0, 2 * dilation), dilation=(1, dilation))
        self.norm = nn.BatchNorm2d(channels)
        self.score = nn.Conv2d(channels, 1, 1)
        self.mix = nn.Conv2d(2 * channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.norm(self.time(x)))
        attention = torch.softmax(self.score(h.mean(-1, keepdim=True)), dim=2)  # (B, 1, P, 1)
        whole = (attention * h).sum(2, keepdim=True)
        own, beside = self.mix.weight.chunk(2, dim=1)  # W₁ [h, w − h] = (own − beside) h + beside w
        mixed = F.conv2d(h, own - beside) + F.conv2d(whole, beside, self.mix.bias)
        return x + self.out(F.gelu(mixed))


class STGNetMap(nn.Module):
    """Map of a face's mean colours to blood volume pulse: relative colours, temporal and denoise blocks, regions, wave.

    Args:
        channels: C of all blocks.
        grid: patches along a side of the crop.
        k: neighbours of a node in each denoise block; no block for an empty list.
        dilations: of the temporal blocks; the denoise blocks stand evenly between them.
        reuse_graph: whether all denoise blocks share the graph of the first; each builds its own if not.
        conv, graph, graph_options, loop, backend: of the denoise blocks, see
            :class:`~rppg_graph.nn.denoise_block.GraphMixing`.

    Shapes:
        video (B, 3, T, H, W), RGB in [0, 1], or its map (B, 3, T, P) of the mean colours of P = g·g patches, row by
        row, in any unit, g a multiple of ``grid`` → BVP (B, T).
    """

    label = "wave"

    def __init__(
        self, *, channels: int = 32, grid: int = 4, k: tuple[int, ...] = (16, 16),
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 2), reuse_graph: bool = False, conv: str = "average_relative",
        graph: str = "knn", graph_options: Mapping[str, object] | None = None, loop: bool = True, backend: str = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        check_blocks(len(dilations))
        self.grid, self.reuse_graph = grid, reuse_graph
        mixing = {"conv": conv, "graph": graph, "graph_options": graph_options, "loop": loop, "backend": backend}
        self.first = nn.Conv2d(3, channels, (1, 7), padding=(0, 3))
        blocks: list[nn.Module] = []
        every = max(1, len(dilations) // (len(k) + 1))
        left = list(k)
        for number, dilation in enumerate(dilations, 1):
            blocks.append(TemporalBlock(channels, dilation))
            if left and number % every == 0:
                blocks.append(SegmentDenoise(channels, left.pop(0), SEGMENT_FRAMES, **mixing))
        self.blocks = nn.ModuleList(blocks)
        self.select = nn.Conv2d(channels, 1, 1)
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, video: Tensor) -> Tensor:
        if video.ndim == 4:
            return self.from_map(video)
        check_video(video, least_frames=LEAST_FRAMES)
        clips, _, frames = video.shape[:3]
        pooled = F.adaptive_avg_pool2d(video.transpose(1, 2).flatten(0, 1), self.grid)  # (B·T, 3, g, g)
        return self.from_map(pooled.view(clips, frames, 3, -1).transpose(1, 2))

    def from_map(self, colours: Tensor) -> Tensor:
        """BVP (B, T) of a map (B, 3, T, P).

        Raises:
            InputError: another shape, or too few frames.
        """
        side = round(colours.shape[-1] ** 0.5)
        if colours.ndim != 4 or colours.shape[1] != 3 or side**2 != colours.shape[-1] or side % self.grid:
            raise InputError(
                f"map of shape {tuple(colours.shape)}: must be (B, 3, T, P), red first, with P = g·g patches, "
                f"g a multiple of {self.grid}"
            )
        if colours.shape[2] < LEAST_FRAMES:
            raise InputError(f"map of {colours.shape[2]} frames: the network needs at least {LEAST_FRAMES}")
        clips, _, frames, _ = colours.shape
        pooled = F.adaptive_avg_pool2d(colours.reshape(clips, 3 * frames, side, side), self.grid)
        x = self.first(relative_colours(pooled.view(clips, 3, frames, -1).transpose(2, 3)))  # (B, C, P, T)
        x = x.contiguous(memory_format=torch.channels_last)
        grid, neighbours = (math.ceil(x.shape[-1] / SEGMENT_FRAMES), self.grid, self.grid), None
        for block in self.blocks:
            if not isinstance(block, SegmentDenoise):
                x = block(x)
                continue
            if self.reuse_graph and neighbours is None:
                neighbours = block.neighbours(block.nodes(x), grid)
            x = block(x, grid, neighbours)
        regions = torch.softmax(self.select(x.mean(-1, keepdim=True)), dim=2)  # (B, 1, P, 1)
        return self.head((regions * x).sum(2, keepdim=True))[:, 0, 0]


def stgnet_map(**options: object) -> STGNetMap:
    """STGNet on a map of sixteen patches."""
    return STGNetMap(**options)
