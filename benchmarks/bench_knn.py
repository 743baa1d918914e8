"""How fast is the exact KNN graph of one clip, against what a Python user could take instead?

``python benchmarks/bench_knn.py [--quick] [--device cuda]``
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import harness
import numpy as np
import torch
from torch import Tensor

from rppg_graph.graph.knn import BACKENDS, comparable, knn

COLUMNS = ["nodes", "k", "provider", "median_ms", "p20_ms", "p80_ms", "gflop_per_s", "recall"]
SLOW_NODES = 1024  # the reference's (N, N, C) tensor is for graphs smaller than this
APPROXIMATE = ("pynndescent",)
NO_ANSWER = ("product alone",)


def released_formula(x: Tensor, k: int) -> Tensor:
    """All squared distances, negated, top-k: how vision GNNs and the released STGNet search."""
    squares = x.square().sum(-1, keepdim=True)
    distances = squares - 2 * x @ x.T + squares.T
    return (-distances).topk(k, dim=-1).indices


def product_alone(x: Tensor, k: int) -> Tensor:
    """The matrix of inner products, without a selection: what no exact search by products can undercut."""
    return x @ x.T


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


# (x (N, C) float32 of unit length, k) -> neighbours (N, K). Ours normalise, centre and check their input all the same.
RIVALS: dict[str, Callable[[Tensor, int], object]] = {
    "released formula": released_formula,
    "product alone": product_alone,
    "faiss IndexFlatIP": faiss_flat,
    "scikit-learn brute": sklearn_brute,
    "scipy cKDTree": scipy_tree,
    "pynndescent": nn_descent,
}
ON_ANY_DEVICE = ("released formula", "product alone", "dense", "auto")


def providers(x: Tensor, k: int, nodes: int) -> dict[str, Callable[[], object]]:
    """Everything that runs here, by name."""
    ours = {name: partial(knn, x, k, backend=name) for name in ("auto", *BACKENDS)}
    every = ours | {name: partial(search, x, k) for name, search in RIVALS.items()}
    if nodes > SLOW_NODES or x.device.type != "cpu":
        every.pop("reference")
    if x.device.type != "cpu":
        return {name: run for name, run in every.items() if name in ON_ANY_DEVICE}
    return {name: run for name, run in every.items() if name == "auto" or _runs(name, run)}


def _runs(name: str, run: Callable[[], object]) -> bool:
    threads = torch.get_num_threads()
    try:
        run()
    except (ImportError, ValueError) as error:
        print(f"left out: {name}: {error}")
        return False
    finally:
        torch.set_num_threads(threads)  # some libraries set it for the whole process
    return True


def recall(found: object, x: Tensor, k: int) -> float:
    """Share of neighbours that are among the k nearest, or equally far as the last of them up to float32 rounding."""
    neighbours = torch.as_tensor(np.asarray(found.cpu() if isinstance(found, Tensor) else found)).long()
    points = comparable(x[None].double().cpu(), "cosine")[0]
    distances = torch.cdist(points, points, compute_mode="use_mm_for_euclid_dist").square()
    last = distances.kthvalue(k, dim=1, keepdim=True).values
    return float((distances.gather(1, neighbours) <= last + 4e-6).double().mean())


def measure(nodes: int, k: int, options) -> list[dict]:
    generator = torch.Generator().manual_seed(nodes)
    x = torch.nn.functional.normalize(torch.randn(nodes, 64, generator=generator), dim=-1).to(options.device)
    every = providers(x, k, nodes)
    recalls = {name: recall(run(), x, k) for name, run in every.items() if name not in NO_ANSWER}
    for name, share in recalls.items():
        if share < 1 and name not in APPROXIMATE:
            raise SystemExit(f"{name} is not exact at N={nodes}, k={k}: recall {share}")
    torch.set_num_threads(options.threads)
    rows = []
    for name, seconds in harness.time_providers(every, options.effort, options.device).items():
        work = harness.summary(seconds, 2 * nodes**2 * 64, nodes * 64 * 4 + nodes * k * 8)
        rows.append({"nodes": nodes, "channels": 64, "k": k, "provider": name, "recall": recalls.get(name, "")} | work)
    harness.show(rows, COLUMNS)
    return rows


def main() -> None:
    options = harness.arguments(__doc__)
    shapes = [(300, 16)] if options.quick else [(320, 16), (2560, 16), (2560, 32), (2560, 64)]
    rows = [row for nodes, k in shapes for row in measure(nodes, k, options)]
    last = {row["provider"]: row["median_ms"] for row in rows if (row["nodes"], row["k"]) == shapes[-1]}

    def target(name: str, rival: str, limit: float, aim: float) -> list[harness.Target]:
        return [harness.Target(name, last[rival] / last["auto"], limit, aim)] if rival in last else []

    at = "exact KNN N={:,} k={} against ".format(*shapes[-1])
    targets = [
        *target(at + "torch_cluster", "torch_cluster", 15, 30),
        *target(at + "the released formula", "released formula", 3, 6),
        *target(at + "faiss IndexFlatIP", "faiss IndexFlatIP", 1.4, 3),
        harness.Target(
            at + "the product alone", last["auto"] / last["product alone"], 3.5, 2, smaller_is_better=True
        ),
    ]
    harness.write("knn", options, rows, targets)


if __name__ == "__main__":
    main()
