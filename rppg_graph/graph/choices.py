"""Which form of an operator of this folder runs where: one table.

A test holds the rows of the search and of the mean's gradient to the files in ``benchmarks/results``, as far as these
have timed them. Which form of the mean and of its gradient a GPU takes was set for batches and is not measured yet.
"""

from __future__ import annotations

import importlib
import logging
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)

SINGLE = (torch.float32, torch.bfloat16, torch.float16)
FLOATS = (*SINGLE, torch.float64)
ANY = 2**31
LEAST_TRITON, LEAST_CAPABILITY = (3, 2), (8, 0)


class Choice(NamedTuple):
    """``form`` for features of such a type, on such a device (any for ""), of a graph of at most ``nodes`` nodes."""

    device: str
    dtypes: tuple[torch.dtype, ...]
    nodes: int
    form: str


# operator → choices; the first that fits is taken. "triton" fits where `triton_kernels` finds what it needs.
CHOICES: dict[str, tuple[Choice, ...]] = {
    "features": (Choice("cuda", SINGLE, ANY, "triton"), Choice("", FLOATS, ANY, "torch")),
    "knn": (
        Choice("cpu", FLOATS, 255, "dense"),  # the threads of `blocked` take 0.1 ms to set to work
        Choice("cpu", FLOATS, ANY, "blocked"),
        Choice("cuda", SINGLE, ANY, "triton"),
        Choice("", FLOATS, ANY, "dense"),
    ),
    "windowed knn": (
        Choice("cpu", FLOATS, 255, "dense"),
        Choice("cpu", FLOATS, ANY, "blocked"),
        Choice("", FLOATS, ANY, "dense"),
    ),
    "mean": (Choice("cuda", SINGLE, ANY, "triton"), Choice("", FLOATS, ANY, "sums")),
    "mean gradient": (
        Choice("cpu", FLOATS, ANY, "counting"),
        Choice("", SINGLE, 8192, "adjacency"),
        Choice("", FLOATS, ANY, "sorting"),
    ),
    "terms": (Choice("cuda", SINGLE, ANY, "triton"), Choice("", FLOATS, ANY, "torch")),
}


def fastest(operator: str, x: Tensor, device: str | None = None) -> str:
    """The form that is taken for features x (B, N, C) on their own device, or on another."""
    return next(
        choice.form
        for choice in CHOICES[operator]
        if choice.device in ("", device or x.device.type)
        and x.dtype in choice.dtypes
        and x.shape[1] <= choice.nodes
        and (choice.form != "triton" or triton_kernels() is not None)
    )


@lru_cache(maxsize=1)
def triton_kernels() -> ModuleType | None:
    """``graph.triton_kernels``; None, and one line in the log that says why, where it cannot be used."""
    try:
        import triton

        version = tuple(int(part) for part in triton.__version__.split(".")[:2])
        if version < LEAST_TRITON:
            raise ImportError(f"Triton {triton.__version__} is older than {'.'.join(map(str, LEAST_TRITON))}")
        if torch.cuda.is_available() and torch.cuda.get_device_capability() < LEAST_CAPABILITY:
            raise ImportError(f"{torch.cuda.get_device_name()} has no tensor cores for float32")
        return importlib.import_module("rppg_graph.graph.triton_kernels")
    except ImportError as error:
        LOG.warning("no Triton kernels, plain torch operations instead: %s", error)
        return None
