"""Every way to build a graph: whole clips, no edge across them, as many neighbours as said, none twice."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.graph.constructors import GRAPHS, graph_constructor
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.graph.knn import to_global

GRID = (5, 3, 4)
NODES = 60
WITH_NEIGHBOURS = [name for name in GRAPHS if name != "complete"]


def features(clips: int = 3) -> torch.Tensor:
    return torch.randn(clips, NODES, 8, generator=torch.Generator().manual_seed(0))


def places() -> torch.Tensor:
    return torch.cartesian_prod(*(torch.arange(length) for length in GRID))


def build(name: str, k: int = 6, loop: bool = True, clips: int = 3, **options) -> torch.Tensor:
    found = graph_constructor(name, loop=loop, backend="auto", options=options)(features(clips), k, GRID)
    return to_global(found) if isinstance(found, torch.Tensor) else found


@pytest.mark.parametrize("name", WITH_NEIGHBOURS)
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("k", [1, 6, 500])
def test_neighbours_are_in_the_own_clip_and_differ(name, loop, k):
    neighbours = build(name, k, loop)
    assert neighbours.dtype == torch.int64
    assert neighbours.shape[0] == 3 * NODES
    assert 1 <= neighbours.shape[1] <= k
    assert (neighbours // NODES == torch.arange(3 * NODES)[:, None] // NODES).all()
    assert all(len(set(row)) == len(row) for row in neighbours.tolist())
    itself = (neighbours == torch.arange(3 * NODES)[:, None]).any(1)
    if name == "self" or (loop and name not in ("random", "sampled")):
        assert itself.all()
    elif not loop:
        assert not itself.any()


@pytest.mark.parametrize(
    ("name", "most"), [("knn", 60), ("windowed", 60), ("grid", 60), ("random", 60), ("dilated", 30), ("axial", 10),
                       ("sampled", 30)],
)  # fmt: skip
def test_a_small_clip_gives_what_it_has(name, most):
    assert build(name, 500).shape == (3 * NODES, most)
    assert build("windowed", 500, segments=1, patches=1).shape[1] == 27


@pytest.mark.parametrize("loop", [True, False])
def test_grid_takes_the_nearest_places(loop):
    distances = (places()[:, None] - places()[None]).square().sum(-1)
    if not loop:
        distances.fill_diagonal_(10**6)
    found = distances.gather(1, build("grid", 7, loop, clips=1))
    assert torch.equal(found.sort(1).values, distances.sort(1).values[:, :7])


@pytest.mark.parametrize("loop", [True, False])
def test_axial_stays_on_one_axis_and_takes_the_nearest(loop):
    differences = (places()[build("axial", 5, loop, clips=1)] - places()[:, None]).abs()  # (N, K, 3)
    assert ((differences > 0).sum(-1) <= 1).all()
    all_differences = (places()[:, None] - places()[None]).abs()
    distances = all_differences.sum(-1).masked_fill((all_differences > 0).sum(-1) > 1, 10**6)
    if not loop:
        distances.fill_diagonal_(10**6)
    assert torch.equal(differences.sum(-1).sort(1).values, distances.sort(1).values[:, :5])


def test_dilated_takes_every_second_by_distance():
    x = torch.nn.functional.normalize(features(1)[0].double(), dim=1)
    order = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").argsort(1)
    assert torch.equal(build("dilated", 6, clips=1), order[:, :12:2])
    assert torch.equal(build("dilated", 4, clips=1, dilation=3), order[:, :12:3])


def test_features_are_centred_or_standardised_within_each_clip():
    x = 3 + features().double() * torch.arange(1, 9)
    for number, clip in enumerate(x):
        centred = clip - clip.mean(0)
        for kind, points in {"centred": centred, "standardised": centred / clip.std(0)}.items():
            expected = torch.nn.functional.cosine_similarity(points[:, None], points[None], dim=2).topk(6).indices
            found = graph_constructor("knn", loop=True, backend="auto", options={"features": kind})(x, 6, GRID)
            assert torch.equal(found[number].sort(1).values, expected.sort(1).values)


@pytest.mark.parametrize("loop", [True, False])
def test_sampled_finds_the_share_of_the_nearest_that_it_looks_at(loop):
    exact = build("knn", 6, loop)
    assert torch.equal(build("sampled", 6, loop, share=1.0).sort(1).values, exact.sort(1).values)
    found = [build("sampled", 6, loop, share=0.5, seed=seed) for seed in range(20)]
    among = torch.stack([(exact[:, :, None] == some[:, None]).any(2).double().mean() for some in found])
    assert among.mean() == pytest.approx(0.5, abs=0.05)
    looked_at = [set((some[:NODES] % NODES).flatten().tolist()) for some in found]
    assert all(len(nodes) <= NODES / 2 for nodes in looked_at)
    assert torch.equal(build("sampled", 6, loop), build("sampled", 6, loop, seed=0))


def test_random_is_the_same_for_a_seed_and_for_every_clip():
    first = build("random", 6)
    assert torch.equal(first, build("random", 6))
    assert torch.equal(first[:NODES] + NODES, first[NODES : 2 * NODES])
    assert not torch.equal(first, build("random", 6, seed=1))
    assert torch.bincount(first[:NODES].flatten(), minlength=NODES).unique().numel() > 3  # by chance, not in a pattern


def test_self_and_complete_need_no_search():
    assert build("self").tolist() == [[node] for node in range(3 * NODES)]
    assert build("complete") == CompleteGraph(3)


def test_a_metric_is_an_option():
    assert not torch.equal(build("knn").sort(1).values, build("knn", metric="euclidean").sort(1).values)


@pytest.mark.parametrize("name", ["grid", "axial", "random"])
def test_graphs_cached_in_inference_mode_serve_training(name):
    with torch.inference_mode():
        build(name, 9, clips=1)
    x = features(1)[0].requires_grad_()
    x[build(name, 9, clips=1)].sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("knnn", {}, "unknown graph 'knnn'; did you mean knn"),
        ("knn", {"segments": 2}, "unknown option of graph knn 'segments'; valid: metric, features"),
        ("knn", {"features": "smoothed"}, "unknown kind of features 'smoothed'; valid: raw, centred"),
        ("sampled", {"share": 0.0}, "share=0.0"),
        ("self", {"metric": "cosine"}, "valid: none"),
        ("grid", {"k": 3}, "option of graph grid 'k'"),
    ],
)
def test_mistakes(name, options, message):
    with pytest.raises(InputError, match=message):
        graph_constructor(name, loop=True, backend="auto", options=options)(features(1), 3, GRID)
