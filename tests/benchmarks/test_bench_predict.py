"""The benchmark of predictions runs, and its stages are those of what is timed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
LINUX = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the benchmark sets its cores as Linux does")


@pytest.fixture
def bench(load_bench) -> ModuleType:
    return load_bench("bench_predict")


@LINUX
@pytest.mark.slow
def test_quick_run_measures_every_stage_and_states_every_target(quick_run):
    _, document, table, targets = quick_run("predict")
    assert len(targets) == 3
    stages = {"decode", "detect and crop", "method", "filters and heart rate"}
    for method in ("pos", "stgnet_small", "stgnet_released"):
        rows = {row["stage"]: row for row in document["rows"] if row["method"] == method}
        assert set(rows) == stages | {"whole", "streaming", "memory"}
        assert sum(rows[stage]["share"] for stage in stages) == pytest.approx(1)
        assert rows["whole"]["p20"] <= rows["whole"]["frames_per_second"] <= rows["whole"]["p80"]
        assert rows["whole"]["times_real_time"] == pytest.approx(rows["whole"]["frames_per_second"] / 30)
        assert rows["streaming"]["first_number_seconds"] > 9.9
        assert rows["streaming"]["most_lag_seconds"] > 0
        assert rows["memory"]["peak_mb"] > 1
    assert [row["stage"] for row in table] == [row["stage"] for row in document["rows"]]


def test_the_stopwatch_counts_the_making_of_items_not_their_use(bench):
    def made():
        for item in range(5):
            time.sleep(0.02)
            yield item

    spent = {"made": 0.0}
    for _ in bench._watched(made(), spent, "made"):
        time.sleep(0.05)
    assert 0.1 <= spent["made"] < 0.2


def test_targets_are_judged_by_the_network_that_they_name(bench):
    rows = [{"method": name, "stage": "whole", "size": "640×480", "times_real_time": speed}
            for name, speed in (("pos", 20.0), ("stgnet_released", 4.0))]  # fmt: skip
    rows.append({"method": "stgnet_released", "stage": "streaming", "first_number_seconds": 11.5,
                 "most_lag_seconds": 2.5})  # fmt: skip
    ends = [target.line().rsplit(": ")[1] for target in bench.targets_of(rows)]
    assert ends == ["missed by 1×", "reached", "missed by 0.5 s"]
