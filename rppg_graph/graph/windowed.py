"""Nearest neighbours among the nodes near in time and on the face, at a cost that is linear in the clip's length."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.choices import fastest
from rppg_graph.graph.comparable import comparable
from rppg_graph.graph.knn_cpu import ROWS, Search, search
from rppg_graph.registry import choose


class Window(NamedTuple):
    """±``segments`` in time and ±``patches`` in each direction of the face, in a grid (T, H, W).

    At a border the window is shifted inwards instead of cut, so that every node has equally many candidates.
    """

    grid: tuple[int, int, int]
    segments: int
    patches: int | None

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Candidates along each axis."""
        reaches = (self.segments, *(max(self.grid) if self.patches is None else self.patches for _ in range(2)))
        return tuple(min(2 * reach + 1, length) for reach, length in zip(reaches, self.grid, strict=True))

    @property
    def candidates(self) -> int:
        return self.lengths[0] * self.lengths[1] * self.lengths[2]

    def first(self, axis: int, device: torch.device | str = "cpu") -> Tensor:
        """Where the window of each place of an axis begins."""
        places, length = self.grid[axis], self.lengths[axis]
        return (torch.arange(places, device=device) - length // 2).clamp(0, places - length)

    def within(self, axis: int, device: torch.device | str = "cpu") -> Tensor:
        """(L, L) bool: whether column j lies in the window of row i."""
        places, first = torch.arange(self.grid[axis], device=device), self.first(axis, device)[:, None]
        return (places >= first) & (places < first + self.lengths[axis])

    def face(self, device: torch.device | str = "cpu") -> Tensor:
        """(H·W, H·W) bool: which patches of a segment lie in a patch's window."""
        return torch.kron(self.within(1, device).long(), self.within(2, device).long()).bool()


def reference(x: Tensor, k: int, window: Window, loop: bool) -> Tensor:
    """All squared distances, infinite outside the window, and a stable sort."""
    allowed = torch.kron(window.within(0, x.device).long(), window.face(x.device).long()).bool()  # (N, N)
    if not loop:
        allowed.fill_diagonal_(False)
    distances = torch.stack([(graph[:, None] - graph[None]).square().sum(-1) for graph in x])  # (B, N, N)
    return distances.where(allowed, torch.inf).argsort(dim=-1, stable=True)[..., :k]


def dense(x: Tensor, k: int, window: Window, loop: bool) -> Tensor:
    """A batched product of every segment with the segments of its window, and top-k; the choice on CUDA.

    Equals the reference because a segment's window holds whole segments, of which the rest is excluded.
    """
    clips, nodes, channels = x.shape
    segments, patches = window.grid[0], nodes // window.grid[0]
    first = window.first(0, x.device)  # (T,)
    reach = first[:, None] + torch.arange(window.lengths[0], device=x.device)  # (T, length)
    queries = x.view(clips, segments, patches, channels)
    candidates = queries[:, reach].flatten(2, 3)  # (B, T, length·H·W, C)
    closeness = queries @ candidates.mT - candidates.square().sum(-1)[:, :, None] / 2  # (B, T, H·W, length·H·W)
    excluded = ~window.face(x.device).repeat(1, window.lengths[0])  # (H·W, length·H·W)
    closeness.masked_fill_(excluded, -torch.inf)
    if not loop:
        patch = torch.arange(patches, device=x.device)
        own = (torch.arange(segments, device=x.device) - first)[:, None] * patches + patch  # (T, H·W)
        closeness.scatter_(-1, own[..., None].expand(clips, -1, -1, 1), -torch.inf)
    neighbours = closeness.topk(k, dim=-1, sorted=False).indices + (first * patches)[:, None, None]
    return neighbours.view(clips, nodes, k)


def blocked(x: Tensor, k: int, window: Window, loop: bool) -> Tensor:
    """The search of the CPU's exact KNN, each segment among the segments of its window.

    Equals the reference for the reason that ``dense`` does.
    """
    clips, nodes, channels = x.shape
    patches = nodes // window.grid[0]
    length = window.lengths[0] * patches
    first = window.first(0).tolist()
    searches = (
        Search(query, min(query + ROWS, segment + patches), candidate, candidate + length)
        for clip in range(0, clips * nodes, nodes)
        for segment, candidate in zip(
            range(clip, clip + nodes, patches), (clip + place * patches for place in first), strict=True
        )
        for query in range(segment, segment + patches, ROWS)
    )
    outside = None
    if window.candidates < length:
        excluded = ~window.face().repeat(1, window.lengths[0])  # (H·W, length)
        outside = torch.zeros(excluded.shape, dtype=x.dtype).masked_fill_(excluded, -torch.inf)
    neighbours = search(x.reshape(-1, channels), searches, length, k, loop, outside)  # (B·N, K) over all clips
    return neighbours.view(clips, nodes, k) - torch.arange(0, clips * nodes, nodes).view(-1, 1, 1)


# (x (B, N, C) float32 or float64, k, window, loop) -> (B, N, K) int64, counted within each clip.
WINDOWED_BACKENDS: dict[str, Callable[[Tensor, int, Window, bool], Tensor]] = {
    "reference": reference,
    "dense": dense,
    "blocked": blocked,
}


@torch.no_grad()
def windowed_knn(
    x: Tensor, k: int, grid: tuple[int, int, int], *, segments: int = 2, patches: int | None = None,
    metric: str = "cosine", loop: bool = True, backend: str = "auto",
) -> Tensor:  # fmt: skip
    """The k nearest neighbours of every node among those at most some segments and patches away, without gradient.

    Args:
        x: (B, N, C) features of clips, time-major; N is T·H·W.
        k: neighbours per node, at most as many as the window holds.
        grid: (T, H, W).
        segments: reach in time.
        patches: reach in height and in width; the whole face if None.
        metric, loop, backend: see :func:`~rppg_graph.graph.knn.knn`; the backends are ``WINDOWED_BACKENDS``.

    Returns:
        (B, N, K) int64, counted within each clip, those of a node in no particular order.

    Raises:
        InputError: a reach below 0, k beyond what the window holds, features that are not finite.
    """
    if segments < 0 or (patches is not None and patches < 0):
        raise InputError(f"a window reaches 0 or more segments and patches, got {segments=}, {patches=}")
    window = Window(grid, segments, patches)
    most = window.candidates if loop else window.candidates - 1
    if not 1 <= k <= most:
        raise InputError(
            f"k={k} neighbours asked for, but a window of ±{segments} segments and ±{patches} patches in a grid of "
            f"{grid} offers {most}: use 1 ≤ k ≤ {most}, or a wider window"
        )
    points = comparable(x, metric)  # (B, N, C)
    if backend == "auto":
        backend = "dense" if torch.compiler.is_compiling() else fastest("windowed knn", points)
    with torch._C._DisableAutocast():
        return choose("windowed KNN backend", WINDOWED_BACKENDS, backend)(points, k, window, loop)
