"""The benchmark of predictions runs, and its stages are those of what is timed."""

import os
from types import ModuleType, SimpleNamespace

import pytest

LINUX = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the benchmark sets its cores as Linux does")


@pytest.fixture
def bench(load_bench) -> ModuleType:
    return load_bench("bench_predict")


@LINUX
@pytest.mark.slow
def test_quick_run_measures_every_stage_and_states_every_target(quick_run):
    _, document, table, targets = quick_run("predict")
    assert len(targets) == 7
    common = {"decode", "detect", "cut", "heart rate", "rest"}
    stages = {
        "ensemble": common | {"mean colours", "formulas", "network", "cures", "judgement"},
        "pos": common | {"mean colours", "formulas"},
        "stgnet_released": common | {"network", "clips"},
    }
    for method, own in stages.items():
        rows = {row["stage"]: row for row in document["rows"] if row["method"] == method}
        assert set(rows) - {"first"} == own | {"whole", "streaming", "memory"}
        assert sum(rows[stage]["share"] for stage in own) == pytest.approx(1)
        assert rows["whole"]["p20"] <= rows["whole"]["frames_per_second"] <= rows["whole"]["p80"]
        assert rows["whole"]["times_real_time"] == pytest.approx(rows["whole"]["frames_per_second"] / 30)
        assert rows["streaming"]["first_number_seconds"] > 9.9
        assert rows["streaming"]["most_lag_seconds"] > 0
        assert rows["memory"]["peak_mb"] > 1
    assert [row["stage"] for row in table] == [row["stage"] for row in document["rows"]]


def test_the_stopwatch_counts_a_stage_without_those_inside_it(load_bench, monkeypatch):
    stopwatch, clock = load_bench("stopwatch"), [0.0]
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def work(seconds):
        clock[0] += seconds

    def made():
        for item in range(5):
            work(2)
            yield item

    watch = stopwatch.Stopwatch()
    with watch.stage("outer"):
        for _ in watch.made(made(), "made"):
            work(1)
        watch.timed(work, "inner")(3)
    assert watch.spent == {"rest": 0, "made": 10, "inner": 3, "outer": 5}


def test_targets_are_judged_by_the_method_that_they_name(bench):
    speeds = {"ensemble": 9.0, "pos": 20.0, "stgnet_released": 4.0}
    rows = [{"method": name, "stage": "whole", "times_real_time": speed} for name, speed in speeds.items()]
    rows.append({"method": "ensemble", "stage": "first", "seconds": 2.0})
    rows.append({"method": "pos", "stage": "rest", "share": 0.06})
    rows.append({"method": "stgnet_released", "stage": "streaming", "first_number_seconds": 11.5,
                 "most_lag_seconds": 2.5})  # fmt: skip
    ends = [target.line().rsplit(": ")[1] for target in bench.targets_of([row | {"size": "640×480"} for row in rows])]
    assert ends == ["missed by 1×", "missed by 1×", "reached", "reached", "missed by 1 %", "reached", "missed by 0.5 s"]
