"""k nearest neighbours of every node inside its own graph."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.comparable import METRICS, comparable, plain_points
from rppg_graph.graph.knn_cpu import blocked
from rppg_graph.registry import choose

LOG = logging.getLogger(__name__)

DENSE_VALUES = 2**26  # of one product of `dense`: 256 MB of float32


def reference(x: Tensor, k: int, loop: bool) -> Tensor:
    """All squared distances by their definition, a stable sort, the first k: ten lines that anybody can check.

    ``d_ij = Σ_c (x_ic − x_jc)²``; ties go to the lower index because the sort is stable.

    Args:
        x: (B, N, C) features of B graphs of N nodes.
        k: neighbours per node.
        loop: whether a node may be its own neighbour.

    Returns:
        (B, N, K) int64, neighbours by rising distance.
    """
    distances = torch.stack([(graph[:, None] - graph[None]).square().sum(-1) for graph in x])  # (B, N, N)
    if not loop:
        distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return distances.argsort(dim=-1, stable=True)[..., :k]


def dense(x: Tensor, k: int, loop: bool) -> Tensor:
    """Batched products of all nodes, or of as many rows as memory allows, and top-k; the choice on CUDA.

    Equals the reference because ``d_ij = |x_i|² − 2 x_i·x_j + |x_j|²`` and |x_i|² is the same for all j of a row.
    """
    graphs, nodes, _ = x.shape
    rows = max(1, DENSE_VALUES // (graphs * nodes))
    squares = x.square().sum(-1)[:, None]  # (B, 1, N)
    found = []
    for start in range(0, nodes, rows):
        closeness = torch.baddbmm(squares, x[:, start : start + rows], x.transpose(1, 2), beta=-0.5)  # (B, rows, N)
        if not loop:
            closeness.diagonal(start, dim1=1, dim2=2).fill_(-torch.inf)
        found.append(closeness.topk(k, dim=-1, sorted=False).indices)
    return torch.cat(found, dim=1) if len(found) > 1 else found[0]


def triton(x: Tensor, k: int, loop: bool) -> Tensor:
    """Tiles of the product by Triton, and a selection by bisection, one program a row; the choice on CUDA.

    Equals the reference for the reason that ``dense`` does; of equal distances it takes the lower indices. Rows that
    are too long, or k too large for a selection in registers, go to ``dense``.
    """
    kernels = triton_kernels()
    if kernels is None or not (x.is_cuda or kernels.INTERPRETED):
        raise InputError(
            f"KNN backend 'triton' on {x.device}: it needs a GPU of compute capability 8.0 or above and Triton 3.2 or "
            "newer, pip install \"rppg-graph[gpu]\"; use backend='dense', which needs nothing"
        )
    return kernels.nearest(x, k, loop, DENSE_VALUES) if kernels.fits(x, k) else dense(x, k, loop)


def torch_cluster(x: Tensor, k: int, loop: bool) -> Tensor:
    """``torch_cluster.knn``: a KD-tree on the CPU, brute force on CUDA (there, k at most 100).

    Equals the reference because it searches the same Euclidean distances exactly. It silently gives fewer than k
    neighbours where a feature is NaN, which is refused here.
    """
    try:
        from torch_cluster import knn as cluster_knn
    except ImportError as error:
        raise InputError(
            "KNN backend 'torch_cluster' is not installed; it is compiled from source against the installed torch: "
            'pip install --no-build-isolation "rppg-graph[cluster]" (about ten minutes), '
            "or use backend='dense', which needs nothing"
        ) from error
    graphs, nodes, channels = x.shape
    wanted = k if loop else k + 1  # the node itself, or in its place one of those that coincide with it, is taken out
    flat = x.reshape(-1, channels)  # (B·N, C)
    batch = torch.arange(graphs, device=x.device).repeat_interleave(nodes)
    _, neighbours = cluster_knn(flat, flat, wanted, batch, batch)
    if neighbours.numel() != graphs * nodes * wanted:
        raise RuntimeError(
            f"torch_cluster.knn returned {neighbours.numel()} neighbours for {graphs * nodes} nodes with k={wanted}, "
            "as it does for features that are NaN; look for them, or use backend='dense'"
        )
    first = torch.arange(graphs, device=x.device).view(-1, 1, 1) * nodes
    neighbours = neighbours.view(graphs, nodes, wanted) - first
    if loop:
        return neighbours
    taken = neighbours == torch.arange(nodes, device=x.device)[:, None]  # (B, N, K + 1): the node itself
    taken[..., -1] |= ~taken.any(-1)  # or the last, where it is not among them
    return neighbours[~taken].view(graphs, nodes, k)


# (x (B, N, C) float32 or float64, k, loop) -> (B, N, K) int64, counted within each graph.
BACKENDS: dict[str, Callable[[Tensor, int, bool], Tensor]] = {
    "reference": reference,
    "dense": dense,
    "torch_cluster": torch_cluster,
    "blocked": blocked,
    "triton": triton,
}


@torch.no_grad()
def knn(
    x: Tensor, k: int, *, batch: Tensor | None = None, metric: str = "cosine", loop: bool = True, backend: str = "auto"
) -> Tensor:
    """The k nearest neighbours of every node among the nodes of its own graph, without gradient.

    Distances are squared Euclidean, of the L2-normalised features for ``metric="cosine"`` (so, cosine order).

    Args:
        x: (M, C) features of all nodes: float64, float32, or bfloat16 and float16, which are widened to float32.
        k: neighbours per node, from 1 to the smallest graph's number of nodes, less one without ``loop``.
        batch: (M,) graph number of each node, sorted; one graph if None.
        metric: a name of ``METRICS``.
        loop: whether a node may be its own neighbour (it then is, unless more than k nodes coincide).
        backend: a name of ``BACKENDS``, or ``auto`` for the fastest (``graph.choices``).

    Returns:
        (M, K) int64: global node indices, those of a node in no particular order. Where distances are equal the
        backends may differ in which of the nodes they take.

    Raises:
        InputError: k out of range, an unsorted batch vector, features that are not finite, or an unknown name.
        TypeError: features that are not floats.
    """
    sizes = _graph_sizes(x, batch)
    _check_k(k, min(sizes, default=0), loop)
    if not sizes:
        return torch.empty(0, k, dtype=torch.int64, device=x.device)
    if len(set(sizes)) == 1:
        neighbours = knn_of_graphs(x.view(len(sizes), sizes[0], -1), k, metric=metric, loop=loop, backend=backend)
        return to_global(neighbours)
    found, first = [], 0
    for graph in x.split(sizes):
        found.append(knn_of_graphs(graph[None], k, metric=metric, loop=loop, backend=backend)[0] + first)
        first += len(graph)
    return torch.cat(found)


@torch.no_grad()
def knn_of_graphs(x: Tensor, k: int, *, metric: str = "cosine", loop: bool = True, backend: str = "auto") -> Tensor:
    """:func:`knn` of equally large graphs x (B, N, C) → (B, N, K) int64, counted within each graph.

    A torch operator: neither a trace nor CUDA waits for anything. Features that are not finite are an
    :class:`InputError` on the CPU; on CUDA the device itself stops with that message.
    """
    _check_k(k, x.shape[1], loop)
    choose("KNN metric", METRICS, metric)
    if backend != "auto":
        choose("KNN backend", BACKENDS, backend)
    return torch.ops.rppg_graph.nearest(x.detach(), k, metric, loop, backend)


def _nearest(x: Tensor, k: int, metric: str, loop: bool, backend: str) -> Tensor:
    with torch._C._DisableAutocast():
        points = comparable(x, metric)
        if backend == "auto":
            backend = fastest("knn", points)
            LOG.debug("KNN of %s, k=%d, %s on %s: backend %r", tuple(x.shape), k, x.dtype, x.device, backend)
        return choose("KNN backend", BACKENDS, backend)(points, k, loop)


def _nearest_plainly(x: Tensor, k: int, metric: str, loop: bool, backend: str) -> Tensor:
    """The same in plain tensor operations: the k largest of ``x_i·x_j − |x_j|²/2`` in every row, the whole at once."""
    points = plain_points(x, metric)
    closeness = points @ points.mT - points.square().sum(-1)[:, None] / 2  # (B, N, N)
    if not loop:
        closeness = closeness.masked_fill(torch.eye(x.shape[1], dtype=torch.bool, device=x.device), -torch.inf)
    return closeness.topk(k, dim=-1).indices


_LIBRARY = torch.library.Library("rppg_graph", "FRAGMENT")
_LIBRARY.define("nearest(Tensor x, int k, str metric, bool loop, str backend) -> Tensor")
_LIBRARY.impl("nearest", _nearest, "CPU")
_LIBRARY.impl("nearest", _nearest, "CUDA")
torch.library.register_fake(
    "rppg_graph::nearest", lambda x, k, metric, loop, backend: x.new_empty(x.shape[0], x.shape[1], k, dtype=torch.int64)
)

# operator → the same in plain tensor operations, for formats that know no operators of ours.
DECOMPOSITIONS: dict[torch._ops.OpOverload, Callable] = {torch.ops.rppg_graph.nearest.default: _nearest_plainly}


def to_global(neighbours: Tensor) -> Tensor:
    """Neighbours (B, N, K) counted within each graph → (B·N, K) counted over all of them."""
    graphs, nodes, k = neighbours.shape
    if graphs == 1:
        return neighbours.reshape(-1, k)
    first = torch.arange(graphs, device=neighbours.device).view(-1, 1, 1) * nodes
    return (neighbours + first).reshape(-1, k)


def _graph_sizes(x: Tensor, batch: Tensor | None) -> list[int]:
    """Numbers of nodes of the graphs that have any."""
    if x.dim() != 2:
        raise ValueError(f"KNN features must have 2 dimensions (M, C), got shape {tuple(x.shape)}")
    if batch is None:
        return [len(x)] if len(x) else []
    if batch.shape != (len(x),) or batch.device != x.device:
        raise ValueError(
            f"batch must hold the graph number of each of the {len(x)} nodes on {x.device}, "
            f"got shape {tuple(batch.shape)} on {batch.device}"
        )
    falls = (batch[1:] < batch[:-1]).nonzero()
    if len(falls):
        node = int(falls[0]) + 1
        raise InputError(
            f"batch is not sorted: node {node} is of graph {int(batch[node])} after one of graph "
            f"{int(batch[node - 1])}; sort the nodes by graph, neighbours are only looked for in consecutive rows"
        )
    return torch.unique_consecutive(batch, return_counts=True)[1].tolist()


def _check_k(k: int, nodes: int, loop: bool) -> None:
    most = nodes if loop else nodes - 1
    if k < 1 or (nodes and k > most):
        without = "" if loop else " without the node itself (loop=False)"
        raise InputError(f"k={k} neighbours asked for, but the smallest graph has {most}{without}: use 1 ≤ k ≤ {most}")
