import math

import numpy as np
import pytest


@pytest.fixture
def power(load_bench):
    return load_bench("power")


def drawn(rng: np.random.Generator, seeds: int, recordings: int, sd: tuple[float, float, float]) -> np.ndarray:
    """Differences (S, R) with these deviations between seeds, between recordings and beside."""
    of_seeds, of_recordings, rest = (rng.normal(0, s, size) for s, size in zip(
        sd, ((seeds, 1), (1, recordings), (seeds, recordings)), strict=True
    ))  # fmt: skip
    return of_seeds + of_recordings + rest


@pytest.mark.parametrize("sd", [(1.0, 3.0, 2.0), (0.0, 2.0, 0.5), (2.0, 0.0, 1.0)])
def test_the_parts_of_a_large_table_are_those_that_it_was_drawn_with(power, sd):
    found = np.sqrt(power.parts(drawn(np.random.default_rng(1), 300, 300, sd)))
    assert np.allclose(found, sd, rtol=0.15, atol=0.15)


def test_a_difference_that_is_just_seen_is_seen_four_times_in_five(power):
    rng, sd = np.random.default_rng(2), (0.5, 2.0, 1.0)
    least = power.seen(np.square(sd), 5, 100)
    means = np.array([drawn(rng, 5, 100, sd).mean() for _ in range(4000)])
    found = np.abs(means + least) > 1.96 * means.std()
    assert 0.77 < found.mean() < 0.83


def test_as_many_recordings_as_are_needed_and_no_fewer(power):
    variances = np.array([0.01, 4.0, 1.0])
    needed = power.recordings_for(variances, 3, 1.0)
    assert power.seen(variances, 3, needed) <= 1.0 < power.seen(variances, 3, needed - 1)
    assert power.recordings_for(np.array([1.0, 4.0, 1.0]), 3, 1.0) is None  # three seeds alone vary too much
    assert power.seen(np.array([1.0, 0, 0]), 4, 10**9) == pytest.approx(power.SEEN / math.sqrt(4))


def test_differences_are_of_the_same_seed_and_recording(power):
    def row(variant: str, seed: int, **errors: float) -> dict:
        return {"variant": variant, "seed": seed, "errors": {"easy": errors}}

    rows = [row("a", 1, x=1, y=2), row("a", 2, x=3, y=4), row("b", 1, x=2, y=2, z=9), row("b", 2, x=3, y=6)]
    assert [table.tolist() for table in power.differences(rows, "a", "errors")] == [[[1, 0], [0, 2]]]
    assert power.differences(rows, "a", "snr") == []
