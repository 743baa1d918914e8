"""The k largest of every row, without sorting rows: two levels, each a bisection that counts.

Level 1 takes the maxima of blocks of a row and a threshold that at least k maxima reach: then at least k values of the
row reach it, so the k-th largest value does, and only blocks whose maximum reaches it can hold one of the k largest.
Level 2 finds the k-th largest among the values that reach the threshold. Counting values over a threshold is a loop
without branches that compiles to vector instructions; a quickselect, whose branches cannot be predicted, took four
times as long.
"""

from __future__ import annotations

import numpy as np

from rppg_graph.graph.compiled import compiled

BLOCK = 16  # values a block; fewer where a row would have less than 5·k blocks


def block_layout(columns: int, k: int) -> tuple[int, int]:
    """Number of blocks of a row, and values a block; their product is the least row length that ``select`` takes."""
    per_block = max(1, min(BLOCK, columns // (5 * k)))
    return -(-columns // per_block), per_block


@compiled
def select(values, k, blocks, self_column, first, out):
    """Indices of the k largest values of each row, in no particular order; of equal values those of lower index.

    Args:
        values: (R, blocks · values a block) float, -inf where a column must not be chosen (at least k of a row finite);
            block b holds the columns b, b + blocks, b + 2·blocks, …, so that maxima are taken of whole vectors.
        k: how many.
        blocks: number of blocks.
        self_column: column of row 0's own node, that of row r lying r further, which is then not chosen; or -1.
        first: added to every index.
        out: (R, k) int64, written.
    """
    rows, columns = values.shape
    per_block = columns // blocks
    maxima, kept = np.empty(blocks, values.dtype), np.empty(blocks, np.uint32)
    # One place more than there are columns: a candidate is written first and counted only if it is one.
    index, value = np.empty(columns + 1, np.uint32), np.empty(columns + 1, values.dtype)
    for row in range(rows):
        line = values[row]
        if self_column >= 0:
            line[self_column + row] = -np.inf
        _block_maxima(line, maxima, per_block)
        threshold = _kth_largest(maxima, k, k + k // 16)
        found = 0
        for block in range(blocks):
            kept[found] = block
            found += maxima[block] >= threshold
        candidates = 0
        for place in range(found):
            column = kept[place]
            for _ in range(per_block):
                index[candidates], value[candidates] = column, line[column]
                candidates += value[candidates] >= threshold
                column += np.uint32(blocks)
        _write_largest(index[:candidates], value[:candidates], k, first, out[row])


@compiled
def _block_maxima(line, maxima, per_block):
    blocks = maxima.size
    for block in range(blocks):
        maxima[block] = line[block]
    for step in range(1, per_block):
        values = line[step * blocks : (step + 1) * blocks]
        for block in range(blocks):
            maxima[block] = max(maxima[block], values[block])


@compiled
def _count(values, threshold):
    count = 0
    for i in range(values.size):
        count += values[i] >= threshold
    return count


@compiled
def _kth_largest(values, k, enough):
    """A finite threshold that at least k values reach, if k are finite, and at most ``enough`` do, if ties allow it."""
    kind = values.dtype.type
    infinity, half = kind(np.inf), kind(0.5)
    low, high = infinity, -infinity
    for i in range(values.size):
        high = max(high, values[i])
        low = min(low, values[i] if values[i] > -infinity else infinity)
    count = _count(values, low)
    if count < k:
        return kind(np.finfo(values.dtype).min)
    while count > enough:
        middle = low + (high - low) * half
        if middle <= low or middle >= high:  # neighbouring floats: no value lies between
            return high if _count(values, high) >= k else low
        reached = _count(values, middle)
        if reached >= k:
            low, count = middle, reached
        else:
            high = middle
    return low


@compiled
def _write_largest(index, value, k, first, out):
    """The indices of the k largest of at least k finite candidates."""
    threshold = _kth_largest(value, k, k)
    written = 0
    if _count(value, threshold) == k:
        for i in range(index.size):
            if value[i] >= threshold:
                out[written] = first + index[i]
                written += 1
        return
    # More than k reach it: the bisection ended at the k-th largest value itself, which several equal.
    equal = np.empty(index.size, np.uint32)
    ties = 0
    for i in range(index.size):
        if value[i] > threshold:
            out[written] = first + index[i]
            written += 1
        elif value[i] == threshold:
            equal[ties] = index[i]
            ties += 1
    equal[:ties].sort()
    for i in range(k - written):
        out[written + i] = first + equal[i]
