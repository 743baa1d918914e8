"""What `triton_device` computes, as functions of tensors.

The readable references are ``comparable.comparable``, ``knn.reference`` and ``aggregate.gathered(…).mean(2)``. With
``TRITON_INTERPRET=1`` in the environment before the import, all of it runs on the CPU, slowly.
"""

from __future__ import annotations

import os

import torch
import triton
from torch import Tensor

from rppg_graph.graph import triton_device as programs

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

SEGMENT = 4096  # values of a row that one program holds in registers
MOST_SEGMENTS = 64
MOST_CHANNELS = 256
MARKS = 256  # programs' counts of bad rows that are added up at a time
PARTS = 64  # sums of a graph's features that one program adds up


def _wide(channels: int) -> int:
    return max(16, triton.next_power_of_2(channels))


def comparable(x: Tensor, cosine: bool, shortest: float) -> tuple[Tensor, Tensor]:
    """``comparable.comparable`` of x (B, N, C) in float32, and a flag, 0 where a feature is not finite or too large."""
    graphs, nodes, channels = x.shape
    x, points = x.contiguous(), torch.empty(x.shape, dtype=torch.float32, device=x.device)
    if x.numel() == 0:
        return points, torch.ones((), dtype=torch.int32, device=x.device)
    wide = _wide(channels)
    rows = max(1, 4096 // wide)
    tiles = triton.cdiv(nodes, rows * PARTS)
    parts = triton.cdiv(nodes, rows * tiles)
    sums = torch.empty(graphs, parts, channels, dtype=torch.float32, device=x.device)
    marks = torch.empty(1 + graphs * parts, dtype=torch.int32, device=x.device)
    fine, faults = marks[0], marks[1:]
    limit = torch.finfo(torch.float32).max ** 0.5 / 4
    shape = {"CHANNELS": channels, "WIDE": wide, "ROWS": rows}
    programs.comparable_kernel[parts, graphs](
        x, points, sums, faults, nodes, limit, shortest, TILES=tiles, COSINE=cosine, **shape
    )
    grid = triton.cdiv(nodes, rows), graphs
    shape |= {"PARTS": PARTS, "STEPS": triton.cdiv(graphs * parts, MARKS), "MARKS": MARKS}
    programs.centre_kernel[grid](points, sums, faults, fine, nodes, parts, **shape)
    return points, fine


def fits(x: Tensor, k: int) -> bool:
    """Whether :func:`nearest` can search features x (B, N, C)."""
    segments = triton.cdiv(x.shape[1], SEGMENT)
    offered = x.shape[1] // segments - segments  # by the shortest segment, at least
    in_two_steps = segments <= MOST_SEGMENTS and segments * k <= SEGMENT and k <= offered
    return x.dtype == torch.float32 and x.shape[2] <= MOST_CHANNELS and (segments == 1 or in_two_steps)


def nearest(x: Tensor, k: int, loop: bool, most_values: int) -> Tensor:
    """The k nearest of comparable features x (B, N, C) float32: (B, N, K) int64, with ``most_values`` at a time."""
    graphs, nodes, channels = x.shape
    x, out = x.contiguous(), torch.empty(graphs, nodes, k, dtype=torch.int64, device=x.device)
    if x.numel() == 0:
        return out
    rows = min(nodes, max(1, most_values // (graphs * nodes)))
    wide, closeness = _wide(channels), torch.empty(graphs, rows, nodes, dtype=torch.float32, device=x.device)
    for first in range(0, nodes, rows):
        here = min(rows, nodes - first)
        grid = triton.cdiv(nodes, 64), triton.cdiv(here, 64), graphs
        programs.closeness_kernel[grid](
            x, closeness, nodes, first, here, CHANNELS=channels, WIDE=wide, ROWS=64, COLUMNS=64, STEP=min(32, wide),
            LOOP=loop, num_warps=4,
        )  # fmt: skip
        found = out if here == nodes else torch.empty(graphs, here, k, dtype=torch.int64, device=x.device)
        segments, candidates = triton.cdiv(nodes, SEGMENT), None
        if segments > 1:
            candidates = torch.empty(graphs * here, segments * k, dtype=torch.int32, device=x.device)
            _select(closeness, None, candidates, segments, k)
        _select(closeness, candidates, found, 1, k)
        if found is not out:
            out[:, first : first + here] = found
    return out


def _select(values: Tensor, candidates: Tensor | None, out: Tensor, segments: int, k: int) -> None:
    """The k largest of each segment of the rows of values (…, N), or of the columns (R, M) that are candidates."""
    columns = values.shape[-1]
    offered = columns if candidates is None else candidates.shape[1]
    width = triton.next_power_of_2(triton.cdiv(offered, segments))
    programs.select_kernel[out.numel() // (segments * k), segments](
        values, values if candidates is None else candidates, out, columns, offered, k, WIDTH=width,
        AMONG=candidates is not None, num_warps=min(8, max(1, width // 512)),
    )  # fmt: skip


def gathered_mean(x: Tensor, neighbours: Tensor) -> Tensor:
    """``aggregate.gathered(x, neighbours).mean(2)`` without the gathered tensor, in the dtype of x."""
    (graphs, nodes, channels), k = x.shape, neighbours.shape[2]
    x, neighbours, out = x.contiguous(), neighbours.contiguous(), torch.empty_like(x)
    wide = _wide(channels)
    rows = max(1, 256 // wide)
    grid = triton.cdiv(nodes, rows), graphs
    shape = {"K": k, "CHANNELS": channels, "WIDE": wide, "ROWS": rows, "STEP": 8}
    programs.mean_kernel[grid](x, neighbours, out, nodes, num_warps=4, **shape)
    return out


def bfloat16_terms(x: Tensor) -> Tensor:
    """``aggregate.bfloat16_terms`` of float32 or float16 features (B, N, C) in one pass."""
    x = x.contiguous()
    out = torch.empty(*x.shape[:2], 3 * x.shape[2], dtype=torch.bfloat16, device=x.device)
    programs.terms_kernel[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), CHANNELS=x.shape[2], BLOCK=1024)
    return out
