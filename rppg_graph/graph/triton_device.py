"""Triton programs for CUDA: features made comparable, their closeness, the selection of the k closest, and means."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def comparable_kernel(
    x, points, sums, faults, nodes, limit, shortest, CHANNELS: tl.constexpr, WIDE: tl.constexpr, TILES: tl.constexpr,
    ROWS: tl.constexpr, COSINE: tl.constexpr,
):  # fmt: skip
    """Rows of x (B, N, C), of unit length if COSINE; each program's sum of its rows and how many of them are bad."""
    part, graph = tl.program_id(0), tl.program_id(1).to(tl.int64)
    channel = tl.arange(0, WIDE)
    total = tl.zeros((WIDE,), tl.float32)
    bad = 0
    for tile in range(TILES):
        row = (part * TILES + tile) * ROWS + tl.arange(0, ROWS)
        inside = (row < nodes)[:, None] & (channel < CHANNELS)[None, :]
        place = (graph * nodes + row)[:, None] * CHANNELS + channel[None, :]
        values = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        length = tl.sqrt(tl.sum(values * values, axis=1))
        bad += tl.sum((~(length < limit)).to(tl.int32), axis=0)  # true of NaN too
        if COSINE:
            values = values / tl.maximum(length, shortest)[:, None]
        tl.store(points + place, values, mask=inside)
        total += tl.sum(values, axis=0)
    number = graph * tl.num_programs(0) + part
    tl.store(sums + number * CHANNELS + channel, total, mask=channel < CHANNELS)
    tl.store(faults + number, bad)


@triton.jit
def centre_kernel(
    points, sums, faults, fine, nodes, parts, CHANNELS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
    PARTS: tl.constexpr, STEPS: tl.constexpr, MARKS: tl.constexpr,
):  # fmt: skip
    """Take the mean of each graph, its sums over N, from its rows (B, N, C), in place; ``fine`` is 0 for a fault."""
    graph = tl.program_id(1).to(tl.int64)
    if (tl.program_id(0) == 0) & (graph == 0):
        bad = 0
        for step in range(STEPS):
            number = step * MARKS + tl.arange(0, MARKS)
            bad += tl.sum(tl.load(faults + number, mask=number < tl.num_programs(1) * parts, other=0), axis=0)
        tl.store(fine, (bad == 0).to(tl.int32))
    channel, part = tl.arange(0, WIDE), tl.arange(0, PARTS)
    there = (part < parts)[:, None] & (channel < CHANNELS)[None, :]
    each = tl.load(sums + (graph * parts + part)[:, None] * CHANNELS + channel[None, :], mask=there, other=0.0)
    mean = tl.sum(each, axis=0) / nodes
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = (row < nodes)[:, None] & (channel < CHANNELS)[None, :]
    place = points + (graph * nodes + row)[:, None] * CHANNELS + channel[None, :]
    tl.store(place, tl.load(place, mask=inside, other=0.0) - mean[None, :], mask=inside)


@triton.jit
def closeness_kernel(
    points, out, nodes, first, rows, CHANNELS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, STEP: tl.constexpr, LOOP: tl.constexpr,
):  # fmt: skip
    """``x_i·x_j − |x_j|²/2`` of the rows from ``first`` on (B, rows, N); -inf for the node itself unless LOOP."""
    graph = tl.program_id(2).to(tl.int64)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    own = points + graph * nodes * CHANNELS
    product = tl.zeros((ROWS, COLUMNS), tl.float32)
    squares = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, WIDE, STEP):
        channel = start + tl.arange(0, STEP)
        queried = (first + row < nodes)[:, None] & (channel < CHANNELS)[None, :]
        query = tl.load(own + (first + row)[:, None] * CHANNELS + channel[None, :], mask=queried, other=0.0)
        offered = (column < nodes)[None, :] & (channel < CHANNELS)[:, None]
        candidate = tl.load(own + column[None, :] * CHANNELS + channel[:, None], mask=offered, other=0.0)
        product = tl.dot(query, candidate, product, input_precision="tf32x3")
        squares += tl.sum(candidate * candidate, axis=0)
    values = product - squares[None, :] * 0.5
    if not LOOP:
        values = tl.where((first + row)[:, None] == column[None, :], -float("inf"), values)
    place = (graph * rows + row)[:, None] * nodes + column[None, :]
    tl.store(out + place, values, mask=(row < rows)[:, None] & (column < nodes)[None, :])


