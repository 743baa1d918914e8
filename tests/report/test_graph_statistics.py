"""What graphs do, against counting every pair by hand, and against chance where a graph is drawn by chance."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from rppg_graph.models.stgnet import STGNet
from rppg_graph.models.stream_net import deep_phys
from rppg_graph.pulse.phase import pulse_phase
from rppg_graph.report.graph_statistics import graph_statistics
from rppg_graph.report.graph_view import seen_graphs

FPS, FRAMES, GRID = 20.0, 24, (6, 2, 2)  # of crops of 16 px
NODES = math.prod(GRID)


def model(graph: str = "knn", **options) -> STGNet:
    torch.manual_seed(3)
    return STGNet(stages=[(2, 5, 2), (1, 3, 1)], clip_frames=FRAMES, size=16, graph=graph, **options).eval()


def clips(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, FRAMES, 16, 16, generator=torch.Generator().manual_seed(1))


def phases(count: int = 2) -> torch.Tensor:
    return torch.arange(count)[:, None] + torch.linspace(0, 9, FRAMES).double().expand(count, -1)


def place(node: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(node, GRID))


def by_hand(pairs: list[tuple[int, int, int]]) -> dict[str, float]:
    """Means over (clip, node, neighbour), one pair after the other."""
    at_segment = phases().view(2, GRID[0], -1).mean(2)
    rows = []
    for clip, i, j in pairs:
        (t, h, w), (s, y, x) = place(i), place(j)
        cosine = math.cos(at_segment[clip, t] - at_segment[clip, s])
        rows.append((abs(t - s), math.hypot(h - y, w - x), cosine))
    return dict(zip(("segments", "patches", "phase_cosine"), np.mean(rows, axis=0), strict=True))


def every_pair() -> list[tuple[int, int, int]]:
    return [(clip, i, j) for clip, i, j in product(range(2), range(NODES), range(NODES)) if i != j]


def test_figures_and_chance_are_those_of_counting_every_pair():
    network = model()
    with seen_graphs(network) as graphs, torch.no_grad():
        network(clips())
    edges = [(int(i) // NODES, int(i) % NODES, int(j) % NODES) for j, i in graphs[0].edges.T if i != j]
    found, chance = by_hand(edges), by_hand(every_pair())
    first = graph_statistics(network, clips(), phases(), FPS)[0]
    for name in found:
        figure = getattr(first, name)
        assert figure.found == pytest.approx(found[name])
        assert figure.chance == pytest.approx(chance[name])
    assert first.seconds.found == pytest.approx(found["segments"] * FRAMES / GRID[0] / FPS)
    assert first.neighbours == len(edges) / (2 * NODES)
    assert first.where.sum() == pytest.approx(1)
    assert first.where_chance.sum() == pytest.approx(1)
    assert (np.arange(GRID[0]) @ first.where).sum() == pytest.approx(found["segments"])
    assert (np.arange(GRID[0]) @ first.where_chance).sum() == pytest.approx(chance["segments"])


def test_everybody_as_neighbour_is_chance():
    for block in graph_statistics(model("complete"), clips(), phases(), FPS):
        for figure in (block.segments, block.patches, block.phase_cosine):
            assert figure.found == pytest.approx(figure.chance)
        assert block.phase_cosine_of_lags == pytest.approx(block.phase_cosine.chance)
        assert (block.nearest.found, block.nearest.chance) == (1, 1)
        np.testing.assert_allclose(block.where, block.where_chance)


def test_neighbours_drawn_by_chance_are_as_chance_says():
    drawn = []
    for seed in range(30):
        drawn.append(graph_statistics(model("random", graph_options={"seed": seed}), clips(1), phases(1), FPS)[0])
    for name in ("segments", "patches", "phase_cosine", "nearest"):
        figures = [getattr(block, name) for block in drawn]
        error = np.std([f.found for f in figures]) / np.sqrt(len(figures))
        assert np.mean([f.found for f in figures]) == pytest.approx(np.mean([f.chance for f in figures]), abs=4 * error)


def test_no_neighbours_no_figures():
    block = graph_statistics(model("self"), clips(), phases(), FPS)[0]
    assert block.neighbours == 0
    assert block.segments.found is block.phase_cosine.found is block.nearest.found is block.phase_cosine_of_lags is None
    assert block.where.sum() == 0


def test_the_nearest_by_cosine_are_the_nearest_by_cosine():
    assert graph_statistics(model("knn"), clips(), phases(), FPS)[0].nearest.found == 1
    assert graph_statistics(model("axial"), clips(), phases(), FPS)[0].nearest.found < 1


def test_edges_that_stay():
    shared, own = (graph_statistics(model(reuse_graph=r), clips(), phases(), FPS) for r in (True, False))
    assert [block.kept.found for block in shared] == [None, 1, None]  # the third has another grid
    assert own[1].kept.found < 1
    assert own[1].kept.chance == pytest.approx(own[0].neighbours / (NODES - 1))


def test_neighbours_of_one_time_share_its_phase_whatever_they_look_like():
    block = graph_statistics(model("windowed", graph_options={"segments": 0}), clips(), phases(), FPS)[0]
    assert block.phase_cosine.found == pytest.approx(1)
    assert block.phase_cosine_of_lags == pytest.approx(1)


def test_networks_without_graphs():
    assert graph_statistics(deep_phys(size=16).eval(), clips(), phases(), FPS) == []


def test_phase_of_a_known_rate():
    rng = np.random.default_rng(0)
    seconds = np.arange(300) / 30 + rng.uniform(-0.005, 0.005, 300)
    phase = pulse_phase(seconds, 3 + np.cos(2 * np.pi * 1.3 * seconds + 0.4), 30.0)
    inside = slice(45, -45)  # the filter settles at the ends
    error = phase[inside] - (2 * np.pi * 1.3 * seconds[inside] + 0.4)
    assert np.ptp(error) < 0.15
    assert np.mean(np.cos(error)) > 0.99
