"""How fast is the aggregation of a relative graph convolution, forward and backward, against the usual ways?

``python benchmarks/bench_graph_conv.py [--quick] [--device cuda]``

Modes: ``forward`` and ``backward`` (on a CPU) on a graph that is there; ``full`` is what a training step of one block
pays: from the neighbours (N, K) through every index that the provider needs, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable

import harness
import torch
import torch.nn.functional as F
from kept import Target, medians
from torch import Tensor
from torch_geometric.utils import scatter

from rppg_graph.graph.aggregate import AGGREGATIONS
from rppg_graph.graph.edges import neighbours_to_edge_index
from rppg_graph.graph.knn import to_global
from rppg_graph.graph.mean_gradients import MEAN_GRADIENTS

COLUMNS = ["reduce", "clips", "nodes", "k", "mode", "provider", "median_ms", "p20_ms", "p80_ms", "gb_per_s"]
Aggregate = Callable[[Tensor], Tensor]
REDUCED = {"mean": lambda values: values.mean(1), "max": lambda values: values.amax(1)}


def gather(neighbours: Tensor, reduce: str) -> Aggregate:
    """The reference: an edge-sized tensor, reduced."""
    return lambda x: REDUCED[reduce](x[neighbours])


def pyg_scatter(neighbours: Tensor, reduce: str) -> Aggregate:
    """What a PyG ``MessagePassing`` does with a plain edge index: gather, then scatter by target."""
    source, target = neighbours_to_edge_index(neighbours).as_tensor()
    return lambda x: scatter(x.index_select(0, source), target, dim_size=len(x), reduce=reduce)


def segment_csr(neighbours: Tensor, reduce: str) -> Aggregate:
    from torch_scatter import segment_csr

    nodes, k = neighbours.shape
    pointers = torch.arange(0, nodes * k + 1, k, device=neighbours.device)
    return lambda x: segment_csr(x[neighbours.reshape(-1)], pointers, reduce=reduce)


def fused_edge_index(neighbours: Tensor, reduce: str) -> Aggregate:
    """PyG's own fused product; it has a gradient for sums only, hence the division."""
    edges, k = neighbours_to_edge_index(neighbours), neighbours.shape[1]
    return lambda x: edges.matmul(x, reduce="sum", transpose=True) / k


def csr_product(neighbours: Tensor, reduce: str) -> Aggregate:
    nodes, k = neighbours.shape
    pointers = torch.arange(0, nodes * k + 1, k, device=neighbours.device)
    share = torch.full((nodes * k,), 1 / k, device=neighbours.device)
    matrix = torch.sparse_csr_tensor(pointers, neighbours.reshape(-1), share, (nodes, nodes))
    return lambda x: matrix @ x


def embedding_bag(neighbours: Tensor, reduce: str) -> Aggregate:
    """torch's own gradient: it adds rows up one index at a time."""
    return lambda x: F.embedding_bag(neighbours, x, mode=reduce)


def dense_mask(neighbours: Tensor, reduce: str) -> Aggregate:
    nodes, k = neighbours.shape
    matrix = torch.zeros(nodes, nodes, device=neighbours.device).scatter_(1, neighbours, 1 / k)
    return lambda x: matrix @ x


def ours(neighbours: Tensor, reduce: str) -> Aggregate:
    """The one that takes lists (B, N, K), counted within each clip."""
    return lambda x: AGGREGATIONS[reduce](x.view(*neighbours.shape[:2], -1), neighbours).view(x.shape)


class _Formed(torch.autograd.Function):
    """Our mean with one form of its gradient, a name of ``MEAN_GRADIENTS``: what ``graph.choices`` chooses among."""

    @staticmethod
    def forward(ctx, x: Tensor, neighbours: Tensor, form: str) -> Tensor:
        ctx.neighbours, ctx.form = neighbours, form
        return AGGREGATIONS["mean"](x.view(*neighbours.shape[:2], -1), neighbours).view(x.shape)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        lists = grad.view(*ctx.neighbours.shape[:2], -1)
        return MEAN_GRADIENTS[ctx.form](lists, ctx.neighbours).view(grad.shape), None, None


def formed(form: str) -> Callable[[Tensor, str], Aggregate]:
    return lambda neighbours, reduce: lambda x: _Formed.apply(x, neighbours, form)


FORMS = {f"rppg_graph, gradient by {form}": formed(form) for form in MEAN_GRADIENTS}
MEAN = {
    "gather": gather, "PyG scatter": pyg_scatter, "torch_scatter segment_csr": segment_csr,
    "EdgeIndex fused": fused_edge_index, "CSR product": csr_product, "embedding_bag": embedding_bag,
    "dense mask": dense_mask, "rppg_graph": ours, **FORMS,
}  # fmt: skip
PROVIDERS = {"mean": MEAN, "max": {name: MEAN[name] for name in (
    "gather", "PyG scatter", "torch_scatter segment_csr", "embedding_bag", "rppg_graph")}}  # fmt: skip