@triton.jit
def select_kernel(values, candidates, out, columns, offered, k, WIDTH: tl.constexpr, AMONG: tl.constexpr):
    """The k largest of a segment of a row, in rising order of index; of equal values those of lower index.

    Args:
        values: (R, columns).
        candidates: (R, offered) int32, the columns to choose from; with AMONG False unused, and all are offered.
        out: (R, segments, k) int64, or int32 where these are candidates again.
        WIDTH: a power of two, at least the columns of a segment.
    """
    row, segment, segments = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    length = (offered + segments - 1) // segments
    place = tl.arange(0, WIDTH)
    number = segment * length + place
    inside = (place < length) & (number < offered)
    column = number
    if AMONG:
        column = tl.load(candidates + row * offered + number, mask=inside, other=0)
    value = tl.load(values + row * columns + column, mask=inside, other=0.0) + 0.0  # −0 is 0
    bits = value.to(tl.int32, bitcast=True)
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # integers in the order of the values
    key = tl.where(inside, key, -2147483648)  # below -inf
    low, high = tl.min(tl.where(inside, key, 2147483647), axis=0).to(tl.int64), tl.max(key, axis=0).to(tl.int64) + 1
    reached = tl.sum(inside.to(tl.int32), axis=0)  # how many keys are at least `low`: k or more, always
    while (reached > k) & (high - low > 1):
        middle = (low + high) >> 1
        count = tl.sum((key >= middle.to(tl.int32)).to(tl.int32), axis=0)
        enough = count >= k
        low = tl.where(enough, middle, low)
        high = tl.where(enough, high, middle)
        reached = tl.where(enough, count, reached)
    threshold = low.to(tl.int32)
    above = (key > threshold) & inside
    equal = (key == threshold) & inside
    wanted = k - tl.sum(above.to(tl.int32), axis=0)
    taken = above | (equal & (tl.cumsum(equal.to(tl.int32), axis=0) <= wanted))
    order = tl.cumsum(taken.to(tl.int32), axis=0) - 1
    tl.store(out + (row * segments + segment) * k + order, column, mask=taken)


@triton.jit
def mean_kernel(
    x, neighbours, out, nodes, K: tl.constexpr, CHANNELS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
    STEP: tl.constexpr,
):  # fmt: skip
    """The mean of x (B, N, C) over neighbours (B, N, K), added in float32 in the order of the list."""
    graph = tl.program_id(1).to(tl.int64)
    row, channel = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDE)
    total = tl.zeros((ROWS, WIDE), tl.float32)
    for start in range(0, K, STEP):
        number = start + tl.arange(0, STEP)
        listed = (row < nodes)[:, None] & (number < K)[None, :]
        source = tl.load(neighbours + (graph * nodes + row)[:, None] * K + number[None, :], mask=listed, other=0)
        place = (graph * nodes + source)[:, :, None] * CHANNELS + channel[None, None, :]
        found = tl.load(x + place, mask=listed[:, :, None] & (channel < CHANNELS)[None, None, :], other=0.0)
        total += tl.sum(found.to(tl.float32), axis=1)
    inside = (row < nodes)[:, None] & (channel < CHANNELS)[None, :]
    tl.store(out + (graph * nodes + row)[:, None] * CHANNELS + channel[None, :], total / K, mask=inside)


@triton.jit
def terms_kernel(x, out, size, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    """Three bfloat16 numbers whose sum is x (rows, C), side by side in (rows, 3·C)."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    rest = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    target = out + place // CHANNELS * (3 * CHANNELS) + place % CHANNELS
    for _ in tl.static_range(3):
        term = rest.to(tl.bfloat16)
        tl.store(target, term, mask=inside)
        rest -= term.to(tl.float32)
        target += CHANNELS
