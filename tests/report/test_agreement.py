import re
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rppg_graph.pulse.measure import Measurement
from rppg_graph.pulse.metrics import Metric
from rppg_graph.report.agreement import bland_altman, correlation, limits_of_agreement


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=60))
def test_limits_are_bias_and_196_sample_deviations(differences):
    limits = limits_of_agreement(differences)
    bias, deviation = statistics.fmean(differences), statistics.stdev(differences)  # the n − 1 form
    assert limits.n == len(differences)
    assert limits[1:] == pytest.approx((bias, bias - 1.96 * deviation, bias + 1.96 * deviation), abs=1e-9)


def test_limits_of_a_normal_sample_hold_95_percent():
    differences = np.random.default_rng(0).normal(2.0, 5.0, 20_000)
    limits = limits_of_agreement(differences)
    share = np.mean((differences > limits.low) & (differences < limits.high))
    assert share == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_differences_have_no_limits(n):
    assert limits_of_agreement([1.0] * n) == (n, None, None, None)


def rows(errors):
    return [Measurement(f"r{i}", f"s{i}", 0.0, 30.0, 70.0 + i, 70.0 + i + error) for i, error in enumerate(errors)]


def test_the_figure_draws_what_it_says():
    svg, caption, _ = bland_altman(rows([1.0, -1.0, 3.0]), "recordings", "pos", "m0")
    assert "Bias +1.00 bpm, limits −2.92 to +4.92 bpm, n = 3" in caption  # sd of 1, −1, 3 is 2
    dots = [float(y) for y in re.findall(r'cy="([\d.]+)"', svg)]
    lines = [float(y) for y in re.findall(r'class="dash" d="M\d+,([\d.]+)H', svg)]
    # +4.92, +1 and −2.92 on the same scale as the dots at 1, −1 and 3
    slope = (dots[1] - dots[0]) / -2
    assert lines == pytest.approx([dots[0] + slope * step for step in (3.92, 0, -3.92)], abs=0.3)
    assert "r1: 70.0 bpm, reference 71.0" in svg


def test_failed_rows_are_in_no_plot():
    failed = [Measurement("f", "f", 0.0, 30.0, None, 60.0, reason="flat")]
    assert bland_altman(rows([1, 2, 3]) + failed, "recordings", "pos", "m0").svg.count("<circle") == 3
    empty = bland_altman(failed, "recordings", "pos", "m0")
    assert "no heart rates to compare" in empty.svg
    assert "there are 0" in empty.caption
    none = correlation(failed, Metric(None, reason="because"), "recordings", "pos", "m0")
    assert "No correlation: because" in none.caption


def test_correlation_puts_equal_rates_on_the_diagonal():
    svg = correlation(rows([0.0, 0.0, 0.0]), Metric(1.0, n=3), "recordings", "pos", "m0").svg
    diagonal = re.search(r'class="line ref" d="M([\d.]+),([\d.]+)L([\d.]+),([\d.]+)"', svg)
    x0, y0, x1, y1 = map(float, diagonal.groups())
    dots = [tuple(map(float, dot)) for dot in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert len(dots) == 3
    assert [y for _, y in dots] == pytest.approx([y0 + (x - x0) / (x1 - x0) * (y1 - y0) for x, _ in dots], abs=0.2)
