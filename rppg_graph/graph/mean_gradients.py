"""The gradient of the mean over neighbours, in several forms: sums over the transposed lists of neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.compiled import compiled
from rppg_graph.graph.knn import to_global

ADJACENCY_VALUES = 2**25  # of the 0/1 adjacencies of as many clips as are worked on at once: 64 MB of bfloat16


def row_sums(x: Tensor, rows: Tensor, pointers: Tensor | None = None) -> Tensor:
    """``s_i = Σ_e x[rows[e]]`` over row i of ``rows``, or ``pointers[i] ≤ e < pointers[i + 1]``; at least float32."""
    flat = x.to(at_least_float32(x)).flatten(0, 1).contiguous()
    return F.embedding_bag(rows, flat, pointers, mode="sum", include_last_offset=pointers is not None)


def at_least_float32(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def bfloat16_terms(x: Tensor) -> Tensor:
    """Three bfloat16 numbers whose sum is a float32 number: 3 · 8 bits hold its 24.

    Args:
        x: (B, N, C) float32, bfloat16 or float16.

    Returns:
        (B, N, 3·C) bfloat16: the terms, largest first; (B, N, C), x itself, for bfloat16.
    """
    if x.dtype == torch.bfloat16:
        return x
    terms = torch.empty(*x.shape[:2], 3, x.shape[2], dtype=torch.bfloat16, device=x.device)
    rest = x
    for number in range(3):
        if number:
            rest = rest.float() - terms[:, :, number - 1]
        terms[:, :, number] = rest
    return terms.flatten(2)


def by_counting(grad: Tensor, neighbours: Tensor) -> Tensor:
    """Sums over the transposed lists, made by a counting sort; the form for the CPU."""
    lists = to_global(neighbours).numpy()  # (B·N, K)
    pointers, targets = np.zeros(len(lists) + 1, np.int64), np.empty(lists.size, np.int64)
    _transpose(lists, pointers, targets)
    shares = grad.to(at_least_float32(grad)) / neighbours.shape[2]
    return row_sums(shares, torch.from_numpy(targets), torch.from_numpy(pointers)).view(grad.shape)


def by_adjacency(grad: Tensor, neighbours: Tensor) -> Tensor:
    """``Aᵀ ∂m / K`` with the 0/1 adjacency A in bfloat16, exact in float32: see :func:`bfloat16_terms`.

    The tensor cores multiply in bfloat16 and add in float32. As many clips at a time as ``ADJACENCY_VALUES`` allow. A
    division by a power of two is exact in any order: there A holds 1/K.
    """
    _, nodes, k = neighbours.shape
    plain = grad.dtype == torch.bfloat16 or fastest("terms", grad) == "torch"
    terms = (bfloat16_terms if plain else triton_kernels().bfloat16_terms)(grad)  # (B, N, 3·C)
    halves = k & (k - 1) == 0
    at_once = max(1, ADJACENCY_VALUES // nodes**2)
    products = []
    for part, some in zip(neighbours.split(at_once), terms.split(at_once), strict=True):
        adjacency = torch.zeros(len(part), nodes, nodes, dtype=torch.bfloat16, device=grad.device)
        adjacency.scatter_(2, part, 1 / k if halves else 1.0)  # (b, N, N), from node to neighbour
        factors = adjacency.mT, some  # to (b, N, 3·C), added and returned in float32
        on_cpu = grad.device.type == "cpu"
        product = factors[0].float() @ factors[1].float() if on_cpu else torch.bmm(*factors, out_dtype=torch.float32)
        products.append(product if terms is grad else product.unflatten(2, (-1, grad.shape[2])).sum(2))
    total = products[0] if len(products) == 1 else torch.cat(products)
    return total if halves else total.div_(k)


def by_sorting(grad: Tensor, neighbours: Tensor) -> Tensor:
    """Sums over the transposed lists, made by a stable sort: for graphs whose adjacency is too large, and float64."""
    clips, nodes, k = neighbours.shape
    sources, order = to_global(neighbours).flatten().sort(stable=True)
    pointers = torch.searchsorted(sources, torch.arange(clips * nodes + 1, device=grad.device))
    return row_sums(grad.to(at_least_float32(grad)) / k, order // k, pointers).view(grad.shape)


# (∂m (B, N, C), neighbours (B, N, K)) → ∂x (B, N, C) in at least float32; graph.choices says which is taken where.
MEAN_GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "counting": by_counting,
    "adjacency": by_adjacency,
    "sorting": by_sorting,
}


@compiled
def _transpose(lists, pointers, targets):
    """Which nodes each node is a neighbour of, rising: a stable counting sort of the lists by neighbour."""
    for node in range(lists.shape[0]):
        for source in lists[node]:
            pointers[source + 1] += 1
    for node in range(pointers.size - 1):
        pointers[node + 1] += pointers[node]
    place = pointers[:-1].copy()
    for node in range(lists.shape[0]):
        for source in lists[node]:
            targets[place[source]] = node
            place[source] += 1
