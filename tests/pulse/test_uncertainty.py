"""The worth of an uncertainty, against brute force and against draws whose truth is known."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.measure import Measurement, Wave, measure
from rppg_graph.pulse.protocols import PROTOCOLS
from rppg_graph.pulse.uncertainty import (
    Calibration,
    area_under,
    assess,
    deviation_bpm,
    fit_calibration,
    fit_temperature,
    refusal_threshold,
    risk_coverage,
    share_inside,
)

FPS = 30.0


def row(quality: float, sd: float | None, error: float, name: str = "a") -> Measurement:
    return Measurement(name, name, 0.0, 10.0, reference_bpm=70.0, bpm=70.0 + error, quality=quality, mc_sd_bpm=sd)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=5))
def test_curve_is_the_mean_over_all_orders_that_the_uncertainty_allows(pairs):
    uncertainty, error = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    orders = [o for o in itertools.permutations(range(len(pairs))) if (np.diff(uncertainty[list(o)]) >= 0).all()]
    curves = [[error[list(o[:k])].mean() for k in range(1, len(o) + 1)] for o in orders]
    np.testing.assert_allclose(risk_coverage(uncertainty, error), np.mean(curves, axis=0), atol=1e-9)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_oracle_is_the_least_area_and_random_the_mean_error(errors, random):
    error = np.array(errors)
    orders = list(itertools.permutations(range(len(errors))))
    areas = [area_under(risk_coverage(np.argsort(order).astype(float), error)) for order in orders]
    assert area_under(risk_coverage(error, error)) == pytest.approx(min(areas), abs=1e-9)
    assert error.mean() == pytest.approx(np.mean(areas), abs=1e-9)


def test_temperature_makes_the_share_right_on_new_draws():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        sd = rng.uniform(0.2, 5, 140)
        error = np.abs(rng.normal(0, 3.7 * sd))
        temperature = fit_temperature(sd[:40], error[:40], np.arange(40))
        shares.append(share_inside(sd[40:], error[40:], temperature))
    # the 39th smallest of 40 leaves 2/41 outside on average
    assert np.mean(shares) == pytest.approx(39 / 41, abs=4 * np.std(shares) / np.sqrt(300))
    assert fit_temperature(sd, np.abs(rng.normal(0, 3.7 * sd)), np.arange(140)) == pytest.approx(3.7, rel=0.5)


@pytest.mark.parametrize("windows", [0, 1, 18])
def test_too_few_windows_fit_nothing(windows):
    assert fit_temperature(np.ones(windows), np.ones(windows), np.arange(windows)) is None
    assert refusal_threshold(np.ones(windows), np.full(windows, 50.0)) is None


def test_many_windows_of_few_recordings_are_few():
    assert fit_temperature(np.ones(1000), np.ones(1000), np.arange(1000) % 18) is None
    assert fit_temperature(np.ones(1000), np.ones(1000), np.arange(1000) % 19) == pytest.approx(1 / 1.96)
    rows = [row(0.5, None, 2.0, f"r{i % 18}") for i in range(200)]
    assert fit_calibration(rows).interval_bpm(0.5, None) is None
    assert "no interval, which 19 recordings are needed for" in fit_calibration(rows).summary()
    assert Calibration("quality", 3.0, None, 19, 8).interval_bpm(0.5, None) is None  # as files of before have it


def test_the_share_is_right_for_recordings_to_come_though_windows_of_one_are_alike():
    rng = np.random.default_rng(0)

    def windows(recordings: int) -> tuple[np.ndarray, np.ndarray]:
        """Twelve windows of each recording, whose errors share most of their size."""
        size = np.repeat(np.exp(rng.normal(0, 1.0, recordings)), 12)
        return size * np.abs(rng.normal(1, 0.2, len(size))), np.repeat(np.arange(recordings), 12)

    inside = []
    for _ in range(300):
        error, names = windows(39)
        temperature = fit_temperature(np.ones(len(error)), error, names)
        new, _ = windows(20)
        inside.append(share_inside(np.ones(len(new)), new, temperature))
    assert np.mean(inside) == pytest.approx(38 / 40, abs=4 * np.std(inside) / np.sqrt(300))


def test_an_interval_is_never_zero():
    assert fit_temperature(np.ones(40), np.zeros(40), np.arange(40)) is None
    rows = [row(1.0, 0.0, 0.5, f"r{i}") for i in range(40)]
    assert fit_calibration(rows).interval_bpm(1.0, None) == pytest.approx(0.5)
    assert fit_calibration(rows, "half").interval_bpm(1.0, 0.0) == pytest.approx(0.5)


@given(st.integers(19, 60), st.integers(0, 1000))
def test_threshold_is_where_an_isotonic_regression_passes_five_bpm(windows, seed):
    rng = np.random.default_rng(seed)
    uncertainty = rng.integers(0, 12, windows).astype(float)  # with ties
    error = np.abs(rng.normal(0, 1 + uncertainty))
    expected = IsotonicRegression().fit(uncertainty, error).predict(uncertainty)
    threshold = refusal_threshold(uncertainty, error)
    if (expected <= 5).all():
        assert threshold is None
    else:
        assert threshold == uncertainty[expected <= 5].max(initial=0.0)


def test_threshold_finds_a_known_change():
    rng = np.random.default_rng(1)
    uncertainty = rng.uniform(0, 1, 4000)
    error = np.where(uncertainty < 0.6, 1.0, 30.0) * rng.uniform(0.5, 1.5, 4000)
    assert refusal_threshold(uncertainty, error) == pytest.approx(0.6, abs=0.01)
    assert refusal_threshold(uncertainty, np.full(4000, 30.0)) == 0.0
    assert refusal_threshold(uncertainty, np.full(4000, 1.0)) is None


def test_deviation_counts_only_heart_rates():
    assert deviation_bpm([60, 64, None, np.nan]) == pytest.approx(np.sqrt(8))
    assert deviation_bpm([60, None]) is None
    assert deviation_bpm([]) is None


def test_calibration_says_how_sure_and_refuses():
    rng = np.random.default_rng(2)
    quality = rng.uniform(0, 1, 200)
    error = np.where(quality > 0.4, 0.5, 40.0) * rng.uniform(0.8, 1.2, 200)
    names = [f"r{i % 40}" for i in range(200)]
    calibration = fit_calibration([row(q, None, e, n) for q, e, n in zip(quality, error, names, strict=True)])
    assert (calibration.source, calibration.rate) == ("quality", None)
    assert (calibration.windows, calibration.recordings) == (200, 40)
    assert calibration.refusal(0.9, None) is None
    assert "signal quality is 0.10" in calibration.refusal(0.1, None)
    assert calibration.interval_bpm(0.7, None) == pytest.approx(1.96 * calibration.temperature * 0.3)
    assert Calibration(**json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_calibration_by_samples():
    rng = np.random.default_rng(3)
    rows = [row(0.9, sd, sd * rng.normal(0, 4), f"r{i}") for i, sd in enumerate(rng.uniform(0.1, 20, 300))]
    calibration = fit_calibration(rows, "half")
    assert (calibration.source, calibration.rate) == ("mc", "half")
    assert calibration.temperature == pytest.approx(4, rel=0.3)
    assert calibration.interval_bpm(0.0, None) is None
    assert calibration.refusal(0.0, None) is None
    assert "scatter by 19.0 bpm" in calibration.refusal(1.0, 19.0)


def test_assessment_of_perfect_and_of_useless_uncertainty():
    errors = np.arange(1.0, 41.0)
    perfect = assess([row(0.5, e, e) for e in errors])
    assert perfect["source"] == "mc"
    assert perfect["area_bpm"] == perfect["area_oracle_bpm"] < perfect["area_random_bpm"] == errors.mean()
    assert perfect["share_inside"] == 1.0
    assert perfect["curve_bpm"][-1] == pytest.approx(errors.mean())
    useless = assess([row(0.5, None, e) for e in errors], Calibration("mc", 1.0, 1.0, 40, 40, "half"))
    assert useless["area_bpm"] == pytest.approx(useless["area_random_bpm"])
    assert useless["share_inside"] is useless["temperature"] is None  # that calibration is of another source
    known = assess([row(0.5, e, 3 * e) for e in errors], Calibration("mc", 2.0, 10.0, 40, 40, "half"))
    assert (known["share_inside"], known["share_inside_calibrated"], known["refused"]) == (0.0, 1.0, 0.75)
    assert known["error_kept_bpm"] == pytest.approx(3 * 5.5)
    assert assess([Measurement("a", "a", 0.0, 10.0)]) is None


def pulse(bpm: float, seconds: float = 20) -> np.ndarray:
    return np.sin(2 * np.pi * bpm / 60 * np.arange(int(FPS * seconds)) / FPS)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_samples_give_every_row_the_deviation_of_their_rates(protocol):
    rates = [60.0, 66.0, 84.0]
    samples = np.stack([pulse(bpm) for bpm in rates])
    wave = Wave("a", "a", pulse(70), pulse(70), FPS, samples=samples)
    result = evaluate_waves([wave], protocol, 10.0)
    for measured in (*result.recordings, *result.windows):
        assert measured.mc_sd_bpm == pytest.approx(np.std(rates, ddof=1), abs=2.0)
    plain = evaluate_waves([Wave("a", "a", pulse(70), pulse(70), FPS)], protocol, 10.0)
    assert [w.mc_sd_bpm for w in plain.windows] == [None] * 2


def test_windows_may_overlap():
    rows = measure(Wave("a", "a", pulse(70), pulse(72), FPS), PROTOCOLS["native"], "fft", 10.0, 1.0)
    assert [r.start_seconds for r in rows] == list(range(11))
    assert all(r.error_bpm == pytest.approx(-2, abs=0.2) for r in rows)
