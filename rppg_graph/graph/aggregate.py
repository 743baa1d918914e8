"""Mean and maximum over neighbourhoods as torch operators: without an edge-sized tensor, forward and backward.

Each operator has a form for the CPU and one for CUDA (neither waits for the device), a form for tracing, a gradient,
and a decomposition into plain tensor operations (``DECOMPOSITIONS``), which is its readable reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.compiled import compiled, run_on_threads
from rppg_graph.graph.knn import to_global

NODES = 256  # a piece of work of one thread
ADJACENCY_VALUES = 2**25  # of the 0/1 adjacencies of as many clips as are worked on at once: 64 MB of bfloat16


def neighbour_mean(x: Tensor, neighbours: Tensor) -> Tensor:
    """``m_i = Σ_j x_j / K`` over the K neighbours j of node i.

    The gradient is ``∂x_j = Σ_i ∂m_i / K`` over the nodes i that j is a neighbour of. bfloat16 and float16 are summed
    in float32.

    Args:
        x: (B, N, C) float.
        neighbours: (B, N, K) int64, counted within each graph, none twice in a row.

    Returns:
        (B, N, C) in the dtype of x.
    """
    return torch.ops.rppg_graph.neighbour_mean(x, neighbours)


def neighbour_max(x: Tensor, neighbours: Tensor) -> Tensor:
    """``m_ic = max_j x_jc`` over the neighbours j of node i; the gradient goes to the first that was the largest.

    Arguments and result are those of :func:`neighbour_mean`.
    """
    return torch.ops.rppg_graph.neighbour_max(x, neighbours)[0]


AGGREGATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": neighbour_mean, "max": neighbour_max}


def gathered(x: Tensor, neighbours: Tensor) -> Tensor:
    """The features of nodes' neighbours: x (B, N, C), neighbours (B, R, K) of R nodes → (B, R, K, C)."""
    first = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1) * x.shape[1]
    return F.embedding(neighbours + first, x.flatten(0, 1))


def _mean_plainly(x: Tensor, neighbours: Tensor) -> Tensor:
    return gathered(x, neighbours).mean(2)


