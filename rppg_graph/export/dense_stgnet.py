"""STGNet for inference, in plain tensor operations: batch norms folded, graphs as neighbour lists."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rppg_graph.errors import InputError
from rppg_graph.export.dense_graph import REDUCTIONS, neighbour_search
from rppg_graph.models.stgnet import GraphStage, STGNet
from rppg_graph.nn.attention_mask import gate_of
from rppg_graph.nn.bvp_head import BVPHead
from rppg_graph.nn.denoise_block import DenoiseBlock
from rppg_graph.nn.relative_conv import RelativeConv
from rppg_graph.nn.roi_selection import ROISelection
from rppg_graph.nn.stem import ConvBlock, DiffBlock


class DenseSTGNet(nn.Module):
    """A trained STGNet for clips of one length and size.

    Args:
        model: in eval mode; its weights are used, not kept.
        clip_frames, size: of the clips.

    Shapes:
        video (B, 3, clip_frames, size, size), RGB in [0, 1] → BVP (B, clip_frames).

    Raises:
        InputError: a graph convolution other than the two relative ones.
    """

    def __init__(self, model: STGNet, clip_frames: int, size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*(_plain(level) for level in model.stem))
        with torch.no_grad():
            feature_map = self.stem(torch.zeros(1, 3, clip_frames, size, size, dtype=_dtype(model)))
            self.stages = nn.ModuleList()
            for stage in model.stages:
                self.stages.append(_Stage(stage, tuple(feature_map.shape[2:])))
                feature_map = self.stages[-1].select(feature_map)
        self.head = _Head(model.head, feature_map.shape[2], clip_frames)

    def forward(self, video: Tensor) -> Tensor:
        x = self.stem(video)
        for stage in self.stages:
            x = stage(x)
        return self.head(x)


def _dtype(model: nn.Module) -> torch.dtype:
    return next(model.parameters()).dtype


def _plain(level: nn.Module) -> nn.Module:
    """A level of the stem or of a ROI selection."""
    if isinstance(level, DiffBlock):
        return _Diff(level)
    if isinstance(level, ConvBlock):
        return nn.Sequential(fuse_conv_bn_eval(level[0], level[1]), nn.GELU())
    return _MaskedConv(level)


class _Diff(nn.Module):
    """``nn.stem.DiffBlock``."""

    def __init__(self, block: DiffBlock) -> None:
        super().__init__()
        self.norm = block.norm

    def forward(self, x: Tensor) -> Tensor:
        difference = F.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 0, 0, 0, 1))
        return torch.cat((x, self.norm(difference)), dim=1)


class _MaskedConv(nn.Module):
    """``nn.attention_mask.MaskedConv3d``."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.gate, self.conv, self.axes = layer.gate, layer.conv, layer.axes

    def forward(self, x: Tensor) -> Tensor:
        gate = gate_of(self.gate(x), self.axes)
        return torch.tanh(self.conv(x * (0.5 * gate / gate.mean(self.axes, keepdim=True))))


class _Stage(nn.Module):
    """``models.stgnet.GraphStage`` for feature maps of one grid (T, H, W)."""

    def __init__(self, stage: GraphStage, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.reuse_graph = stage.reuse_graph
        self.denoise = nn.ModuleList(_Block(block, grid) for block in stage.denoise)
        self.select = _select(stage.select)

    def forward(self, x: Tensor) -> Tensor:
        nodes = x.flatten(2).mT  # (B, N, C)
        neighbours = None
        for number, block in enumerate(self.denoise):
            placed = nodes + block.position
            if number == 0 or not self.reuse_graph:
                neighbours = block.search(placed)
            nodes = block(placed, neighbours)
        return self.select(nodes.mT.reshape(x.shape))


def _select(selection: ROISelection) -> nn.Sequential:
    return nn.Sequential(*(_plain(level) for level in selection))


class _Block(nn.Module):
    """``nn.denoise_block.DenoiseBlock`` of nodes with their positional embedding: (B, N, C) → (B, N, C)."""

    def __init__(self, block: DenoiseBlock, grid: tuple[int, int, int]) -> None:
        super().__init__()
        if not isinstance(block.conv, RelativeConv):
            raise InputError(
                f"graph convolution {type(block.conv).__name__} (option conv) cannot be exported; "
                "average_relative and max_relative can"
            )
        position = block.positions(grid).detach()  # (N, C)
        self.register_buffer("position", position)
        self.search = neighbour_search(block.constructor, block.k, grid, position.shape[1])
        self.reduce = REDUCTIONS[block.conv.reduce]
        self.conv = nn.Sequential(fuse_linear_bn_eval(_linear(block.conv), block.conv_norm), nn.GELU())
        self.shrink = nn.Sequential(fuse_linear_bn_eval(block.shrink[0], block.shrink[1]), nn.GELU())
        self.mlp = nn.Sequential(fuse_linear_bn_eval(block.mlp[0], block.mlp[1]), nn.GELU())

    def forward(self, x: Tensor, neighbours: Tensor | None) -> Tensor:
        relative = self.reduce(x, neighbours) - x
        s = self.shrink(self.conv(torch.cat((x, relative), dim=-1)))
        return s + self.mlp(s)


def _linear(conv: RelativeConv) -> nn.Linear:
    """The grouped map of ``[x_0, d_0, x_1, d_1, …]`` as one map of ``[x, d]``, with zeros between the groups."""
    weight = torch.block_diag(*conv.weight.detach())  # (C', 2·C)
    linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    linear.weight = nn.Parameter(torch.cat((weight[:, 0::2], weight[:, 1::2]), dim=1))
    linear.bias = conv.bias
    return linear.eval()


class _Head(nn.Module):
    """``nn.bvp_head.BVPHead``; ``pool`` (8·T', T) averages to the clip's frames as ``adaptive_avg_pool1d`` does."""

    def __init__(self, head: BVPHead, segments: int, clip_frames: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential()
        for conv, norm, elu in head.upsample:
            self.upsample.append(nn.Sequential(fuse_conv_bn_eval(conv, norm, transpose=True), elu))
        upsampled = segments * 2 ** len(self.upsample)
        eye = torch.eye(upsampled, dtype=head.out.weight.dtype)
        self.register_buffer("pool", F.adaptive_avg_pool1d(eye, clip_frames) if upsampled != clip_frames else None)
        self.out = head.out

    def forward(self, x: Tensor) -> Tensor:
        x = self.upsample(x).mean(dim=(3, 4))  # (B, C, 8·T')
        if self.pool is not None:
            x = x @ self.pool  # (B, C, T)
        return self.out(x).squeeze(1)  # (B, T)
