"""Differences over seeds and recordings, and their intervals."""

import numpy as np
import pytest

from rppg_graph.pulse.paired import difference_over_seeds


def errors(table: np.ndarray) -> dict[int, dict[str, float]]:
    return {seed: {f"r{i}": float(value) for i, value in enumerate(row)} for seed, row in enumerate(table)}


def test_value_is_the_mean_over_what_both_have():
    first, second = errors(np.zeros((3, 4))), errors(np.arange(12.0).reshape(3, 4))
    assert difference_over_seeds(first, second).value == pytest.approx(5.5)
    del second[1]["r3"], first[2]
    found = difference_over_seeds(first, second)
    assert found.value == pytest.approx(np.mean([0, 1, 2, 4, 5, 6]))
    assert found.n == 6


def test_a_constant_difference_is_certain():
    table = np.random.default_rng(0).uniform(0, 9, (3, 5))
    found = difference_over_seeds(errors(table), errors(table + 0.7))
    assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.7, 0.7))
    assert difference_over_seeds(errors(table), errors(table)).low == 0


def test_interval_is_that_of_drawing_seeds_and_recordings_one_by_one():
    rng = np.random.default_rng(1)
    table = rng.normal(0, 1, (3, 6)) + rng.normal(0, 1, (3, 1))
    found = difference_over_seeds(errors(np.zeros((3, 6))), errors(table))
    drawn = [table[np.ix_(rng.integers(0, 3, 3), rng.integers(0, 6, 6))].mean() for _ in range(20_000)]
    assert (found.low, found.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.06)


def test_too_little_for_an_interval_or_a_value():
    one = difference_over_seeds(errors(np.zeros((1, 6))), errors(np.ones((1, 6))))
    assert (one.value, one.low) == (1, None)
    assert "2 seeds" in one.reason
    assert difference_over_seeds({}, {}).value is None
    assert difference_over_seeds({1: {"a": 1.0}}, {1: {"b": 1.0}}).reason is not None
