"""Every KNN backend against the definition, on the same graphs."""

import importlib.util

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rppg_graph.errors import InputError
from rppg_graph.graph.choices import fastest
from rppg_graph.graph.comparable import METRICS
from rppg_graph.graph.knn import BACKENDS, DECOMPOSITIONS, knn, knn_of_graphs


@pytest.fixture(params=BACKENDS)
def backend(request, installed) -> str:
    return installed(request.param)


def one_graph(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(x), dtype=torch.int64)


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("nodes", "channels", "k"), [(2, 3, 1), (17, 5, 4), (300, 64, 64), (333, 7, 16)])
def test_neighbours_are_the_nearest(backend, metric, loop, nodes, channels, k, assert_nearest):
    x = torch.randn(nodes, channels, generator=torch.Generator().manual_seed(nodes))
    assert_nearest(knn(x, k, metric=metric, loop=loop, backend=backend), x, k, one_graph(x), metric, loop)


@pytest.mark.parametrize("backend", ["dense", "blocked", "torch_cluster", "triton"])
@pytest.mark.parametrize("loop", [True, False])
def test_the_same_set_as_the_reference_in_float64(backend, loop, installed):
    x = torch.randn(700, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = torch.arange(2).repeat_interleave(350)
    expected = knn(x, 33, batch=batch, loop=loop, backend="reference").sort(1).values
    assert torch.equal(knn(x, 33, batch=batch, loop=loop, backend=installed(backend)).sort(1).values, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_float_types(backend, dtype, assert_nearest):
    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert_nearest(knn(x, 20, backend=backend), x, 20, one_graph(x), "cosine", True)


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("nodes", [5, 70, 290])
def test_k_up_to_every_node(backend, loop, nodes):
    x = torch.randn(nodes, 8)
    k = nodes if loop else nodes - 1
    everybody = torch.arange(nodes).expand(nodes, -1)
    if not loop:
        everybody = everybody[~torch.eye(nodes, dtype=torch.bool)].view(nodes, k)
    assert torch.equal(knn(x, k, loop=loop, backend=backend).sort(1).values, everybody)


@pytest.mark.parametrize("loop", [True, False])
def test_duplicates_are_neighbours_of_each_other(backend, loop, assert_nearest):
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(2)).repeat(8, 1)
    x = torch.cat((x, torch.zeros(10, 6)))  # a zero vector has no direction: its cosine distance to others is 1
    assert_nearest(knn(x, 20, loop=loop, backend=backend), x, 20, one_graph(x), "cosine", loop)


@pytest.mark.parametrize("backend", ["reference", "blocked", "triton"])
def test_of_equal_distances_the_lower_index(backend, installed):
    places = torch.arange(400.0).div(4).floor()[:, None]  # 100 places with 4 nodes each
    expected = torch.tensor([0, 1, 2, 3, 4, 5]).repeat(4, 1)
    assert torch.equal(knn(places, 6, metric="euclidean", backend=installed(backend)).sort(1).values[:4], expected)


def test_torch_cluster_does_not_hide_missing_neighbours(installed):
    x = torch.randn(1, 50, 4)
    x[0, 7] = torch.nan
    with pytest.raises(RuntimeError, match="392 neighbours for 50 nodes with k=8"):
        BACKENDS[installed("torch_cluster")](x, 8, True)


@pytest.mark.parametrize("backend", ["dense", "blocked"])
def test_features_that_share_a_large_part_keep_their_neighbours(backend, assert_nearest):
    x = torch.randn(300, 16, generator=torch.Generator().manual_seed(3))
    far = x + 1024  # exact distances of what float32 holds
    neighbours = knn(far, 10, metric="euclidean", backend=backend)
    distances = torch.cdist(far.double(), far.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    found, expected = distances.gather(1, neighbours).sort(1).values, distances.sort(1).values[:, :10]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "triton"])
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 2**16), data=st.data())
@settings(max_examples=25, deadline=None)
def test_edges_never_cross_graphs(name, loop, sizes, seed, data):
    if importlib.util.find_spec(name) is None and name == "torch_cluster":
        pytest.skip("torch_cluster is not installed")
    if not loop:
        sizes = [size + 1 for size in sizes]
    k = data.draw(st.integers(1, min(sizes) - (not loop)))
    x = torch.randn(sum(sizes), 3, generator=torch.Generator().manual_seed(seed))
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    neighbours = knn(x, k, batch=batch, loop=loop, backend=name)
    assert (batch[neighbours] == batch[:, None]).all()
    assert loop or (neighbours != torch.arange(len(x))[:, None]).all()


def test_a_node_alone_is_its_own_neighbour(backend):
    assert knn(torch.randn(1, 3), 1, backend=backend).tolist() == [[0]]


