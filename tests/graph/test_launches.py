"""How many kernels a GPU is asked to start, and that nobody waits for it: counted without one.

On the meta device a tensor has no values, so whoever reads one, to decide or to size something, fails. Each operation
that is no view stands for a kernel. The operators of this package are opened up, in the forms that CUDA takes.
"""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rppg_graph.graph import aggregate, knn
from rppg_graph.graph.aggregate import neighbour_max, neighbour_mean
from rppg_graph.models import MODELS

OPERATORS = torch.ops.rppg_graph
INSIDE = {
    OPERATORS.nearest.default: knn._nearest,
    OPERATORS.neighbour_mean.default: aggregate._mean,
    OPERATORS.neighbour_mean_gradient.default: aggregate._mean_gradient,
    OPERATORS.neighbour_max.default: aggregate._max_on_cuda,
    OPERATORS.neighbour_max_gradient.default: aggregate._max_gradient_on_cuda,
}
MAKES_MEMORY = ("empty", "empty_like", "new_empty", "empty_strided")


class Launches(TorchDispatchMode):
    """Counts operations that write a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in INSIDE:
            with self:
                return INSIDE[function](*args, **kwargs)
        out = function(*args, **kwargs)
        name = function.overloadpacket.__name__
        if name not in MAKES_MEMORY and (name.endswith("_") or _new(out, (args, kwargs))):
            self.calls[name] += 1
        return out

    @property
    def total(self) -> int:
        return self.calls.total()


def _new(out: object, inputs: object) -> bool:
    """Whether an operation made a tensor of its own, no view."""
    storages = [
        {leaf.untyped_storage()._cdata for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)}
        for tree in (out, inputs)
    ]
    return bool(storages[0] - storages[1])


@pytest.fixture(autouse=True)
def without_triton(monkeypatch):
    """Kernels of Triton are not run on the meta device: plain operations, the longer of both ways."""
    for module in ("choices", "aggregate", "comparable", "knn", "mean_gradients"):
        monkeypatch.setattr(f"rppg_graph.graph.{module}.triton_kernels", lambda: None)


def on_meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


@pytest.mark.parametrize(("nodes", "most"), [(2560, 12), (20480, 40)])
def test_the_search(nodes, most):
    with Launches() as launches:
        found = knn.knn_of_graphs(on_meta(1, nodes, 64), 64)
    assert found.shape == (1, nodes, 64)
    assert launches.total <= most, launches.calls
    assert launches.calls["cat"] == (nodes == 20480)  # no cat of one part
    assert launches.calls["linalg_vector_norm"] == 1


@pytest.mark.parametrize(
    ("reduce", "dtype", "forward", "backward"),
    [
        (neighbour_mean, torch.float32, 3, 9),
        (neighbour_mean, torch.bfloat16, 5, 5),
        (neighbour_max, torch.float32, 4, 3),
    ],
)
def test_aggregation_of_one_clip(reduce, dtype, forward, backward):
    x, neighbours = on_meta(1, 2560, 64, dtype=dtype).requires_grad_(), on_meta(1, 2560, 64, dtype=torch.int64)
    with Launches() as launches:
        out = reduce(x, neighbours)
    assert launches.total <= forward, launches.calls
    with Launches() as launches:
        out.backward(on_meta(*out.shape, dtype=dtype))
    assert launches.total <= backward, launches.calls
    assert launches.calls["cat"] == 0


@pytest.mark.parametrize("name", ["stgnet_small", "stgnet_released"])
def test_neither_pass_of_a_network_waits_and_both_start_few_kernels(name):
    model = MODELS[name]().to("meta", torch.bfloat16)
    size = 32 if name == "stgnet_small" else 64
    with Launches() as launches:
        wave = model(on_meta(2, 3, 160, size, size, dtype=torch.bfloat16))
    assert launches.total <= 520, launches.calls
    with Launches() as launches:
        wave.sum().backward()
    assert launches.total <= 380, launches.calls


def test_who_reads_a_value_is_found():
    with pytest.raises(RuntimeError, match=r"(?i)meta"), Launches():
        bool(on_meta(3).isfinite().all())
