import numpy as np
import pytest


@pytest.fixture
def bench(load_bench):
    return load_bench("risk_coverage")


def test_areas_and_shares_of_windows_by_hand(bench):
    # error, ratio, agreement, probability: the ratio has the wrong order, the judgement the right one
    found = np.array([[0.0, 1.0, 0.5, 0.95, 3.0], [2.0, 2.0, 0.5, 0.8, 1.0], [30.0, 3.0, 0.5, 0.1, np.nan]])
    row = bench.table_of("three", found)
    assert row["judgement"] == row["oracle"] == pytest.approx(np.mean([0, 1, 32 / 3]))
    assert row["clarity of the formulas"] == pytest.approx(np.mean([30, 16, 32 / 3]))
    assert row["agreement"] == pytest.approx(32 / 3)  # it tells nothing apart
    assert row["answered at 0.7"] == pytest.approx(2 / 3)
    assert row["right at 0.7"] == 1
    assert row["answered at 0.9"] == pytest.approx(1 / 3)
    assert (row["in the interval"], row["median half-width"]) == (0.5, 2.0), "of the two that are answered"


def test_curves_are_drawn_in_light_and_dark(bench, tmp_path):
    found = np.random.default_rng(0).random((40, 5))
    for theme in ("light", "dark"):
        bench.draw(tmp_path / f"{theme}.png", {"a": found, "b": found}, theme)
        assert (tmp_path / f"{theme}.png").read_bytes()[1:4] == b"PNG"
