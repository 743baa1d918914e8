"""How fast is the exact KNN graph of a clip or of 32, against what a Python user could take instead?

``python benchmarks/bench_knn.py [--quick] [--device cuda]``
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import harness
import numpy as np
import torch
from kept import Target, medians, where
from torch import Tensor

from rppg_graph.graph.comparable import comparable
from rppg_graph.graph.knn import BACKENDS, knn_of_graphs

COLUMNS = ["clips", "nodes", "k", "provider", "median_ms", "p20_ms", "p80_ms", "gflop_per_s", "recall"]
SLOW_NODES = 1024  # the reference's (N, N, C) tensor is for graphs smaller than this
APPROXIMATE = ("pynndescent",)
NO_ANSWER = ("product alone",)


def released_formula(x: Tensor, k: int) -> Tensor:
    """All squared distances, negated, top-k: how vision GNNs and the released STGNet search."""
    squares = x.square().sum(-1, keepdim=True)
    distances = squares - 2 * x @ x.mT + squares.mT
    return (-distances).topk(k, dim=-1).indices


def product_alone(x: Tensor, k: int) -> Tensor:
    """The matrix of inner products, without a selection: what no exact search by products can undercut."""
    return x @ x.mT


def faiss_flat(x: Tensor, k: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x.numpy())
    return index.search(x.numpy(), k)[1]


def sklearn_brute(x: Tensor, k: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=torch.get_num_threads()).fit(x.numpy())
    return search.kneighbors(x.numpy(), return_distance=False)


def scipy_tree(x: Tensor, k: int) -> np.ndarray:
    from scipy.spatial import cKDTree

    return cKDTree(x.numpy()).query(x.numpy(), k, workers=torch.get_num_threads())[1].reshape(len(x), k)


def nn_descent(x: Tensor, k: int) -> np.ndarray:
    from pynndescent import NNDescent

    found = NNDescent(x.numpy(), n_neighbors=k, n_jobs=torch.get_num_threads(), random_state=0)
    return found.neighbor_graph[0]


# (x (N, C) float32 of unit length, k) -> neighbours (N, K); those that run on any device take (B, N, C) too.
# Ours normalise, centre and check their input all the same.
RIVALS: dict[str, Callable[[Tensor, int], object]] = {
    "released formula": released_formula,
    "product alone": product_alone,
    "faiss IndexFlatIP": faiss_flat,
    "scikit-learn brute": sklearn_brute,
    "scipy cKDTree": scipy_tree,
    "pynndescent": nn_descent,
}
ON_ANY_DEVICE = ("released formula", "product alone", "dense", "triton", "auto")


def providers(x: Tensor, k: int) -> dict[str, Callable[[], object]]:
    """Everything that runs here on x (B, N, C), by name."""
    ours = {name: partial(knn_of_graphs, x, k, backend=name) for name in ("auto", *BACKENDS)}
    single = x[0] if len(x) == 1 else x
    every = ours | {name: partial(search, single, k) for name, search in RIVALS.items()}
    if x.shape[1] > SLOW_NODES or x.device.type != "cpu":
        every.pop("reference")
    if x.device.type != "cpu" or len(x) > 1:
        every = {name: run for name, run in every.items() if name in ON_ANY_DEVICE}
    return {name: run for name, run in every.items() if name == "auto" or _runs(name, run)}


def _runs(name: str, run: Callable[[], object]) -> bool:
    threads = torch.get_num_threads()
    try:
        run()
        return True
    except (ImportError, ValueError, torch.OutOfMemoryError) as error:
        print(f"left out: {name}: {error}")
        return False
    finally:
        torch.set_num_threads(threads)  # some libraries set it for the whole process


def recall(found: object, x: Tensor, k: int) -> float:
    """Share of neighbours that are among the k nearest, or equally far as the last of them up to float32 rounding."""
    neighbours = torch.as_tensor(found if isinstance(found, Tensor) else np.asarray(found)).to(x.device).long()
    neighbours = neighbours.view(len(x), -1, k)
    points, shares = comparable(x.double(), "cosine"), []
    for clip in {0, len(x) - 1}:
        for start in range(0, x.shape[1], 2048):
            rows = slice(start, start + 2048)
            products = points[clip, rows] @ points[clip].T
            squares = points[clip].square().sum(1)
            distances = squares[rows, None] - 2 * products + squares
            last = distances.topk(k, dim=1, largest=False).values[:, -1:]
            shares.append((distances.gather(1, neighbours[clip, rows]) <= last + 4e-6).double())
    return float(torch.cat(shares).mean())


def measure(clips: int, nodes: int, k: int, options) -> list[dict]:
    generator = torch.Generator().manual_seed(nodes)
    x = torch.nn.functional.normalize(torch.randn(clips, nodes, 64, generator=generator), dim=-1).to(options.device)
    every = providers(x, k)
    recalls = {name: recall(run(), x, k) for name, run in every.items() if name not in NO_ANSWER}
    for name, share in recalls.items():
        if share < 1 and name not in APPROXIMATE and name != "released formula":
            raise SystemExit(f"{name} is not exact at N={nodes}, k={k}: recall {share}")
    torch.set_num_threads(options.threads)
    rows = []
    for name, seconds in harness.time_providers(every, options.effort, options.device).items():
        work = harness.summary(seconds, 2 * clips * nodes**2 * 64, clips * (nodes * 64 * 4 + nodes * k * 8))
        row = {"clips": clips, "nodes": nodes, "channels": 64, "k": k, "provider": name}
        rows.append(row | {"recall": recalls.get(name, "")} | work)
    return rows


CPU_SHAPES = [(1, 320, 16), (1, 2560, 16), (1, 2560, 32), (1, 2560, 64)]  # clips, nodes, k
CUDA_SHAPES = [(1, 320, 16), (1, 640, 16), (1, 20480, 64), (32, 320, 16), (32, 640, 32), (32, 2560, 64), (1, 2560, 64)]


def targets(rows: list[dict], device: str) -> list[Target]:
    """The project's own, at the last shape of all."""
    shape = {key: rows[-1][key] for key in ("clips", "nodes", "k")}
    last = medians(rows, **shape)
    at = f"exact KNN N={shape['nodes']:,} k={shape['k']} against "
    if device == "cuda":
        wanted = [("released formula", "the released formula", 3, 5, "auto"),
                  ("released formula", "the released formula, without Triton", 1.5, 3, "dense")]  # fmt: skip
        many = [Target("exact KNN of 32 clips", row["median_ms"], 3.0, 1.5, " ms", True)
                for row in where(rows, clips=32, provider="auto")][-1:]  # fmt: skip
    else:
        names = ("torch_cluster", 15, 30), ("released formula", 3, 6), ("faiss IndexFlatIP", 1.4, 3)
        wanted = [(name, name.replace("released", "the released"), *limits, "auto") for name, *limits in names]
        many = [Target(at + "the product alone", last["auto"] / last["product alone"], 3.5, 2, smaller_is_better=True)]
    found = [
        Target(at + name, last[rival] / last[ours], limit, aim)
        for rival, name, limit, aim, ours in wanted
        if rival in last and ours in last
    ]
    return found + many


def main() -> None:
    options = harness.arguments(__doc__)
    if options.quick:
        RIVALS.pop("pynndescent")  # it compiles itself for longer than all others take together
    shapes = [(1, 300, 16)] if options.quick else CUDA_SHAPES if options.device == "cuda" else CPU_SHAPES
    harness.measure_all("knn", options, shapes, measure, COLUMNS, targets)


if __name__ == "__main__":
    main()