ON_CUDA = (
    "gather", "PyG scatter", "embedding_bag", "dense mask", "rppg_graph",
    *(name for name in FORMS if not name.endswith("counting")),
)  # fmt: skip
MASKED_NODES = 20480  # of all clips: what a dense mask has memory for


class Step:
    """One provider's relative aggregation ``⊕_j x_j − x_i`` of fixed features, in the three modes."""

    def __init__(self, build: Callable[[Tensor, str], Aggregate], neighbours: Tensor, reduce: str, x: Tensor) -> None:
        self.build, self.reduce = build, reduce
        self.neighbours = neighbours if build in (ours, *FORMS.values()) else to_global(neighbours)
        self.x, self.grad = x.clone().requires_grad_(), x.cos()
        self.aggregate = build(self.neighbours, reduce)
        self.kept = self.aggregate(self.x) - self.x

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self.aggregate(self.x) - self.x

    def backward(self) -> Tensor:
        return torch.autograd.grad(self.kept, self.x, self.grad, retain_graph=True)[0]

    def full(self) -> tuple[Tensor, Tensor]:
        out = self.build(self.neighbours, self.reduce)(self.x) - self.x
        return out, torch.autograd.grad(out, self.x, self.grad)[0]


def steps(reduce: str, neighbours: Tensor, x: Tensor) -> dict[str, Step]:
    """The providers that are installed, each checked against gathering in value and gradient."""
    made: dict[str, Step] = {}
    for name, build in PROVIDERS[reduce].items():
        if (x.is_cuda and name not in ON_CUDA) or (name == "dense mask" and len(x) > MASKED_NODES):
            continue
        try:
            made[name] = Step(build, neighbours, reduce, x)
        except ImportError as error:
            print(f"left out: {name}: {error}")
            continue
        for found, expected in zip(made[name].full(), made["gather"].full(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, msg=f"{name} does not agree with gather")
    return made


def measure(reduce: str, clips: int, nodes: int, k: int, options) -> list[dict]:
    generator = torch.Generator().manual_seed(nodes)
    first = torch.randint(nodes, (clips, nodes, 1), generator=generator)
    neighbours = ((first + torch.randperm(nodes, generator=generator)[:k]) % nodes).to(options.device)  # none twice
    x = torch.randn(clips * nodes, 64, generator=generator).to(options.device)
    made, rows = steps(reduce, neighbours, x), []
    modes = {"forward": 1, "full": 2} if options.device == "cuda" else {"forward": 1, "backward": 1, "full": 2}
    for mode, passes in modes.items():
        runs = {name: getattr(step, mode) for name, step in made.items() if mode == "full" or name not in FORMS}
        for name, seconds in harness.time_providers(runs, options.effort, options.device).items():
            values = passes * clips * nodes * k * 64
            work = harness.summary(seconds, values, values * 4)
            row = {"reduce": reduce, "clips": clips, "nodes": nodes, "channels": 64, "k": k, "mode": mode}
            rows.append(row | {"provider": name} | work)
    return rows


CPU_SHAPES = [("mean", 1, 320, 16), ("mean", 1, 2560, 64), ("max", 1, 320, 16), ("max", 1, 2560, 64)]
CUDA_SHAPES = [
    ("mean", 1, 2560, 64), ("mean", 32, 2560, 64), ("max", 1, 2560, 64), ("mean", 1, 320, 16), ("mean", 1, 640, 16),
    ("mean", 1, 20480, 64), ("mean", 32, 640, 32),
]  # fmt: skip


def targets(rows: list[dict], device: str) -> list[Target]:
    """The project's own: the mean with its gradient, of one clip."""
    nodes, k = max((row["nodes"], row["k"]) for row in rows if row["nodes"] <= 2560)
    ms = medians(rows, reduce="mean", mode="full", clips=1, nodes=nodes, k=k)
    at = f"average-relative aggregation N={nodes:,} k={k}, forward and backward, against "
    limits = ((2, 4), (2, 4)) if device == "cuda" else ((12, 25), (15, 30))
    return [
        Target(at + "gather", ms["gather"] / ms["rppg_graph"], *limits[0]),
        Target(at + "PyG's default scatter", ms["PyG scatter"] / ms["rppg_graph"], *limits[1]),
    ]


def main() -> None:
    options = harness.arguments(__doc__)
    quick = [("mean", 1, 300, 8), ("max", 1, 300, 8)]
    shapes = quick if options.quick else CUDA_SHAPES if options.device == "cuda" else CPU_SHAPES
    harness.measure_all("graph_conv", options, shapes, measure, COLUMNS, targets)


if __name__ == "__main__":
    main()
