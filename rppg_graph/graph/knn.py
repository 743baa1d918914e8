"""k nearest neighbours of every node inside its own graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.errors import InputError


def reference(x: Tensor, k: int) -> Tensor:
    """All squared distances by their definition, a stable sort, the first k: ten lines that anybody can check.

    ``d_ij = Σ_c (x_ic − x_jc)²``; ties go to the lower index because the sort is stable.

    Args:
        x: (B, N, C) features of B graphs of N nodes.
        k: neighbours per node, the node itself included.

    Returns:
        (B, N, K) int64, neighbours by rising distance.
    """
    distances = torch.stack([(graph[:, None] - graph[None]).square().sum(-1) for graph in x])  # (B, N, N)
    return distances.argsort(dim=-1, stable=True)[..., :k]


def dense(x: Tensor, k: int) -> Tensor:
    """Batched matrix product and top-k.

    Equals the reference because ``d_ij = |x_i|² − 2 x_i·x_j + |x_j|²`` and |x_i|² is the same for all j of a row.
    """
    closeness = torch.baddbmm(x.square().sum(-1)[:, None], x, x.transpose(1, 2), beta=-0.5)  # (B, N, N)
    return closeness.topk(k, dim=-1).indices


def torch_cluster(x: Tensor, k: int) -> Tensor:
    """``torch_cluster.knn``: a KD-tree on the CPU, brute force on CUDA (there, k at most 100).

    Equals the reference because it searches the same Euclidean distances exactly. It silently gives fewer than k
    neighbours where points coincide in its tree, which is refused here.
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
    flat = x.reshape(-1, channels)  # (B·N, C)
    batch = torch.arange(graphs, device=x.device).repeat_interleave(nodes)
    _, neighbours = cluster_knn(flat, flat, k, batch, batch)
    if neighbours.numel() != graphs * nodes * k:
        raise RuntimeError(
            f"torch_cluster.knn returned {neighbours.numel()} neighbours for {graphs * nodes} nodes with k={k}, "
            "as it does for duplicate points; use backend='dense'"
        )
    first = torch.arange(graphs, device=x.device).view(-1, 1, 1) * nodes
    return neighbours.view(graphs, nodes, k) - first


BACKENDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "reference": reference,
    "dense": dense,
    "torch_cluster": torch_cluster,
}


@torch.no_grad()
def knn(
    x: Tensor, k: int, *, batch: Tensor | None = None, metric: str = "cosine", loop: bool = True, backend: str = "auto"
) -> Tensor:
    """The k nearest neighbours of every node among the nodes of its own graph, without gradient.

    Distances are squared Euclidean, of the L2-normalised features for ``metric="cosine"`` (so, cosine order).

    Args:
        x: (M, C) float features of all nodes.
        k: neighbours per node, from 1 to the smallest graph's number of nodes.
        batch: (M,) graph number of each node, sorted; one graph if None.
        metric: ``cosine`` or ``euclidean``.
        loop: whether a node may be its own neighbour (it then is, as the nearest).
        backend: a name of ``BACKENDS`` or ``auto``.

    Returns:
        (M, K) int64: global node indices, by rising distance.

    Raises:
        ValueError: k out of range, an unsorted batch vector, features that are not finite.
    """
    x = F.normalize(x, dim=-1) if metric == "cosine" else x
    select = dense if backend == "auto" else BACKENDS[backend]
    sizes = [x.shape[0]] if batch is None else torch.bincount(batch).tolist()
    graphs = x.view(len(sizes), -1, x.shape[-1])
    neighbours = select(graphs, k)
    first = torch.arange(len(sizes), device=x.device).view(-1, 1, 1) * graphs.shape[1]
    return (neighbours + first).view(-1, k)