def test_graphs_of_different_sizes_and_missing_numbers(backend, assert_nearest):
    x = torch.randn(60, 9, generator=torch.Generator().manual_seed(4))
    batch = torch.tensor([0] * 10 + [2] * 30 + [7] * 20)
    assert_nearest(knn(x, 10, batch=batch, backend=backend), x, 10, batch, "cosine", True)


def test_no_nodes_no_neighbours(backend):
    assert knn(torch.empty(0, 5), 3, backend=backend).shape == (0, 3)
    assert knn(torch.empty(0, 5), 3, batch=torch.empty(0, dtype=torch.int64), backend=backend).shape == (0, 3)


def test_non_contiguous_features(backend):
    x = torch.randn(12, 300, generator=torch.Generator().manual_seed(5)).T
    expected = knn(x.contiguous(), 9, backend=backend).sort(1).values
    assert torch.equal(knn(x, 9, backend=backend).sort(1).values, expected)


def test_no_gradient_and_no_change_of_the_input(backend):
    x = torch.randn(300, 4, requires_grad=True)
    before = x.detach().clone()
    assert not knn(x, 3, metric="euclidean", backend=backend).requires_grad
    assert torch.equal(x, before)


def test_autocast_does_not_round_the_distances(backend, assert_nearest):
    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        neighbours = knn(x, 16, backend=backend)
    assert_nearest(neighbours, x, 16, one_graph(x), "cosine", True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_features_that_are_not_finite_are_an_error(backend, bad):
    x = torch.randn(20, 3)
    x[13, 1] = bad
    with pytest.raises(InputError, match="node 13 of graph 0"):
        knn(x, 2, backend=backend)


@pytest.mark.parametrize(("k", "loop"), [(0, True), (-1, True), (6, True), (5, False)])
def test_k_out_of_range(backend, k, loop):
    with pytest.raises(InputError, match=f"k={k} .*smallest graph has {5 - (not loop)}"):
        knn(torch.randn(11, 2), k, batch=torch.tensor([0] * 6 + [1] * 5), loop=loop, backend=backend)


def test_blocked_on_another_device_is_an_error():
    with pytest.raises(InputError, match="'blocked' runs on the CPU"):
        BACKENDS["blocked"](torch.empty(1, 4, 2, device="meta"), 2, True)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (torch.tensor([0, 1, 0, 1]), InputError, "node 2 is of graph 0 after one of graph 1"),
        (torch.tensor([0, 0, 0]), ValueError, r"4 nodes on cpu, got shape \(3,\)"),
        (torch.zeros(4, dtype=torch.int64, device="meta"), ValueError, "on meta"),
    ],
)
def test_what_is_no_batch_is_an_error(backend, batch, error, message):
    with pytest.raises(error, match=message):
        knn(torch.randn(4, 2), 1, batch=batch, backend=backend)


def test_integer_features_are_an_error(backend):
    with pytest.raises(TypeError, match=r"int64: convert them with x\.float"):
        knn(torch.ones(4, 2, dtype=torch.int64), 1, backend=backend)


def test_names_are_checked():
    with pytest.raises(InputError, match="unknown KNN backend 'faiss'; valid: reference"):
        knn(torch.randn(4, 2), 1, backend="faiss")
    with pytest.raises(InputError, match="unknown KNN metric 'dot'; valid: cosine"):
        knn(torch.randn(4, 2), 1, metric="dot")


def test_auto_says_what_it_chose(caplog):
    assert fastest("knn", torch.empty(1, 2560, 64)) == "blocked"
    assert fastest("knn", torch.empty(1, 64, 64)) == "dense"
    assert fastest("knn", torch.empty(1, 2560, 64, device="meta")) == "dense"
    with caplog.at_level("DEBUG", logger="rppg_graph"):
        knn(torch.randn(512, 4), 2)
    assert "backend 'blocked'" in caplog.text


def test_dense_in_parts_is_dense(monkeypatch):
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(7)).double()
    batch = torch.arange(2).repeat_interleave(150)
    whole = knn(x, 5, batch=batch, loop=False, backend="dense").sort(1).values
    monkeypatch.setattr("rppg_graph.graph.knn.DENSE_VALUES", 300 * 7)
    assert torch.equal(knn(x, 5, batch=batch, loop=False, backend="dense").sort(1).values, whole)


@pytest.mark.parametrize(("metric", "loop"), [("cosine", True), ("euclidean", False)])
def test_it_is_a_torch_operator(metric, loop):
    x = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(8))
    torch.library.opcheck(torch.ops.rppg_graph.nearest.default, (x, 5, metric, loop, "auto"))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("loop", [True, False])
def test_its_decomposition_finds_the_same(metric, loop):
    x = torch.randn(2, 300, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    plainly = DECOMPOSITIONS[torch.ops.rppg_graph.nearest.default]
    expected = plainly(x, 12, metric, loop, "auto").sort(2).values
    assert torch.equal(knn_of_graphs(x, 12, metric=metric, loop=loop).sort(2).values, expected)
