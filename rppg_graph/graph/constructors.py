"""Ways to choose the neighbours of a clip's patches: by look, by time and place, by chance, all or none."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.aggregate import gathered
from rppg_graph.graph.comparable import METRICS, comparable
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.graph.knn import BACKENDS, knn_of_graphs
from rppg_graph.graph.windowed import WINDOWED_BACKENDS, Window, windowed_knn
from rppg_graph.registry import choose

Grid = tuple[int, int, int]
_ROWS = 256  # of the edge-sized tensors that are made a part at a time


# What is compared of features (B, N, C): each channel with its mean, or mean and deviation, over the clip taken out.
FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "raw": lambda x: x,
    "centred": lambda x: x - x.mean(dim=1, keepdim=True),
    "standardised": lambda x: F.instance_norm(x.mT).mT,  # a batch norm without weights over the nodes of each clip
}


def nearest(
    x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto", metric: str = "cosine",
    features: str = "raw",
) -> Tensor:  # fmt: skip
    """The k nearest in the whole clip (STGNet), of ``features``: a name of ``FEATURES``."""
    points = choose("kind of features", FEATURES, features)(x.detach())
    return knn_of_graphs(points, min(k, _most(grid, loop)), metric=metric, loop=loop, backend=backend)


def sampled(
    x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto", metric: str = "cosine",
    share: float = 0.5, seed: int = 0,
) -> Tensor:  # fmt: skip
    """The k nearest among a random ``share`` of the nodes, drawn once for a seed: approximate, of that recall.

    A node is its own neighbour with ``loop`` where it was drawn itself. ``backend`` is unused: one product and top-k.
    """
    if not 0 < share <= 1:
        raise InputError(f"share={share}: the share of the nodes that are looked at must be above 0 and at most 1")
    candidates = _random_candidates(share, grid, seed, x.device)  # (S,)
    k = min(k, len(candidates) - (not loop))
    points = comparable(x.detach(), metric)  # (B, N, C)
    drawn = points[:, candidates]  # (B, S, C)
    closeness = points @ drawn.mT - drawn.square().sum(-1)[:, None] / 2  # (B, N, S)
    if not loop:
        closeness[:, candidates, torch.arange(len(candidates), device=x.device)] = -torch.inf
    return candidates[closeness.topk(k, dim=-1, sorted=False).indices]


def windowed(
    x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto", metric: str = "cosine",
    segments: int = 2, patches: int | None = None,
) -> Tensor:  # fmt: skip
    """The k nearest at most ``segments`` away in time and ``patches`` on the face; all of a window that holds fewer."""
    k = min(k, Window(grid, segments, patches).candidates - (not loop))
    return windowed_knn(
        x.detach(), k, grid, segments=segments, patches=patches, metric=metric, loop=loop, backend=backend
    )  # fmt: skip


def dilated(
    x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto", metric: str = "cosine",
    dilation: int = 2,
) -> Tensor:  # fmt: skip
    """Every ``dilation``-th of the k·dilation nearest (Li et al., "DeepGCNs", ICCV 2019, section 3.3)."""
    x = x.detach()
    wide = min(k * dilation, _most(grid, loop))
    neighbours = knn_of_graphs(x, wide, metric=metric, loop=loop, backend=backend)  # (B, N, K·dilation)
    points = comparable(x, metric)  # (B, N, C)
    found = []
    for some, nodes in zip(neighbours.split(_ROWS, 1), points.split(_ROWS, 1), strict=True):
        order = (gathered(points, some) - nodes[:, :, None]).square().sum(-1).argsort(dim=-1)  # (B, rows, K·dilation)
        found.append(some.gather(2, order)[..., ::dilation])
    return torch.cat(found, dim=1)


def on_grid(x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto") -> Tensor:
    """The k nearest in time and place, whatever they look like: one segment is as far as one patch."""
    return _in_every_clip(_nearest_places(min(k, _most(grid, loop)), grid, loop, backend, x.device), x)


def axial(x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto") -> Tensor:
    """The k nearest along the node's own three axes: other times of its patch, its row and its column of the face.

    There are T + H + W − 2 of them, the node itself among them with ``loop``. ``backend`` is unused.
    """
    return _in_every_clip(_nearest_on_axes(k, grid, loop, x.device), x)


def at_random(x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto", seed: int = 0) -> Tensor:
    """k nodes of the clip drawn once for a seed, the same for every clip: the control. ``backend`` is unused."""
    return _in_every_clip(_random_nodes(min(k, _most(grid, loop)), grid, loop, seed, x.device), x)


def itself(x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto") -> Tensor:
    """The node alone, whatever k and ``loop`` say: no graph. ``backend`` is unused."""
    return _in_every_clip(torch.arange(x.shape[1], device=x.device)[:, None], x)


def complete(x: Tensor, k: int, grid: Grid, *, loop: bool = True, backend: str = "auto") -> CompleteGraph:
    """All nodes of the clip, whatever k and ``loop`` say; it takes no edges and no search."""
    return CompleteGraph(x.shape[0])  # not len(): traced, it may be any number


# (x (B, N, C) features of clips, k, grid (T, H, W), *, loop, backend, own options) -> neighbours (B, N, K) int64,
# counted within each clip, with K at most k, or a CompleteGraph.
GRAPHS: dict[str, Callable[..., Tensor | CompleteGraph]] = {
    "knn": nearest,
    "windowed": windowed,
    "dilated": dilated,
    "sampled": sampled,
    "grid": on_grid,
    "axial": axial,
    "random": at_random,
    "self": itself,
    "complete": complete,
}


def graph_constructor(
    name: str, *, loop: bool, backend: str, options: Mapping[str, object] | None = None
) -> Callable[[Tensor, int, Grid], Tensor | CompleteGraph]:
    """A member of ``GRAPHS`` with its options filled in.

    Raises:
        InputError: an unknown name, option, or name that an option gives.
    """
    constructor, options = choose("graph", GRAPHS, name), dict(options or {})
    if backend != "auto":
        choose("KNN backend", WINDOWED_BACKENDS if constructor is windowed else BACKENDS, backend)
    has = [option for option in inspect.signature(constructor).parameters if option not in _COMMON]
    for option in options:
        choose(f"option of graph {name}", has, option)
    for option, kind, registry in (("metric", "KNN metric", METRICS), ("features", "kind of features", FEATURES)):
        if option in options:
            choose(kind, registry, options[option])
    return partial(constructor, loop=loop, backend=backend, **options)


_COMMON = ("x", "k", "grid", "loop", "backend")


def _most(grid: Grid, loop: bool) -> int:
    return math.prod(grid) - (not loop)


def _in_every_clip(neighbours: Tensor, x: Tensor) -> Tensor:
    """Neighbours (N, K) that every clip has alike → (B, N, K)."""
    return neighbours.expand(x.shape[0], -1, -1)


def _constant(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Cache a function that no feature goes into: made once on a device, whoever asks."""
    return lru_cache(maxsize=32)(torch.inference_mode(False)(function))  # what predicting caches must serve training


