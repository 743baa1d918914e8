"""The benchmark of the pipeline runs, and its videos are what its figures are said to be of."""

import os
from types import ModuleType

import numpy as np
import pytest

from rppg_graph.data.video import probe, read_video

LINUX = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the benchmark sets its cores as Linux does")


@pytest.fixture
def bench(load_bench) -> ModuleType:
    return load_bench("bench_pipeline")


@LINUX
@pytest.mark.slow
def test_quick_run_measures_every_stage_and_states_every_target(quick_run):
    _, document, table, targets = quick_run("pipeline")
    assert len(targets) == 4
    rows = {row["stage"]: row for row in document["rows"]}
    assert all(row["p20"] <= row["frames_per_second"] <= row["p80"] for row in rows.values() if "p20" in row)
    assert {"decode", "detect", "crop", "write", "preprocess", "training"} < set(rows)
    assert rows["preprocess"]["frames"] == 2 * 240
    assert rows["detection in preprocess"]["detections"] == pytest.approx(240 / 6, abs=2)
    assert 0 < rows["detection in preprocess"]["share"] < 1
    assert rows["memory of preprocess"]["peak_mb"] > 1
    assert 0 <= rows["training"]["waiting_for_data"] < 1
    assert [row["stage"] for row in table] == [row["stage"] for row in document["rows"]]


def test_a_repeated_video_is_its_frames_again_and_again(bench, tmp_path):
    source = bench.render(tmp_path, (160, 120), 1)
    once = [rgb for _, rgb in read_video(source.video)]
    (recording,) = bench.recordings_of(source, tmp_path / "long", seconds=5, count=1)
    seconds, frames = zip(*recording.frames(), strict=True)
    assert len(once) == 60
    np.testing.assert_array_equal(np.stack(frames), np.stack(once * 3))
    np.testing.assert_allclose(seconds, np.arange(180) / 30, atol=1e-4)
    assert probe(recording.files[1]).seconds == pytest.approx(6)
    reference = recording.reference()
    np.testing.assert_allclose(reference.seconds, seconds, atol=1e-4)
    np.testing.assert_allclose(reference.pulse, np.tile(source.pulse, 3), atol=1e-5)


@LINUX
def test_cores_are_given_back(bench):
    own = os.sched_getaffinity(0)
    with bench.on_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == own


def test_targets_are_judged_by_the_rows_that_they_name(bench):
    rows = [{"stage": "preprocess", "size": "640×480", "cores": n, "times_real_time": 8.0 * n} for n in (1, 2)]
    rows += [{"stage": "detection in preprocess", "size": "640×480", "share": 0.6}]
    rows += [{"stage": "memory of preprocess", "peak_mb": peak} for peak in (100.0, 110.0)]
    rows += [{"stage": "training", "waiting_for_data": share} for share in (0.2, 0.01)]
    ends = [target.line().rsplit(": ")[1] for target in bench.targets_of(rows, bench.FULL)]
    assert ends == ["reached", "missed by 10 %", "reached", "missed by 15 %"]
