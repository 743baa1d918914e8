import numpy as np
import pytest
import torch

from rppg_graph.data.video import probe, read_pictures, write_video


@pytest.fixture
def readings(load_bench):
    return load_bench("readings")


def test_a_copy_keeps_two_frames_of_three_and_has_a_key_frame_every_thirty(readings, tmp_path):
    picture = np.random.default_rng(0).integers(40, 200, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    video = write_video(tmp_path / "a.mp4", [picture + np.uint8(i % 30) for i in range(96)], 30)
    kept = readings._recode(video, tmp_path / "b.mp4", 250)
    np.testing.assert_array_equal(kept, np.ceil(np.arange(64) * 1.5))
    assert probe(tmp_path / "b.mp4").fps == pytest.approx(20)
    read = list(read_pictures(tmp_path / "b.mp4"))
    assert [i for i, (*_, key) in enumerate(read) if key] == [0, 30, 60]
    levels = [shown.rgb.mean() for _, shown, _ in read]
    np.testing.assert_allclose(levels, [picture.mean() + i % 30 for i in kept], atol=4)


def test_a_summary_is_over_windows_and_its_interval_over_people(readings):
    found = readings.summary([[0.0, 2.0], [10.0], [1.0, 1.0, 4.0]])
    assert found["mae_bpm"] == pytest.approx(3)
    assert found["within_5_percent"] == pytest.approx(100 * 5 / 6)
    assert (found["n"], found["people"]) == (6, 3)
    assert found["mae_bpm_low"] == pytest.approx(1)  # the first person thrice
    assert found["mae_bpm_high"] == pytest.approx(10)


def test_each_formula_on_each_mask_is_a_reading(readings):
    methods = readings.readings(torch.nn.Identity())
    assert len(methods) == 7 * 3 + 4
    assert {"network", "ensemble", "ensemble with network", "default"} <= methods.keys()
    assert methods["default"].judge is not None
