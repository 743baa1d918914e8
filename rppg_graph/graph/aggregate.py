"""Mean and maximum over neighbourhoods as torch operators: without an edge-sized tensor, forward and backward.

Each operator has a form for the CPU and one for CUDA (neither waits for the device), a form for tracing, a gradient,
and a decomposition into plain tensor operations (``DECOMPOSITIONS``), which is its readable reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.compiled import compiled, run_on_threads
from rppg_graph.graph.knn import to_global
from rppg_graph.graph.mean_gradients import MEAN_GRADIENTS, at_least_float32, row_sums

NODES = 256  # a piece of work of one thread


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
    _OPERATORS.neighbour_mean.default: lambda x, neighbours: gathered(x, neighbours).mean(2),
    _OPERATORS.neighbour_max.default: _max_plainly,
}


# The mean.


def _mean(x: Tensor, neighbours: Tensor) -> Tensor:
    if fastest("mean", x) == "triton":
        return triton_kernels().gathered_mean(x, neighbours)
    return (row_sums(x, to_global(neighbours)).view(x.shape) / neighbours.shape[2]).to(x.dtype)


def _mean_gradient(grad: Tensor, neighbours: Tensor) -> Tensor:
    return MEAN_GRADIENTS[fastest("mean gradient", grad)](grad, neighbours).to(grad.dtype)


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
    wide = x.detach().to(at_least_float32(x)).contiguous()
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
    wide = grad.detach().to(at_least_float32(grad)).contiguous()
    total = torch.zeros_like(wide)
    for clip in range(len(wide)):
        _scatter(wide[clip].numpy(), largest[clip].numpy(), total[clip].numpy())
    return total.to(grad.dtype)


def _max_gradient_on_cuda(grad: Tensor, largest: Tensor) -> Tensor:
    wide = grad.to(at_least_float32(grad))
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
