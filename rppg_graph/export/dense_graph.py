"""Neighbours and neighbourhoods of whole clips (B, N, C) in plain tensor operations, without edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.constructors import FEATURES, GRAPHS, Grid, random_candidates
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.graph.knn import METRICS
from rppg_graph.graph.windowed import WINDOWED_BACKENDS, Window

Search = Callable[[Tensor], Tensor | None]


def _nearest(
    x: Tensor, *, k: int, grid: Grid, loop: bool, metric: str = "cosine", features: str = "raw"
) -> Tensor:
    """``graph.constructors.nearest``, by rising distance: the k largest of ``x_i·x_j − |x_j|²/2`` in every row."""
    points = _points(FEATURES[features](x), metric)
    closeness = points @ points.mT - points.square().sum(-1)[:, None] / 2  # (B, N, N)
    if not loop:
        closeness = closeness.masked_fill(torch.eye(x.shape[1], dtype=torch.bool), -torch.inf)
    return closeness.topk(min(k, math.prod(grid) - (not loop)), dim=-1).indices


def _sampled_search(
    *, k: int, grid: Grid, loop: bool, metric: str = "cosine", share: float = 0.5, seed: int = 0
) -> Search:
    """``graph.constructors.sampled``: the candidates are drawn here, and are a constant of the search."""
    return partial(_sampled, candidates=random_candidates(share, grid, seed), k=k, loop=loop, metric=metric)


def _sampled(x: Tensor, *, candidates: Tensor, k: int, loop: bool, metric: str) -> Tensor:
    points = _points(x, metric)
    drawn = points[:, candidates]  # (B, S, C)
    closeness = points @ drawn.mT - drawn.square().sum(-1)[:, None] / 2  # (B, N, S)
    if not loop:
        closeness = closeness.masked_fill(torch.arange(x.shape[1])[:, None] == candidates, -torch.inf)
    return candidates[closeness.topk(min(k, len(candidates) - (not loop)), dim=-1).indices]


def _dilated(x: Tensor, *, k: int, grid: Grid, loop: bool, metric: str = "cosine", dilation: int = 2) -> Tensor:
    """``graph.constructors.dilated``."""
    return _nearest(x, k=k * dilation, grid=grid, loop=loop, metric=metric)[..., ::dilation]


def _windowed(
    x: Tensor, *, k: int, grid: Grid, loop: bool, metric: str = "cosine", segments: int = 2, patches: int | None = None
) -> Tensor:
    """``graph.constructors.windowed``."""
    window = Window(grid, segments, patches)
    return WINDOWED_BACKENDS["dense"](_points(x, metric), min(k, window.candidates - (not loop)), window, loop)


def _points(x: Tensor, metric: str) -> Tensor:
    points = METRICS[metric](x)
    return points - points.mean(dim=1, keepdim=True)


# Neighbours that depend on the features. A member takes k, the grid, `loop` and its graph's own options, and returns a
# function from x (B, N, C) to neighbours (B, N, K) int64, counted within each clip.
SEARCHES: dict[str, Callable[..., Search]] = {
    "knn": partial(partial, _nearest),
    "sampled": _sampled_search,
    "windowed": partial(partial, _windowed),
    "dilated": partial(partial, _dilated),
}
FIXED = ("grid", "axial", "random", "self", "complete")  # the same for every clip: constants of the file


def neighbour_search(constructor: partial, k: int, grid: Grid, channels: int) -> Search:
    """What chooses the neighbours of a clip's nodes: x (B, N, C) → (B, N, K) int64, or None for all nodes.

    Args:
        constructor: a member of ``GRAPHS`` with its options, as a denoise block holds it.
        k, grid: of the block's graph.
        channels: C.

    Raises:
        InputError: a graph that is none of ``GRAPHS``.
    """
    name = next((name for name, known in GRAPHS.items() if known is constructor.func), None)
    if name not in SEARCHES and name not in FIXED:
        possible = ", ".join([*SEARCHES, *FIXED])
        raise InputError(f"graph {constructor.func.__name__!r} cannot be exported; {possible} can")
    if name in SEARCHES:
        options = {option: value for option, value in constructor.keywords.items() if option != "backend"}
        return SEARCHES[name](k=k, grid=grid, **options)
    fixed = constructor(torch.zeros(math.prod(grid), channels), k, grid)  # (N, K)
    return lambda x: None if isinstance(fixed, CompleteGraph) else fixed.expand(x.shape[0], -1, -1)


def gathered(x: Tensor, neighbours: Tensor | None) -> Tensor:
    """The features of every node's neighbours (B, N, K, C), or of all nodes (B, 1, N, C) for None."""
    if neighbours is None:
        return x[:, None]
    clips, nodes, channels = x.shape
    first = torch.arange(clips)[:, None, None] * nodes
    return F.embedding(neighbours + first, x.reshape(-1, channels))


def mean(x: Tensor, neighbours: Tensor | None) -> Tensor:
    """Mean over the neighbours: (B, N, C)."""
    return gathered(x, neighbours).mean(2)


def maximum(x: Tensor, neighbours: Tensor | None) -> Tensor:
    """Maximum over the neighbours, element by element: (B, N, C)."""
    return gathered(x, neighbours).amax(2)


# name in nn.relative_conv → (x (B, N, C), neighbours) -> (B, N, C), or (B, 1, C) where all nodes share one.
REDUCTIONS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"mean": mean, "max": maximum}
