"""A look inside a network while it runs on one clip: its attention masks, its graphs, and what each part costs.

Everything is collected through hooks and by what a module can do (``mask``, ``constructor``, …), so that the report
knows no network by name; a network without such modules has costs alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d

from rppg_graph.graph.edges import neighbours_to_edge_index
from rppg_graph.graph.knn import to_global

# Nodes whose neighbours are looked up: row and column on the face crop, as shares of its height and width.
PLACES: dict[str, tuple[float, float]] = {"forehead": (0.25, 0.5), "cheek": (0.6, 0.3)}


@dataclass(frozen=True)
class Mask:
    """An attention mask (T, H, W), the mean over channels, on the patches of the graph; ``where``: its module."""

    where: str
    values: np.ndarray


@dataclass(frozen=True)
class Neighbours:
    """The neighbours (K, 3) of a node (time segment, row, column) in the graph of one block; None: every node."""

    where: str
    place: str
    grid: tuple[int, int, int]
    node: tuple[int, int, int]
    found: np.ndarray | None


@dataclass(frozen=True)
class SeenGraph:
    """The graph of one block in one pass: nodes x (B·N, C) on a grid (T, H, W), and the edges that it was given.

    Edges are (2, E) from neighbour to node, or no tensor: everybody is everybody's neighbour.
    """

    where: str
    grid: tuple[int, int, int]
    x: Tensor
    edges: Any


@dataclass(frozen=True)
class Cost:
    """Seconds that a part of the network took, by what it did."""

    part: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class NetworkView:
    """What was seen on one clip of ``seconds``; ``face``: its middle crop (S, S, 3) uint8, if it may be shown."""

    seconds: float
    costs: list[Cost]
    masks: list[Mask]
    neighbours: list[Neighbours]
    face: np.ndarray | None = None


@torch.inference_mode()
def view_network(model: nn.Module, clip: Tensor, fps: float, show_face: bool = False) -> NetworkView:
    """Run a network on a clip (1, 3, T, S, S) in [0, 1] and note what it looks at and how long it takes.

    Args:
        model: in eval mode, on the clip's device.
        fps: of the clip.
        show_face: keep the crop in the middle of the clip.
    """
    with seen_graphs(model) as graphs, seen_masks(model) as masks:
        model(clip)  # the first pass warms up too
    neighbours = [_neighbours(graph, place, share) for graph in graphs for place, share in PLACES.items()]
    patches = graphs[0].grid if graphs else None
    pooled = []
    for name, mask in masks:  # (1, C, T, H, W), on the grid of patches: a stem's finer mask would draw the face itself
        grid = tuple(min(n, p) for n, p in zip(mask.shape[2:], patches or mask.shape[2:], strict=True))
        pooled.append(Mask(name, adaptive_avg_pool3d(mask.float().mean(dim=1), grid)[0].double().cpu().numpy()))
    middle = clip[0, :, clip.shape[2] // 2]  # (3, S, S)
    face = (middle.movedim(0, -1) * 255).round().byte().cpu().numpy() if show_face else None
    return NetworkView(clip.shape[2] / fps, costs(model, clip), pooled, neighbours, face)


@contextmanager
def seen_graphs(model: nn.Module) -> Iterator[list[SeenGraph]]:
    """A list that the forward passes within fill: one graph for each block, in the order of the pass."""
    graphs: list[SeenGraph] = []
    grids: list[tuple[int, int, int]] = []

    def see_grid(module: nn.Module, args: tuple) -> None:
        grids.append(args[1])

    def see_edges(name: str, module: nn.Module, args: tuple) -> None:
        x, edges = args
        if isinstance(edges, Tensor) and edges.dim() == 3:  # neighbour lists
            edges = neighbours_to_edge_index(to_global(edges)).as_tensor()
        graphs.append(SeenGraph(name, grids[-1], x.reshape(-1, x.shape[-1]), edges))

    blocks = [(name, module) for name, module in model.named_modules() if _is_graph_block(module)]
    handles = [module.register_forward_pre_hook(see_grid) for _, module in blocks]
    handles += [module.conv.register_forward_pre_hook(partial(see_edges, name)) for name, module in blocks]
    with _removed_at_the_end(handles):
        yield graphs


@contextmanager
def seen_masks(model: nn.Module) -> Iterator[list[tuple[str, Tensor]]]:
    """A list that the forward passes within fill: name and attention mask."""
    masks: list[tuple[str, Tensor]] = []

    def see_mask(name: str, module: nn.Module, args: tuple) -> None:
        masks.append((name, module.mask(args[0])))

    gated = [(n, module) for n, module in model.named_modules() if hasattr(module, "mask") and hasattr(module, "gate")]
    with _removed_at_the_end([m.register_forward_pre_hook(partial(see_mask, name)) for name, m in gated]):
        yield masks


@contextmanager
def _removed_at_the_end(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_graph_block(module: nn.Module) -> bool:
    return hasattr(module, "constructor") and hasattr(module, "conv")


def _neighbours(graph: SeenGraph, place: str, share: tuple[float, float]) -> Neighbours:
    name, grid, edges = graph.where, graph.grid, graph.edges
    node = (grid[0] // 2, int(share[0] * grid[1]), int(share[1] * grid[2]))
    if not isinstance(edges, Tensor):
        return Neighbours(name, place, grid, node, None)
    index = int(np.ravel_multi_index(node, grid))
    found = edges[0][edges[1] == index].cpu().numpy()
    return Neighbours(name, place, grid, node, np.stack(np.unravel_index(found, grid), axis=1))


class _Stopwatch:
    """Seconds inside each module, and from the start of an outer module to that of an inner one."""

    def __init__(self, synchronise: bool) -> None:
        self.synchronise = synchronise
        self.started: dict[nn.Module, float] = {}
        self.inside: Counter[nn.Module] = Counter()
        self.before: Counter[nn.Module] = Counter()
        self.handles: list[Any] = []

    def watch(self, module: nn.Module, outer: nn.Module | None = None) -> None:
        def start(*_: Any) -> None:
            self.started[module] = now = self._now()
            if outer is not None:
                self.before[module] += now - self.started[outer]

        def end(*_: Any) -> None:
            self.inside[module] += self._now() - self.started[module]

        self.handles += [module.register_forward_pre_hook(start), module.register_forward_hook(end)]

    def _now(self) -> float:
        if self.synchronise:
            torch.cuda.synchronize()
        return time.perf_counter()


@torch.inference_mode()
def costs(model: nn.Module, clip: Tensor, repeats: int = 3) -> list[Cost]:
    """Seconds of every part of a network on a clip (1, 3, T, S, S), of the fastest of some passes.

    A part is a direct child, or a member of a list of them. A part that is a stage of graph blocks is split in the
    search for neighbours, the convolution over them, the blocks' MLPs, and the selection of regions.
    """
    parts: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        members = child.named_children() if isinstance(child, nn.ModuleList) else ()
        parts |= {f"{name}.{number}": member for number, member in members} or {name: child}
    runs = [_timed(model, parts, clip) for _ in range(repeats)]
    return min(runs, key=lambda run: sum(sum(cost.seconds.values()) for cost in run))


def _timed(model: nn.Module, parts: Mapping[str, nn.Module], clip: Tensor) -> list[Cost]:
    watch = _Stopwatch(clip.is_cuda)
    watch.watch(model)
    blocks = {name: [m for m in part.modules() if _is_graph_block(m)] for name, part in parts.items()}
    for name, part in parts.items():
        watch.watch(part)
        for number, block in enumerate(blocks[name]):
            watch.watch(block, outer=None if number else part)
            watch.watch(block.conv, outer=block)
    try:
        model(clip)
    finally:
        for handle in watch.handles:
            handle.remove()
    found = [_cost(name, part, blocks[name], watch) for name, part in parts.items() if watch.inside[part]]
    rest = watch.inside[model] - sum(watch.inside[part] for part in parts.values())
    return [*found, Cost("between", {"other": max(rest, 0.0)})]


def _cost(name: str, part: nn.Module, blocks: list[nn.Module], watch: _Stopwatch) -> Cost:
    if not blocks:
        return Cost(name, {"other": watch.inside[part]})
    before = watch.before[blocks[0]] + sum(watch.before[block.conv] for block in blocks)
    convolution = sum(watch.inside[block.conv] for block in blocks)
    within = watch.before[blocks[0]] + sum(watch.inside[block] for block in blocks)
    seconds = {
        "neighbours": before,
        "graph convolution": convolution,
        "MLP": within - before - convolution,
        "ROI selection": watch.inside[part] - within,
    }
    return Cost(name, {what: max(spent, 0.0) for what, spent in seconds.items()})