def _max_plainly(x: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    values, places = gathered(x, neighbours).max(2)
    return values, neighbours.gather(2, places).int()


_LIBRARY = torch.library.Library("rppg_graph", "FRAGMENT")
_LIBRARY.define("neighbour_mean(Tensor x, Tensor neighbours) -> Tensor")
_LIBRARY.define("neighbour_mean_gradient(Tensor grad, Tensor neighbours) -> Tensor")
_LIBRARY.define("neighbour_max(Tensor x, Tensor neighbours) -> (Tensor, Tensor)")
_LIBRARY.define("neighbour_max_gradient(Tensor grad, Tensor largest) -> Tensor")
_OPERATORS = torch.ops.rppg_graph

# operator → the same in plain tensor operations, for formats that know no operators of ours.
DECOMPOSITIONS: dict[torch._ops.OpOverload, Callable] = {
    _OPERATORS.neighbour_mean.default: _mean_plainly,
    _OPERATORS.neighbour_max.default: _max_plainly,
}


# The mean.


def _mean(x: Tensor, neighbours: Tensor) -> Tensor:
    if fastest("mean", x) == "triton":
        return triton_kernels().gathered_mean(x, neighbours)
    return (_sums(x, to_global(neighbours)).view(x.shape) / neighbours.shape[2]).to(x.dtype)


def _mean_gradient(grad: Tensor, neighbours: Tensor) -> Tensor:
    return MEAN_GRADIENTS[fastest("mean gradient", grad)](grad, neighbours).to(grad.dtype)


def _by_counting(grad: Tensor, neighbours: Tensor) -> Tensor:
    """Sums over the transposed lists, made by a counting sort; the form for the CPU."""
    lists = to_global(neighbours).numpy()  # (B·N, K)
    pointers, targets = np.zeros(len(lists) + 1, np.int64), np.empty(lists.size, np.int64)
    _transpose(lists, pointers, targets)
    shares = grad.to(_wide(grad)) / neighbours.shape[2]
    return _sums(shares, torch.from_numpy(targets), torch.from_numpy(pointers)).view(grad.shape)


def _by_adjacency(grad: Tensor, neighbours: Tensor) -> Tensor:
    """``Aᵀ ∂m / K`` with the 0/1 adjacency A in bfloat16, exact in float32: see :func:`bfloat16_terms`.

    The tensor cores multiply in bfloat16 and add in float32. As many clips at a time as ``ADJACENCY_VALUES`` allow. A
    division by a power of two is exact in any order: there A holds 1/K.
    """
    _, nodes, k = neighbours.shape
    plain = grad.dtype == torch.bfloat16 or fastest("terms", grad) == "torch"
    terms = (bfloat16_terms if plain else triton_kernels().bfloat16_terms)(grad)  # (B, N, 3·C)
    halves = k & (k - 1) == 0
    at_once = max(1, ADJACENCY_VALUES // nodes**2)
    sums = []
    for part, some in zip(neighbours.split(at_once), terms.split(at_once), strict=True):
        adjacency = torch.zeros(len(part), nodes, nodes, dtype=torch.bfloat16, device=grad.device)
        adjacency.scatter_(2, part, 1 / k if halves else 1.0)  # (b, N, N), from node to neighbour
        product = _product_in_float32(adjacency.mT, some)  # (b, N, 3·C)
        sums.append(product if terms is grad else product.unflatten(2, (-1, grad.shape[2])).sum(2))
    total = sums[0] if len(sums) == 1 else torch.cat(sums)
    return total if halves else total.div_(k)


def _product_in_float32(a: Tensor, b: Tensor) -> Tensor:
    """A batched product of bfloat16 matrices, added and returned in float32."""
    return a.float() @ b.float() if a.device.type == "cpu" else torch.bmm(a, b, out_dtype=torch.float32)


def _by_sorting(grad: Tensor, neighbours: Tensor) -> Tensor:
    """Sums over the transposed lists, made by a stable sort: for graphs whose adjacency is too large, and float64."""
    clips, nodes, k = neighbours.shape
    sources, order = to_global(neighbours).flatten().sort(stable=True)
    pointers = torch.searchsorted(sources, torch.arange(clips * nodes + 1, device=grad.device))
    return _sums(grad.to(_wide(grad)) / k, order // k, pointers).view(grad.shape)


# (∂m (B, N, C), neighbours (B, N, K)) → ∂x (B, N, C) in at least float32; graph.choices says which is taken where.
MEAN_GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "counting": _by_counting,
    "adjacency": _by_adjacency,
    "sorting": _by_sorting,
}


def _sums(x: Tensor, rows: Tensor, pointers: Tensor | None = None) -> Tensor:
    """``s_i = Σ_e x[rows[e]]`` over row i of ``rows``, or ``pointers[i] ≤ e < pointers[i + 1]``; at least float32."""
    flat = x.to(_wide(x)).flatten(0, 1).contiguous()
    return F.embedding_bag(rows, flat, pointers, mode="sum", include_last_offset=pointers is not None)


def _wide(x: Tensor) -> torch.dtype:
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


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(neighbours)
        with torch._C._AutoDispatchBelowAutograd():
            return _OPERATORS.neighbour_mean(x, neighbours)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _OPERATORS.neighbour_mean_gradient(grad, *ctx.saved_tensors), None


# The maximum.


def _max(x: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    wide = x.detach().to(_wide(x)).contiguous()
    values = torch.empty_like(wide)
    largest = torch.empty(wide.shape, dtype=torch.int32)  # (B, N, C): the neighbour
    arrays = [tensor.numpy() for tensor in (wide, neighbours, values, largest)]
    clips, nodes, _ = wide.shape

    def work(pieces: Iterable[tuple[int, int]]) -> None:
        for clip, start in pieces:
            _maxima(*(array[clip] for array in arrays), start, min(start + NODES, nodes))

    run_on_threads(work, ((clip, start) for clip in range(clips) for start in range(0, nodes, NODES)))
    return values.to(x.dtype), largest


def _max_on_cuda(x: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    rows = to_global(neighbours)
    starts = torch.arange(0, rows.numel(), rows.shape[1], device=x.device)
    values, _, _, largest = torch._embedding_bag(x.flatten(0, 1).contiguous(), rows.flatten(), starts, mode=2)
    return values.view(x.shape), largest.view(x.shape).remainder(x.shape[1]).int()


def _max_gradient(grad: Tensor, largest: Tensor) -> Tensor:
    wide = grad.detach().to(_wide(grad)).contiguous()
    total = torch.zeros_like(wide)
    for clip in range(len(wide)):
        _scatter(wide[clip].numpy(), largest[clip].numpy(), total[clip].numpy())
    return total.to(grad.dtype)


def _max_gradient_on_cuda(grad: Tensor, largest: Tensor) -> Tensor:
    wide = grad.to(_wide(grad))
    return torch.zeros_like(wide).scatter_add_(1, largest.long(), wide).to(grad.dtype)


class _Max(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            values, largest = _OPERATORS.neighbour_max(x, neighbours)
        ctx.save_for_backward(largest)
        ctx.set_materialize_grads(False)  # `largest` has none
        ctx.mark_non_differentiable(largest)
        return values, largest

    @staticmethod
    def backward(ctx, grad: Tensor | None, _: None) -> tuple[Tensor | None, None]:
        return None if grad is None else _OPERATORS.neighbour_max_gradient(grad, *ctx.saved_tensors), None


_LIBRARY.impl("neighbour_mean", _Mean.apply, "Autograd")
_LIBRARY.impl("neighbour_max", _Max.apply, "Autograd")
for _device in ("CPU", "CUDA"):
    _LIBRARY.impl("neighbour_mean", _mean, _device)
    _LIBRARY.impl("neighbour_mean_gradient", _mean_gradient, _device)
_LIBRARY.impl("neighbour_max", _max, "CPU")
_LIBRARY.impl("neighbour_max", _max_on_cuda, "CUDA")
_LIBRARY.impl("neighbour_max_gradient", _max_gradient, "CPU")
_LIBRARY.impl("neighbour_max_gradient", _max_gradient_on_cuda, "CUDA")


def _like(x: Tensor, _: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


torch.library.register_fake("rppg_graph::neighbour_mean", _like)
torch.library.register_fake("rppg_graph::neighbour_mean_gradient", _like)
torch.library.register_fake("rppg_graph::neighbour_max_gradient", _like)
torch.library.register_fake("rppg_graph::neighbour_max", lambda x, n: (_like(x, n), _like(x, n).int()))


@compiled
def _maxima(x, neighbours, values, largest, start, end):
    for node in range(start, end):
        value, place = values[node], largest[node]
        for number in range(neighbours.shape[1]):
            source = neighbours[node, number]
            neighbour = x[source]
            for channel in range(value.size):
                larger = number == 0 or neighbour[channel] > value[channel]
                value[channel] = neighbour[channel] if larger else value[channel]
                place[channel] = source if larger else place[channel]


@compiled
def _scatter(grad, largest, total):
    for node in range(grad.shape[0]):
        for channel in range(grad.shape[1]):
            total[largest[node, channel], channel] += grad[node, channel]


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
