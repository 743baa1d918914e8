"""STGNet: a spatio-temporal graph network for remote photoplethysmography.

Xiong et al., "STGNet: Spatio-temporal graph neural network in camera-based remote photoplethysmography", Biomedical
Signal Processing and Control, 2024, article 106690.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.nn.bvp_head import BVPHead
from rppg_graph.nn.denoise_block import DenoiseBlock, check_blocks
from rppg_graph.nn.recompute import recomputed
from rppg_graph.nn.roi_selection import ROISelection
from rppg_graph.nn.stem import Stem

CHANNELS = 64
STEM_STRIDE = (4, 8, 8)  # in T, H, W


class Stage(NamedTuple):
    """Denoise blocks with k neighbours each, then a ROI selection with a stride in T, H and W."""

    blocks: int
    k: int
    stride: int


RELEASED_STAGES = (Stage(2, 64, 1), Stage(3, 32, 2), Stage(2, 16, 1))
PAPER_STAGES = (*RELEASED_STAGES, Stage(1, 16, 1))


def with_neighbours(stages: Sequence[Stage], k: int | Sequence[int] | None) -> list[Stage]:
    """The stages with k neighbours, one number for all or one for each; as they are for None.

    Raises:
        InputError: as many numbers as stages are needed, from 1 upwards.
    """
    stages = [Stage(*stage) for stage in stages]
    if k is None:
        return stages
    ks = [k] * len(stages) if isinstance(k, int) else list(k)
    if len(ks) != len(stages) or min(ks) < 1:
        raise InputError(f"k={k}: give one number of neighbours, or one for each of {len(stages)} stages, from 1 up")
    return [stage._replace(k=number) for stage, number in zip(stages, ks, strict=True)]


class GraphStage(nn.Module):
    """Denoise blocks on the patches of a feature map, then a ROI selection (STGNet, spatio-temporal graph module).

    Args:
        stage: number of blocks, neighbours, stride.
        grid: (T, H, W) of the feature map that the positional embeddings are sized for.
        mask_axes, reuse_graph: see :class:`STGNet`.
        block: further keyword arguments of :class:`~rppg_graph.nn.denoise_block.DenoiseBlock`.

    Shapes:
        (B, C, T, H, W) → (B, C, T/s, H/s, W/s).
    """

    def __init__(
        self, stage: Stage, grid: tuple[int, int, int], mask_axes: str, reuse_graph: bool, **block: object
    ) -> None:
        super().__init__()
        self.reuse_graph = reuse_graph
        self.denoise = nn.ModuleList(DenoiseBlock(CHANNELS, grid, stage.k, **block) for _ in range(stage.blocks))
        self.select = ROISelection(CHANNELS, stage.stride, mask_axes)

    def forward(self, feature_map: Tensor) -> Tensor:
        grid = tuple(feature_map.shape[2:])
        x, first = feature_map.flatten(2).mT.contiguous(), self.denoise[0]  # (B, N, C)
        neighbours = first.neighbours(x + first.positions(grid), grid) if self.reuse_graph else None
        for block in self.denoise:
            x = block(x, grid, neighbours)
        return self.select(x.mT.unflatten(2, grid))  # (B, C, T, H, W), channels last in memory


class STGNet(nn.Module):
    """Face clip to blood volume pulse: stem, stages of denoise blocks and ROI selection, BVP head.

    The defaults are the network as the paper describes it; :func:`stgnet_released` is what the authors' code builds.

    Args:
        stages: blocks, k and stride of each stage.
        k: neighbours, for all stages or for each, in place of those in ``stages``.
        clip_frames, size: T and H = W in pixels that the positional embeddings are sized for; another clip length or
            crop size works, with the embeddings interpolated.
        mask_axes: ``height-width`` or ``time-height``, what the attention masks are normalised over.
        conv: graph convolution, a name of ``nn.graph_conv.GRAPH_CONVS``.
        graph, graph_options: how neighbours are chosen, a name of ``graph.constructors.GRAPHS``, and its own options.
        reuse_graph: whether the blocks of a stage share the graph of its first block; each builds its own if not.
        loop: whether a node is its own neighbour.
        drop_path: rate of DropPath in every denoise block.
        head_dropout: rate of a dropout in the head; the published network has none.
        backend: KNN backend, a name of ``graph.knn.BACKENDS`` or ``auto``.
        recompute: whether training keeps no activations inside the stem and the stages and computes them again in the
            backward pass: less memory, more time.

    Shapes:
        video (B, 3, T, H, W), RGB in [0, 1] → BVP (B, T).
    """

    label = "wave"

    def __init__(
        self, *, stages: Sequence[Stage] = PAPER_STAGES, k: int | Sequence[int] | None = None, clip_frames: int = 160,
        size: int = 64, mask_axes: Literal["height-width", "time-height"] = "height-width",
        conv: str = "average_relative", graph: str = "knn", graph_options: Mapping[str, object] | None = None,
        reuse_graph: bool = False, loop: bool = True, drop_path: float = 0.25, head_dropout: float = 0.0,
        backend: str = "auto", recompute: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.clip_frames, self.size = clip_frames, size
        self.run_part = recomputed if recompute else nn.Module.__call__
        self.stem = Stem(mask_axes)
        self.stages = nn.ModuleList()
        grid = tuple(math.ceil(n / stride) for n, stride in zip((clip_frames, size, size), STEM_STRIDE, strict=True))
        stages = with_neighbours(stages, k)
        check_blocks(sum(stage.blocks for stage in stages))
        for stage in stages:
            block = {"conv": conv, "loop": loop, "drop_path": drop_path, "backend": backend}
            block |= {"graph": graph, "graph_options": graph_options}
            self.stages.append(GraphStage(stage, grid, mask_axes, reuse_graph, **block))
            grid = tuple(math.ceil(n / stage.stride) for n in grid)
        self.head = BVPHead(CHANNELS, head_dropout)

    def forward(self, video: Tensor) -> Tensor:
        return self.after_dropout(self.before_dropout(video), frames=video.shape[2])

    def before_dropout(self, video: Tensor) -> Tensor:
        """What no dropout touches: video (B, 3, T, H, W) → feature map (B, 64, T/4, H/8, W/8)."""
        return self.run_part(self.stem, video)

    def after_dropout(self, feature_map: Tensor, frames: int) -> Tensor:
        """The rest, which Monte-Carlo dropout repeats: feature map → BVP (B, T) of ``frames`` values."""
        for stage in self.stages:
            feature_map = self.run_part(stage, feature_map)
        return self.head(feature_map, frames)


def stgnet_paper(**options: object) -> STGNet:
    """The network as the paper describes it: four stages, attention masks over height and width."""
    return STGNet(**options)


def stgnet_released(**options: object) -> STGNet:
    """The network that the authors' code builds: three stages, masks over time and height; 2,285,927 parameters."""
    return STGNet(**{"stages": RELEASED_STAGES, "mask_axes": "time-height"} | options)


