"""How do time and memory of a graph grow with the clip, and what does a window in time save?

``python benchmarks/bench_scale.py [--quick]``

Features of T segments of 8×8 patches; the window reaches two segments and the whole face.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import harness
import numpy as np
import torch
from torch import Tensor

from rppg_graph.graph.knn import knn
from rppg_graph.graph.windowed import windowed_knn

COLUMNS = ["provider", "nodes", "k", "median_ms", "p20_ms", "p80_ms", "peak_mb"]
FACE = 8
# name: (search (x, k) -> neighbours, the same as code for a fresh process, most nodes that are timed)
SEARCHES: dict[str, tuple[Callable[[Tensor, int], Tensor], str, int]] = {
    "exact": (lambda x, k: knn(x, k), "knn(x, {k})", 81920),
    "dense": (lambda x, k: knn(x, k, backend="dense"), "knn(x, {k}, backend='dense')", 20480),
    "windowed": (
        lambda x, k: windowed_knn(x[None], k, (len(x) // FACE**2, FACE, FACE), segments=2),
        f"windowed_knn(x[None], {{k}}, (len(x) // {FACE**2}, {FACE}, {FACE}), segments=2)",
        81920,
    ),
}
SETUP = """
from rppg_graph.graph.knn import knn
from rppg_graph.graph.windowed import windowed_knn
small = torch.randn(320, 64)
x = torch.randn({nodes}, 64)
"""


def peak_mb(call: str, nodes: int, k: int, threads: int) -> float:
    """Peak extra memory of one search, in a fresh process that has searched a small graph."""
    call = call.format(k=k)
    warm_up = call.replace("x", "small", 1).replace("(x,", "(small,").replace("len(x)", "len(small)")
    return harness.peak_extra_mb(SETUP.format(nodes=nodes), warm_up, call, threads)


def exponent(rows: list[dict], provider: str, smallest: int, largest: int) -> float:
    """Slope of log time over log nodes."""
    points = [
        (math.log(row["nodes"]), math.log(row["median_ms"]))
        for row in rows
        if row["provider"] == provider and smallest <= row["nodes"] <= largest
    ]
    return float(np.polyfit(*zip(*points, strict=True), 1)[0])


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    sizes = [320, 640] if options.quick else [320 * 2**step for step in range(9)]
    k, with_memory = (16, [640]) if options.quick else (64, [2560, 20480, 81920])
    rows = []
    for nodes in sizes:
        x = torch.randn(nodes, 64, generator=torch.Generator().manual_seed(nodes)).to(options.device)
        searches = {name: entry for name, entry in SEARCHES.items() if nodes <= entry[2]}
        if nodes <= 5120:
            exact, dense = (searches[name][0](x, k).sort(1).values for name in ("exact", "dense"))
            if (exact == dense).double().mean() < 0.999:  # float32 rounding swaps hardly any
                raise SystemExit(f"exact and dense disagree at N={nodes}")
        runs = {name: (lambda search=entry[0], x=x: search(x, k)) for name, entry in searches.items()}
        for name, seconds in harness.time_providers(runs, options.effort, options.device).items():
            pairs = nodes * (min(nodes, 5 * FACE**2) if name == "windowed" else nodes)
            row = {"provider": name, "nodes": nodes, "channels": 64, "k": k}
            row |= harness.summary(seconds, 2 * pairs * 64, nodes * 64 * 4 + nodes * k * 8)
            if nodes in with_memory and options.device == "cpu":
                row["peak_mb"] = peak_mb(SEARCHES[name][1], nodes, k, options.threads)
            rows.append(row)
        harness.show(rows[-len(runs) :], COLUMNS)
    smallest, largest = (320, 640) if options.quick else (2560, 40960)
    growth = exponent(rows, "windowed", smallest, largest)
    targets = [
        harness.Target(
            f"windowed KNN from N={smallest:,} to {largest:,} grows as N to the power of", growth, 1.15, 1.05,
            unit="", smaller_is_better=True,
        )
    ]  # fmt: skip
    for row in rows:
        if row["provider"] == "exact" and "peak_mb" in row and row["nodes"] in (640, 20480):
            name = f"peak extra memory of exact KNN N={row['nodes']:,} k={k}"
            targets.insert(0, harness.Target(name, row["peak_mb"], 150, 60, unit=" MB", smaller_is_better=True))
    harness.write("scale", options, rows, targets)


if __name__ == "__main__":
    main()
