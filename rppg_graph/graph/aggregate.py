"""Mean and maximum over neighbourhoods without an edge-sized tensor, forward and backward, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric import EdgeIndex

from rppg_graph.graph.compiled import compiled, run_on_threads
from rppg_graph.graph.edges import transposed

NODES = 256  # a piece of work of one thread


def neighbour_mean(x: Tensor, edges: EdgeIndex) -> Tensor:
    """``m_i = Σ_j x_j / |N(i)|`` over the neighbours j of node i, 0 where there are none.

    Backward is ``∂x_j = Σ_i ∂m_i / |N(i)|`` over the nodes i that j is a neighbour of: the same sum over the transposed
    graph, which is made once and kept with the edges. bfloat16 and float16 are summed in float32.

    Args:
        x: (M, C) float.
        edges: (2, E) from neighbour to node, sorted by node (``sort_order="col"``).

    Returns:
        (M', C) for M' target nodes, in the dtype of x.
    """
    return _Mean.apply(x, edges)


def neighbour_max(x: Tensor, edges: EdgeIndex) -> Tensor:
    """``m_ic = max_j x_jc`` over the neighbours j of node i, 0 where there are none; of equals the first edge counts.

    Arguments and result are those of :func:`neighbour_mean`. The gradient goes to the neighbour that was the largest.
    """
    (pointers, sources), _ = edges.get_csc()
    if x.device.type == "cpu":
        return _Max.apply(x, pointers, sources)
    return F.embedding_bag(sources, x, pointers, mode="max", include_last_offset=True)


AGGREGATIONS: dict[str, Callable[[Tensor, EdgeIndex], Tensor]] = {"mean": neighbour_mean, "max": neighbour_max}


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, edges: EdgeIndex) -> Tensor:
        (pointers, sources), _ = edges.get_csc()
        ctx.edges, ctx.degree = edges, pointers.diff().clamp(min=1)[:, None]  # (M', 1)
        return (_sums(x, pointers, sources) / ctx.degree).to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        pointers, targets = transposed(ctx.edges)
        return _sums(grad.to(_wide(grad)) / ctx.degree, pointers, targets).to(grad.dtype), None


def _sums(x: Tensor, pointers: Tensor, rows: Tensor) -> Tensor:
    """``s_i = Σ_e x[rows[e]]`` over ``pointers[i] ≤ e < pointers[i + 1]``, in float32 or float64."""
    return F.embedding_bag(rows, x.to(_wide(x)).contiguous(), pointers, mode="sum", include_last_offset=True)


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


class _Max(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, pointers: Tensor, sources: Tensor) -> Tensor:
        wide = x.detach().to(_wide(x)).contiguous()
        values = wide.new_zeros(len(pointers) - 1, x.shape[1])  # (M', C)
        largest = torch.full(values.shape, -1, dtype=torch.int32)  # (M', C): the neighbour, -1 for none
        arrays = [tensor.numpy() for tensor in (wide, pointers, sources, values, largest)]

        def work(starts: Iterable[int]) -> None:
            for start in starts:
                _maxima(*arrays, start, min(start + NODES, len(values)))

        run_on_threads(work, range(0, len(values), NODES))
        ctx.save_for_backward(largest)
        ctx.nodes = len(x)
        return values.to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        (largest,) = ctx.saved_tensors
        wide = grad.to(_wide(grad)).contiguous()
        total = wide.new_zeros(ctx.nodes, grad.shape[1])  # (M, C)
        _scatter(wide.numpy(), largest.numpy(), total.numpy())
        return total.to(grad.dtype), None, None


@compiled
def _maxima(x, pointers, sources, values, largest, start, end):
    for node in range(start, end):
        value, place = values[node], largest[node]
        for edge in range(pointers[node], pointers[node + 1]):
            source = sources[edge]
            neighbour = x[source]
            for channel in range(value.size):
                larger = place[channel] < 0 or neighbour[channel] > value[channel]
                value[channel] = neighbour[channel] if larger else value[channel]
                place[channel] = source if larger else place[channel]


@compiled
def _scatter(grad, largest, total):
    for node in range(grad.shape[0]):
        for channel in range(grad.shape[1]):
            if largest[node, channel] >= 0:
                total[largest[node, channel], channel] += grad[node, channel]
