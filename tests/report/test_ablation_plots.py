"""The Pareto front, and that plots are drawn of what there is, in both themes."""

import numpy as np
import pytest

from rppg_graph.report.ablation_plots import (
    Point,
    accuracy_against_cost,
    graph_by_block,
    learning_curves,
    neighbour_maps,
    pareto_front,
)
from rppg_graph.report.plots import THEMES


def test_front_is_what_nobody_beats():
    points = [tuple(point) for point in np.random.default_rng(0).integers(0, 9, (40, 2)).tolist()]
    unbeaten = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert pareto_front(points) == sorted(unbeaten)
    assert pareto_front([]) == []


def block(neighbours: float) -> dict:
    figures = ("seconds", "segments", "patches", "phase_cosine", "kept")
    found = dict.fromkeys(figures, 0.5 if neighbours else None)
    chance = {f"{name}_chance": 0.4 for name in figures} | {"kept_chance": None}
    where = np.full((6, 3), 1 / 18) * bool(neighbours)
    return found | chance | {"neighbours": neighbours, "where": where.tolist(), "where_chance": np.eye(6, 3).tolist()}


@pytest.mark.parametrize("theme", THEMES)
def test_plots_are_drawn(tmp_path, theme):
    points = [Point("a", 0.2, (3.0, 1.0), (5.0, None)), Point("b", 0.3, (None, None), (4.0, 0.5))]
    accuracy_against_cost(tmp_path / "cost.png", points, theme)
    curves = {"a": ([2, 4], np.array([[1.0, 0.5], [1.0, 0.7]])), "b": ([2], np.array([[1.0]]))}
    learning_curves(tmp_path / "learning.png", curves, theme)
    series = {"a": [[block(3), block(3)], [block(3), block(3)]], "no graph": [[block(0), block(0)]]}
    graph_by_block(tmp_path / "graph.png", series, "variants", theme)
    neighbour_maps(tmp_path / "maps.png", series, theme)
    neighbour_maps(tmp_path / "no_maps.png", {"no graph": series["no graph"]}, theme)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 5
