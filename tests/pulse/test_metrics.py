"""Metrics against plain formulas, and what too few recordings cannot give."""

import numpy as np
import pytest
from scipy import stats

from rppg_graph.pulse.metrics import Sample, paired_difference, summarise


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(5)
    true = rng.uniform(55, 120, 30)
    found = true + rng.normal(0, 4, 30)
    return [
        Sample(f"subject{i // 2}", t, f, t / 50, 0.5 + f / 500)
        for i, (t, f) in enumerate(zip(true, found, strict=True))
    ]


def test_values_and_standard_errors(samples):
    true, found = np.array([s.reference_bpm for s in samples]), np.array([s.bpm for s in samples])
    error, n = found - true, len(true)
    metrics = summarise(samples)
    assert {m.n for m in metrics.values()} == {n}
    expected = {
        "MAE": (np.abs(error).mean(), np.abs(error).std() / np.sqrt(n)),
        "RMSE": (np.sqrt((error**2).mean()), np.sqrt((error**2).std() / np.sqrt(n))),
        "MAPE": ((np.abs(error) / true).mean() * 100, (np.abs(error) / true).std() * 100 / np.sqrt(n)),
        "r": (
            stats.pearsonr(true, found).statistic,
            np.sqrt((1 - stats.pearsonr(true, found).statistic ** 2) / (n - 2)),
        ),
        "SNR": ((true / 50).mean(), (true / 50).std() / np.sqrt(n)),
        "MACC": ((0.5 + found / 500).mean(), (found / 500).std() / np.sqrt(n)),
    }
    for name, (value, standard_error) in expected.items():
        assert metrics[name].value == pytest.approx(value, rel=1e-9), name
        assert metrics[name].standard_error == pytest.approx(standard_error, rel=1e-9), name
        assert metrics[name].low < value < metrics[name].high, name
        assert metrics[name].reason is None


def test_the_interval_is_a_bootstrap_over_subjects(samples):
    groups = [[s for s in samples if s.subject == name] for name in dict.fromkeys(s.subject for s in samples)]
    rng = np.random.default_rng(9)
    draws = {"MAE": [], "r": []}
    for _ in range(3000):
        drawn = [s for i in rng.integers(0, len(groups), len(groups)) for s in groups[i]]
        true, found = np.array([s.reference_bpm for s in drawn]), np.array([s.bpm for s in drawn])
        draws["MAE"].append(np.abs(found - true).mean())
        draws["r"].append(np.corrcoef(true, found)[0, 1])
    for name, values in draws.items():
        low, high = np.percentile(values, [2.5, 97.5])
        metric = summarise(samples)[name]
        assert metric.low == pytest.approx(low, abs=0.1 * (high - low))
        assert metric.high == pytest.approx(high, abs=0.1 * (high - low))


def test_a_subject_with_many_rows_widens_the_interval():
    rows = [Sample(f"s{i % 3}", 70, 70 + 5 * (i % 3)) for i in range(300)]
    apart = [Sample(f"s{i}", 70, 70 + 5 * (i % 3)) for i in range(300)]
    together, alone = summarise(rows)["MAE"], summarise(apart)["MAE"]
    assert together.value == alone.value == 5
    assert together.high - together.low > 5 * (alone.high - alone.low)


def test_one_recording_has_an_error_and_nothing_about_it():
    metrics = summarise([Sample("a", 70, 72, 1.0, 0.9)])
    assert metrics["MAE"].value == 2
    assert metrics["MAE"].standard_error is metrics["MAE"].low is metrics["MAE"].high is None
    assert "needs 3" in metrics["MAE"].reason
    assert metrics["r"].value is None
    assert "there are 1" in metrics["r"].reason


def test_two_recordings_have_no_correlation_and_no_interval():
    metrics = summarise([Sample("a", 70, 72), Sample("b", 80, 85)])
    assert metrics["MAE"].standard_error == pytest.approx(1.5 / np.sqrt(2))
    assert metrics["MAE"].low is None
    assert metrics["r"].value is None
    assert metrics["SNR"].value is None
    assert "no SNR among 2" in metrics["SNR"].reason


def test_all_recordings_failing_gives_reasons():
    metrics = summarise([Sample("a", 70, None), Sample("b", None, 80), Sample("c", None, None)])
    for metric in metrics.values():
        assert metric.value is None
        assert metric.n == 0
        assert metric.reason
    assert all(metric.value is None for metric in summarise([]).values())


def test_equal_rates_everywhere_have_no_correlation():
    metric = summarise([Sample(name, 70, 70 + i) for i, name in enumerate("abcd")])["r"]
    assert metric.value is None
    assert "the same everywhere" in metric.reason


def test_paired_difference():
    rng = np.random.default_rng(0)
    first = [Sample(f"s{i}", 80, 80 + e) for i, e in enumerate(rng.normal(0, 5, 40))]
    second = [Sample(s.subject, 80, 80 + 0.5 * (s.bpm - 80)) for s in first]
    difference = paired_difference(first, second)
    expected = -0.5 * np.mean([abs(s.bpm - 80) for s in first])
    assert difference.value == pytest.approx(expected)
    assert difference.low < expected < difference.high < 0
    none = paired_difference(first, [Sample(s.subject, 80, None) for s in first])
    assert none.value is None
    with pytest.raises(ValueError, match="same subjects"):
        paired_difference(first, second[:-1])
