"""What the graphs of a network do on clips: where neighbours lie, whether they share the pulse's phase, what stays.

Each figure stands beside what chance gives: the exact expectation for neighbours drawn evenly from the other nodes of
the clip. A node that is its own neighbour is left out of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.report.graph_view import SeenGraph, seen_graphs


@dataclass(frozen=True)
class Against:
    """A figure and what chance gives; None where there is no neighbour, or nothing to compare with."""

    found: float | None
    chance: float | None


@dataclass(frozen=True)
class GraphStatistics:
    """The graph of one block, over all nodes of some clips.

    Args:
        block: name of the module.
        grid: (T, H, W) of its patches.
        neighbours: of a node, itself not counted, on average.
        seconds: how far neighbours lie in time, mean of |Δt|.
        segments: the same in segments of the grid.
        patches: how far they lie on the face, mean distance in patches.
        phase_cosine: mean cosine of the pulse's phase difference between a node's time and its neighbours'.
        phase_cosine_of_lags: what neighbours drawn evenly at the same distances in time would give; more than that is
            not explained by being near in time, or at the same time.
        nearest: share of the neighbours that are among the equally many nearest by cosine of the block's own features;
            the recall of an approximate search.
        kept: share of the neighbours that the block before had as well, where it has the same grid.
        where: (T, D) share of the neighbours at each distance in time (segments) and on the face (rounded patches);
            ``where_chance`` the same by chance.
    """

    block: str
    grid: tuple[int, int, int]
    neighbours: float
    seconds: Against
    segments: Against
    patches: Against
    phase_cosine: Against
    phase_cosine_of_lags: float | None
    nearest: Against
    kept: Against
    where: np.ndarray
    where_chance: np.ndarray


@torch.inference_mode()
def graph_statistics(model: nn.Module, clips: Tensor, phases: Tensor, fps: float) -> list[GraphStatistics]:
    """Run a network on clips and measure the graph of each of its blocks; [] for a network without graphs.

    Args:
        model: in eval mode, on the clips' device.
        clips: (B, 3, T, S, S) in [0, 1].
        phases: (B, T) of the reference pulse at the frames, unwrapped, radians.
        fps: of the clips.
    """
    with seen_graphs(model) as graphs:
        model(clips)
    if not graphs:
        return []
    edges = [_Edges.of(graph, len(clips)) for graph in graphs]
    before = [None, *(first if first.grid == second.grid else None for first, second in pairwise(edges))]
    return [
        _measure(graph, own, previous, phases.double().cpu(), fps)
        for graph, own, previous in zip(graphs, edges, before, strict=True)
    ]


@dataclass(frozen=True)
class _Edges:
    """Edges of B clips without self-edges; nodes are counted within their clip: all (E,) int64."""

    grid: tuple[int, int, int]
    clips: int
    clip: Tensor
    source: Tensor
    target: Tensor

    @staticmethod
    def of(graph: SeenGraph, clips: int) -> _Edges:
        nodes = math.prod(graph.grid)
        if isinstance(graph.edges, Tensor):
            source, target = graph.edges.cpu()
        else:  # everybody is everybody's neighbour
            every = torch.arange(clips * nodes)
            target = every.repeat_interleave(nodes)
            source = target // nodes * nodes + every[:nodes].repeat(clips * nodes)
        other = source != target
        source, target = source[other], target[other]
        return _Edges(graph.grid, clips, target // nodes, source % nodes, target % nodes)

    @property
    def nodes(self) -> int:
        return math.prod(self.grid)

    @property
    def per_node(self) -> float:
        return len(self.source) / (self.clips * self.nodes)

    def codes(self) -> Tensor:
        """One number for each edge, equal in two graphs for the same edge."""
        return (self.clip * self.nodes + self.target) * self.nodes + self.source


def _measure(graph: SeenGraph, edges: _Edges, before: _Edges | None, phases: Tensor, fps: float) -> GraphStatistics:
    segments, face = edges.grid[0], edges.grid[1] * edges.grid[2]
    seconds_of_segment = phases.shape[1] / fps / segments
    lags = (edges.source // face - edges.target // face).abs()  # (E,)
    apart = _apart(edges.grid)  # (H·W, H·W)
    lag_of, share = _pairs(edges.grid)
    away = apart[edges.source % face, edges.target % face]
    lag_chance = float((lag_of.double() * share).sum() * face**2)
    in_segments = Against(_mean(lags), lag_chance)
    in_seconds = Against(*(None if v is None else v * seconds_of_segment for v in (in_segments.found, lag_chance)))
    cosine, of_lags = _phase(edges, lags, F.adaptive_avg_pool1d(phases, segments))
    by_chance, kept = edges.per_node / max(edges.nodes - 1, 1), Against(None, None)
    if before is not None and len(edges.source) and len(before.source):
        kept = Against(_mean(torch.isin(edges.codes(), before.codes())), before.per_node / (edges.nodes - 1))
    return GraphStatistics(
        block=graph.where,
        grid=edges.grid,
        neighbours=edges.per_node,
        seconds=in_seconds,
        segments=in_segments,
        patches=Against(_mean(away), float(apart.sum() * segments**2 * share)),
        phase_cosine=cosine,
        phase_cosine_of_lags=of_lags,
        nearest=Against(_nearest(graph, edges), by_chance),
        kept=kept,
        where=_where(lags, away, edges.grid) / max(len(lags), 1),
        where_chance=_where_chance(edges.grid),
    )


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if len(values) else None


def _apart(grid: tuple[int, int, int]) -> Tensor:
    """Distances between the patches of the face, (H·W, H·W)."""
    places = torch.cartesian_prod(torch.arange(grid[1]), torch.arange(grid[2])).double().view(-1, 2)
    return torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")


def _pairs(grid: tuple[int, int, int]) -> tuple[Tensor, float]:
    """|Δt| of every pair of segments (T, T), and the share of each ordered pair of different nodes among all."""
    times, nodes = torch.arange(grid[0]), math.prod(grid)
    return (times[:, None] - times).abs(), 1 / max(nodes * (nodes - 1), 1)


def _phase(edges: _Edges, lags: Tensor, phase: Tensor) -> tuple[Against, float | None]:
    """The cosine found and by chance, and by chance at the same distances in time; phase (B, T) at the segments."""
    segments, face = edges.grid[0], edges.grid[1] * edges.grid[2]
    cosines = torch.cos(phase[:, :, None] - phase[:, None])  # (B, T, T)
    lag_of, share = _pairs(edges.grid)
    # Over ordered pairs of different nodes: all pairs, less each node with itself (cosine 1).
    chance = float(((cosines.sum(dim=(1, 2)) * face**2 - edges.nodes) * share).mean())
    if not len(lags):
        return Against(None, chance), None
    found = cosines[edges.clip, edges.source // face, edges.target // face].mean()
    at_lag = torch.stack([cosines[:, lag_of == lag].mean(dim=1) for lag in range(segments)], dim=1)  # (B, T)
    return Against(float(found), chance), float(at_lag[edges.clip, lags].mean())


def _nearest(graph: SeenGraph, edges: _Edges) -> float | None:
    if not len(edges.source):
        return None
    points = F.normalize(graph.x.double().cpu().view(edges.clips, edges.nodes, -1), dim=-1)
    closeness = points @ points.mT  # (B, N, N)
    closeness.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    wanted = torch.zeros(edges.clips, edges.nodes, dtype=torch.int64)
    wanted.index_put_((edges.clip, edges.target), torch.ones_like(edges.clip), accumulate=True)
    last = closeness.sort(dim=-1, descending=True).values.gather(2, (wanted - 1).clamp_min(0)[:, :, None])[..., 0]
    rounding = 1e-6  # of features in float32, which the search compared
    inside = closeness[edges.clip, edges.target, edges.source] >= last[edges.clip, edges.target] - rounding
    return _mean(inside)


def _where(lags: Tensor, away: Tensor, grid: tuple[int, int, int]) -> np.ndarray:
    """How many edges lie so far in time and on the face: (T, D)."""
    widest = round(math.hypot(grid[1] - 1, grid[2] - 1)) + 1
    return torch.bincount(lags * widest + away.round().long(), minlength=grid[0] * widest).view(-1, widest).numpy()


def _where_chance(grid: tuple[int, int, int]) -> np.ndarray:
    lag_of, share = _pairs(grid)
    apart = _apart(grid)
    lags = torch.bincount(lag_of.flatten(), minlength=grid[0])  # (T,) ordered pairs of segments
    distances = _where(torch.zeros(apart.numel(), dtype=torch.int64), apart.flatten(), (1, *grid[1:]))[0]  # (D,)
    pairs = np.outer(lags.numpy(), distances).astype(float)
    pairs[0, 0] -= math.prod(grid)  # each node with itself
    return pairs * share
