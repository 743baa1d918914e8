"""How do time and memory of a graph grow with the clip, and what does a window in time save?

``python benchmarks/bench_scale.py [--quick]``

Features of T segments of 8×8 patches; the window reaches two segments and the whole face.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import harness
import numpy as np
import torch
from kept import Target, where
from torch import Tensor

from rppg_graph.graph.knn import knn
from rppg_graph.graph.windowed import windowed_knn

COLUMNS = ["provider", "nodes", "k", "median_ms", "p20_ms", "p80_ms", "peak_mb"]
FACE = 8
# name: (search (x, k) -> neighbours, as code for a fresh process too; most nodes that are timed)
SEARCHES: dict[str, tuple[str, int]] = {
    "exact": ("knn(x, k)", 81920),
    "dense": ("knn(x, k, backend='dense')", 20480),
    "windowed": (f"windowed_knn(x[None], k, (len(x) // {FACE**2}, {FACE}, {FACE}), segments=2)", 81920),
}
SETUP = """
from rppg_graph.graph.knn import knn
from rppg_graph.graph.windowed import windowed_knn
search, k = lambda x, k: {search}, {k}
small = torch.randn(320, 64)
x = torch.randn({nodes}, 64)
"""


def called(search: str) -> Callable[[Tensor, int], Tensor]:
    return eval(f"lambda x, k: {search}", {"knn": knn, "windowed_knn": windowed_knn})


def exponent(rows: list[dict], provider: str, smallest: int, largest: int) -> float:
    """Slope of log time over log nodes."""
    found = [row for row in where(rows, provider=provider) if smallest <= row["nodes"] <= largest]
    nodes, times = ([math.log(row[key]) for row in found] for key in ("nodes", "median_ms"))
    return float(np.polyfit(nodes, times, 1)[0])


def measure(nodes: int, options) -> list[dict]:
    k, with_memory = (16, [640]) if options.quick else (64, [2560, 20480, 81920])
    x = torch.randn(nodes, 64, generator=torch.Generator().manual_seed(nodes)).to(options.device)
    searches = {name: called(search) for name, (search, most) in SEARCHES.items() if nodes <= most}
    if nodes <= 5120:
        exact, dense = (searches[name](x, k).sort(1).values for name in ("exact", "dense"))
        if (exact == dense).double().mean() < 0.999:  # float32 rounding swaps hardly any
            raise SystemExit(f"exact and dense disagree at N={nodes}")
    runs, rows = {name: partial(search, x, k) for name, search in searches.items()}, []
    for name, seconds in harness.time_providers(runs, options.effort, options.device).items():
        pairs = nodes * (min(nodes, 5 * FACE**2) if name == "windowed" else nodes)
        row = {"provider": name, "nodes": nodes, "channels": 64, "k": k}
        row |= harness.summary(seconds, 2 * pairs * 64, nodes * 64 * 4 + nodes * k * 8)
        if nodes in with_memory and options.device == "cpu":
            setup = SETUP.format(search=SEARCHES[name][0], nodes=nodes, k=k)
            row["peak_mb"] = harness.peak_extra_mb(setup, "search(small, k)", "search(x, k)", options.threads)
        rows.append(row)
    return rows


def targets(rows: list[dict], device: str) -> list[Target]:
    smallest, largest = (320, 640) if rows[0]["k"] == 16 else (2560, 40960)  # of a quick run
    made = [
        Target(f"peak extra memory of exact KNN N={row['nodes']:,} k={row['k']}", row["peak_mb"], 150, 60, " MB", True)
        for row in where(rows, provider="exact")
        if "peak_mb" in row and row["nodes"] in (640, 20480)
    ]
    if rows[-1]["nodes"] >= largest:
        name = f"windowed KNN from N={smallest:,} to {largest:,} grows as N to the power of"
        made.append(Target(name, exponent(rows, "windowed", smallest, largest), 1.15, 1.05, "", True))
    return made


def main() -> None:
    options = harness.arguments(__doc__)
    sizes = [(320,), (640,)] if options.quick else [(320 * 2**step,) for step in range(9)]
    harness.measure_all("scale", options, sizes, measure, COLUMNS, targets)


if __name__ == "__main__":
    main()
