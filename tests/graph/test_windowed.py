"""Windowed KNN against all distances with everything outside the window excluded."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.graph.knn import knn, to_global
from rppg_graph.graph.windowed import WINDOWED_BACKENDS, Window, windowed_knn

GRID = (7, 4, 5)


def clips(number: int, grid=GRID, channels: int = 6) -> torch.Tensor:
    nodes = number * grid[0] * grid[1] * grid[2]
    return torch.randn(nodes, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(nodes))


def search(x: torch.Tensor, k: int, grid=GRID, **options) -> torch.Tensor:
    """Of nodes (M, C): rising neighbours (M, K), counted over all clips."""
    clips = x.view(-1, grid[0] * grid[1] * grid[2], x.shape[1])
    return to_global(windowed_knn(clips, k, grid, **options)).sort(1).values


@pytest.mark.parametrize("backend", WINDOWED_BACKENDS)
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize(("segments", "patches", "k"), [(1, 1, 5), (2, None, 30), (0, 2, 9), (3, 0, 3), (99, 99, 60)])
def test_the_same_set_as_a_search_by_hand(backend, loop, segments, patches, k):
    x = clips(2)
    found = search(x, k, segments=segments, patches=patches, loop=loop, backend=backend)
    unit = x / x.norm(dim=1, keepdim=True)
    places = [(t, h, w) for t in range(7) for h in range(4) for w in range(5)]

    def inside(i: int, j: int) -> bool:
        for axis, (reach, length) in enumerate(zip((segments, patches, patches), GRID, strict=True)):
            wide = min(length, 2 * (length if reach is None else reach) + 1)
            first = max(0, min(length - wide, places[i][axis] - wide // 2))
            if not first <= places[j][axis] < first + wide:
                return False
        return loop or i != j

    for clip in range(2):
        for i in range(0, 140, 13):
            candidates = [j for j in range(140) if inside(i, j)]
            nodes = unit[clip * 140 : (clip + 1) * 140]
            distances = (nodes[candidates] - nodes[i]).square().sum(1)
            nearest = sorted(clip * 140 + candidates[place] for place in distances.argsort()[:k])
            assert found[clip * 140 + i].tolist() == nearest


@pytest.mark.parametrize("backend", WINDOWED_BACKENDS)
@pytest.mark.parametrize("loop", [True, False])
def test_a_window_over_the_whole_clip_is_plain_knn(backend, loop):
    x, grid = clips(2, (12, 9, 9)), (12, 9, 9)  # segments of 81 patches: more than one piece of work each
    batch = torch.arange(2).repeat_interleave(972)
    expected = knn(x, 20, batch=batch, loop=loop, backend="dense").sort(1).values
    found = search(x, 20, grid, segments=12, patches=9, loop=loop, backend=backend)
    assert torch.equal(found, expected)


def test_every_node_has_equally_many_candidates():
    window = Window(GRID, 1, 1)
    counts = torch.kron(window.within(0).long(), window.face().long()).sum(1)
    assert counts.unique().tolist() == [window.candidates] == [27]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_float_types_agree(dtype):
    x = clips(1).to(dtype)
    found = [search(x, 8, patches=1, backend=backend) for backend in WINDOWED_BACKENDS]
    same = [(found[0] == other).float().mean() for other in found[1:]]
    assert min(same) > 0.99  # bfloat16 features have equal distances, of which any may be taken


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segments": -1}, "0 or more segments"),
        ({"patches": -2}, "0 or more segments"),
        ({"segments": 0, "patches": 0}, "offers 1: use"),
        ({"segments": 1, "patches": 1, "loop": False, "k": 27}, "offers 26: use"),
        ({"k": 0}, "k=0"),
        ({"backend": "torch_cluster"}, "unknown windowed KNN backend 'torch_cluster'"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        search(clips(1), **{"k": 5, "grid": GRID} | options)
