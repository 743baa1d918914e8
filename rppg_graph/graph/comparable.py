"""Features as they are compared: by a metric, about their mean, and refused where they are no numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.compiled import run_on_one_core

SHARED_VALUES = 2**15  # from which on torch shares an elementwise operation among its threads
SHORTEST = 1e-12  # a vector of length 0 has no direction, and stays 0
NOT_FINITE = "KNN features are NaN, infinite or too large: look for a diverged network or a bad input frame"
# (x (B, N, C), their lengths (B, N)) -> what is compared.
METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": lambda x, lengths: x / lengths.clamp_min(SHORTEST)[..., None],
    "euclidean": lambda x, lengths: x,
}


def comparable(x: Tensor, metric: str) -> Tensor:
    """Features (B, N, C) whose squared Euclidean distances are what the metric compares, in float32 or float64.

    Each graph is moved to its centre of mass: no distance changes, but where all features share a large part, as after
    a GELU, the products that distances are computed from would lose it to rounding.
    """
    if not x.is_floating_point():
        raise TypeError(f"KNN needs float features, got {x.dtype}: convert them with x.float()")
    if torch.compiler.is_compiling():
        return plain_points(x, metric)
    if fastest("features", x) == "triton":
        points, fine = triton_kernels().comparable(x, metric == "cosine", SHORTEST)
        torch._assert_async(fine, NOT_FINITE)
        return points
    on_cpu_threads = x.device.type == "cpu" and x.numel() > SHARED_VALUES
    return run_on_one_core(_comparable, x, metric) if on_cpu_threads else _comparable(x, metric)


def _comparable(x: Tensor, metric: str) -> Tensor:
    x = x.detach().to(torch.promote_types(x.dtype, torch.float32))
    lengths = torch.linalg.vector_norm(x, dim=-1)  # (B, N)
    fine = lengths < torch.finfo(x.dtype).max ** 0.5 / 4  # false for NaN too
    if x.device.type != "cpu":
        torch._assert_async(fine.all(), NOT_FINITE)
    elif not fine.all():
        graph, node = (~fine).nonzero()[0].tolist()
        raise InputError(
            f"KNN features of node {node} of graph {graph} are NaN, infinite or too large for {x.dtype} "
            f"(length {lengths[graph, node].item()}): look for a diverged network or a bad input frame"
        )
    return _centred(METRICS[metric](x, lengths))


def plain_points(x: Tensor, metric: str) -> Tensor:
    """The same in plain tensor operations, for a trace: nothing is checked."""
    return _centred(METRICS[metric](x, torch.linalg.vector_norm(x, dim=-1)))


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(dim=1, keepdim=True)
