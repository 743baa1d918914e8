import re

import numpy as np
import pytest

from rppg_graph.report.svg import LEFT, RIGHT, WIDTH, Plot, decimate, span_of, text_of, ticks


def test_decimation_keeps_every_peak_and_gap():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(54_321)
    y[[100, 40_000]] = 50, -50
    y[20_000:30_000] = np.nan
    x = np.arange(len(y), dtype=float)
    short_x, short_y = decimate(x, y, 300)
    assert len(short_x) == len(short_y) == 600
    assert (np.diff(short_x) >= 0).all()
    assert np.nanmax(short_y) == 50
    assert np.nanmin(short_y) == -50
    assert np.isnan(short_y).mean() == pytest.approx(10_000 / len(y), abs=0.01)


def test_a_short_line_is_not_thinned():
    x, y = np.arange(10.0), np.ones(10)
    assert decimate(x, y, 300) == (pytest.approx(x), pytest.approx(y))


def test_a_line_ends_at_the_axes_and_breaks_at_nan():
    plot = Plot((0.0, 4.0), (-1.0, 1.0), "time (s)", "BVP", 200)
    plot.line(np.arange(5.0), np.array([-1.0, 1.0, np.nan, 0.0, 1.0]), "m0")
    path = re.search(r'class="line m0" d="([^"]*)"', plot.svg("test"))[1]
    assert path.count("M") == 2
    points = [tuple(map(float, point)) for point in re.findall(r"[ML]([\d.]+),([\d.]+)", path)]
    assert points[0][0] == LEFT
    assert points[-1][0] == WIDTH - RIGHT
    assert points[0][1] > points[1][1]  # −1 lies below +1
    assert points[2][1] == pytest.approx((points[0][1] + points[1][1]) / 2, abs=0.1)


def test_ticks_are_round_and_inside_also_of_a_falling_axis():
    assert ticks((0.0, 10.0), 5) == [0, 2, 4, 6, 8, 10]
    assert sorted(ticks((8.0, 0.0), 4)) == [0, 2, 4, 6, 8]


def test_a_span_covers_all_finite_values():
    low, high = span_of([1.0, np.nan], [5.0], least=1.0)
    assert low < 1
    assert high > 5
    assert span_of([], [np.nan], least=10.0) == (0.0, 10.0)
    assert np.ptp(span_of([3.0], least=10.0)) == pytest.approx(10.0)


def test_minus_is_a_minus():
    assert text_of(-1.234) == "−1.23"


def test_text_is_escaped():
    plot = Plot((0, 1), (0, 1), "<x>", "<y>")
    plot.note("<note>")
    plot.dots([0.5], [0.5], "m0", ["<dot>"])
    svg = plot.svg('<"label">')
    for raw in ("<x>", "<y>", "<note>", "<dot>", '<"label'):
        assert raw not in svg
