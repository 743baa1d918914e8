"""Figures of colour traces whose answers are known."""

import numpy as np
import pytest


@pytest.fixture
def bench(load_bench):
    return load_bench("trace_realism")


def test_figures_of_known_traces(bench):
    rng, seconds = np.random.default_rng(0), np.arange(300) / 30
    pulse = np.sin(2 * np.pi * 1.2 * seconds)
    noise = 1 + 0.01 * rng.standard_normal((300, 64, 3))
    alone = bench.row_of(100 * noise, pulse)
    assert alone["size of a patch's green (%)"] == pytest.approx(0.5, rel=0.05), "four of 64 patches are averaged"
    assert alone["size of the patches' mean (%)"] == pytest.approx(0.125, rel=0.2)
    assert alone["share above 5 Hz"] == pytest.approx(2 / 3, abs=0.05)
    assert alone["kurtosis"] == pytest.approx(3, abs=0.3)
    assert abs(alone["red with green"]) < 0.1
    assert abs(alone["patch with patch"]) < 0.05
    light = 1 + 0.05 * pulse[:, None, None]
    lit = bench.row_of(100 * noise * light, pulse)
    assert lit["red with green"] > 0.95
    assert lit["patch with patch"] > 0.95
    blood = 1 + 0.01 * pulse[:, None, None] * np.array([0.33, 0.77, 0.53])
    assert bench.row_of(100 * noise * blood, pulse)[bench.SNR] > alone[bench.SNR] + 10


def test_every_set_has_every_figure(bench):
    found = bench.tenths(list(bench.simulated(8)))
    assert set(found) == {*bench.MEASURES, bench.SNR}
    assert all(low <= median <= high for low, median, high in found.values())