@_constant
def _random_candidates(share: float, grid: Grid, seed: int, device: torch.device) -> Tensor:
    """The nodes (S,) that :func:`sampled` draws, rising."""
    nodes = math.prod(grid)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(nodes, generator=generator)[: max(2, round(share * nodes))].sort().values.to(device)


def _places(grid: Grid) -> Tensor:
    return torch.cartesian_prod(*(torch.arange(length) for length in grid))  # (N, 3)


@_constant
def _nearest_places(k: int, grid: Grid, loop: bool, backend: str, device: torch.device) -> Tensor:
    places = _places(grid).double()[None]
    return knn_of_graphs(places, k, metric="euclidean", loop=loop, backend=backend)[0].to(device)


@_constant
def _nearest_on_axes(k: int, grid: Grid, loop: bool, device: torch.device) -> Tensor:
    places = _places(grid)  # (N, 3)
    strides = torch.tensor((grid[1] * grid[2], grid[2], 1))
    itself = (places * strides).sum(1, keepdim=True)  # (N, 1)
    steps = []
    for axis, length in enumerate(grid):
        others = torch.arange(length - 1) + (torch.arange(length - 1) >= places[:, axis, None])  # (N, length − 1)
        steps.append((others - places[:, axis, None]) * strides[axis])
    steps = torch.cat((torch.zeros_like(itself), *steps), dim=1)  # (N, T + H + W − 2), in nodes
    axis_of = torch.tensor([0] + [axis for axis, length in enumerate(grid) for _ in range(length - 1)])
    distance = steps.abs() // strides[axis_of]
    order = distance.argsort(dim=1, stable=True)[:, 0 if loop else 1 :][:, :k]  # the node itself comes first
    return (itself + steps.gather(1, order)).to(device)


@_constant
def _random_nodes(k: int, grid: Grid, loop: bool, seed: int, device: torch.device) -> Tensor:
    nodes = math.prod(grid)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for start in range(0, nodes, _ROWS):
        lot = torch.rand(min(_ROWS, nodes - start), nodes, generator=generator)
        if not loop:
            lot.diagonal(start).fill_(-1)
        found.append(lot.topk(k, dim=1).indices)
    return torch.cat(found).to(device)
