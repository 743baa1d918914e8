"""Exact nearest neighbours on the CPU: products of row blocks that stay in cache, and a compiled selection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rppg_graph.errors import InputError
from rppg_graph.graph.compiled import run_on_threads
from rppg_graph.graph.selection import block_layout, select

ROWS = 64  # of a product; with 2,560 columns of float32 it fills two thirds of a megabyte, and fits a core's L2 cache


class Search(NamedTuple):
    """Rows ``query:query_end`` look for their neighbours among the rows ``candidate:candidate_end``."""

    query: int
    query_end: int
    candidate: int
    candidate_end: int


def blocked(x: Tensor, k: int, loop: bool) -> Tensor:
    """Products of 64 rows at a time, each followed by a two-level selection of its k largest while it is in cache.

    Equals ``dense``, whose expansion of the distance it uses, because a selection is exact whatever its order of work;
    of equal distances it takes the lower indices. No N×N matrix exists: the extra memory is 64 rows for each thread.
    """
    if x.device.type != "cpu":
        raise InputError(f"KNN backend 'blocked' runs on the CPU, features are on {x.device}: use 'dense' or 'auto'")
    graphs, nodes, channels = x.shape
    searches = (
        Search(start, min(start + ROWS, end), end - nodes, end)
        for end in range(nodes, graphs * nodes + 1, nodes)
        for start in range(end - nodes, end, ROWS)
    )
    neighbours = search(x.reshape(-1, channels), searches, nodes, k, loop)  # (B·N, K), counted over all graphs
    if graphs > 1:
        neighbours -= torch.arange(0, graphs * nodes, nodes).repeat_interleave(nodes)[:, None]
    return neighbours.view(graphs, nodes, k)


def search(
    x: Tensor, searches: Iterable[Search], candidates: int, k: int, loop: bool, outside: Tensor | None = None
) -> Tensor:
    """Run searches of equally many candidates on all threads.

    The k nearest are those with the largest ``x_i·x_j − |x_j|²/2``, which is ``(|x_i|² − d_ij)/2``.

    Args:
        x: (M, C) float32 or float64.
        searches: at most ``ROWS`` queries each; together every row once.
        candidates: number of candidates of every search.
        k: neighbours of a row, at most ``candidates`` (less one without ``loop``) and what ``outside`` leaves.
        loop: whether a row may find itself.
        outside: (S, candidates) added to the products: row r of x takes row r mod S; -inf for what must not be found.

    Returns:
        (M, K) int64 rows of x, those of a row in no particular order.
    """
    neighbours = np.empty((len(x), k), np.int64)
    halves = torch.from_numpy(np.einsum("mc,mc->m", x.numpy(), x.numpy()) / -2)  # on one core, see run_on_one_core
    blocks, per_block = block_layout(candidates, k)
    # x_i·y_j + o_j of (Q, C), (N, C) and (N,); oneDNN uses the widest vectors on any CPU, MKL on Intel's.
    by_onednn = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.backends.mkldnn.is_available()
    by_onednn = by_onednn and x.dtype == torch.float32

    def work(shared: Iterable[Search]) -> None:
        padded = x.new_full((ROWS, blocks * per_block), -torch.inf)  # no candidate in the columns that fill up a block
        for query, query_end, candidate, candidate_end in shared:
            chosen = slice(candidate, candidate_end)
            if by_onednn:
                values = torch.ops.mkldnn._linear_pointwise(
                    x[query:query_end], x[chosen], halves[chosen], "none", [], ""
                )
            else:
                values = torch.addmm(halves[chosen], x[query:query_end], x[chosen].T)  # (queries, candidates)
            if outside is not None:
                place = query % len(outside)
                values += outside[place : place + len(values)]
            if values.shape[1] < padded.shape[1]:
                padded[: len(values), :candidates] = values
                values = padded[: len(values)]
            self_column = -1 if loop else query - candidate
            select(values.numpy(), k, blocks, self_column, candidate, neighbours[query:query_end])

    run_on_threads(work, searches)
    return torch.from_numpy(neighbours)