def stgnet_small(**options: object) -> STGNet:
    """The paper's network for crops of 32 px (640 nodes a clip): a fraction of the cost, for two cores."""
    return STGNet(**{"size": 32} | options)


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape a released ``state_dict`` to ours (what 1×1 convolutions did, linear maps do here).

    Raises:
        KeyError: a name that no released STGNet has.
    """
    stage, block, places = 0, 0, {}  # released numbers run through all blocks; a ROI selection closes a stage
    numbers = sorted({int(name.split(".")[2]) for name in state if name.startswith("STGM.st_graph.")})
    for number in numbers:
        if f"STGM.st_graph.{number}.pos_embed" in state:
            places[number], block = f"stages.{stage}.denoise.{block}", block + 1
        else:
            places[number], stage, block = f"stages.{stage}.select", stage + 1, 0
    return dict(_rename(name, value, places) for name, value in state.items())


_RELEASED_NAMES = (  # first match wins: (released pattern, our name)
    (r"stem\.diff_block\.batch_norm\.(\w+)", r"stem.0.norm.\1"),
    (r"stem\.stem\.(\d+)\.stem\.(\d)\.(\w+)", r"stem.{stem}.\2.\3"),
    (r"stem\.stem\.(\d+)\.attn_conv\.(\w+)", r"stem.{stem}.gate.\2"),
    (r"stem\.stem\.(\d+)\.conv\.(\w+)", r"stem.{stem}.conv.\2"),
    (r"STGM\.st_graph\.(\d+)\.pos_embed", r"{place}.position"),
    (r"STGM\.st_graph\.(\d+)\.graph\.gconv\.nn\.0\.(\w+)", r"{place}.conv.\2"),
    (r"STGM\.st_graph\.(\d+)\.graph\.gconv\.nn\.1\.(\w+)", r"{place}.conv_norm.\2"),
    (r"STGM\.st_graph\.(\d+)\.fc_1\.(\d)\.(\w+)", r"{place}.shrink.\2.\3"),
    (r"STGM\.st_graph\.(\d+)\.fc_2\.(\d)\.(\w+)", r"{place}.mlp.\2.\3"),
    (r"STGM\.st_graph\.(\d+)\.data_conv\.(\d)\.(\w+)", r"{place}.0.\2.\3"),
    (r"STGM\.st_graph\.(\d+)\.attn_conv\.0\.(\w+)", r"{place}.1.gate.\2"),
    (r"STGM\.st_graph\.(\d+)\.out_conv\.0\.(\w+)", r"{place}.1.conv.\2"),
    (r"BPM\.upsample\.10\.(\w+)", r"head.out.\1"),
    (r"BPM\.upsample\.(\d)\.(\w+)", r"head.upsample.{layer}.{sublayer}.\2"),
)


def _rename(name: str, value: Tensor, places: Mapping[int, str]) -> tuple[str, Tensor]:
    for pattern, ours in _RELEASED_NAMES:
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        number = int(match[1]) if match[1].isdigit() else 0
        slots = {"stem": number + 1, "place": places.get(number), "layer": number // 3, "sublayer": number % 3}
        ours = match.expand(ours).format_map(slots)
        return ours, value.reshape(_our_shape(ours, value.shape))
    raise KeyError(name)


def _our_shape(name: str, shape: torch.Size) -> tuple[int, ...]:
    """Positional embeddings lose their batch axis, 1×1 convolutions their kernel axes, the grouped one gains groups."""
    if name.endswith(".position"):
        return tuple(shape[1:])
    if ".denoise." in name and name.endswith(".conv.weight"):
        groups = 2 * CHANNELS // shape[1]
        return (groups, shape[0] // groups, shape[1])
    if name == "head.out.weight":
        return tuple(shape[:3])
    return tuple(shape[:2]) if ".denoise." in name else tuple(shape)
