import numpy as np
import pytest
from skin_maps import skin_maps

from rppg_graph import synthetic
from rppg_graph.synthetic.camera import motion_blur

EVERYWHERE = np.array([40.0, 30.0, 1000.0, 1000.0])  # an ellipse round the whole of an image of 60 rows, 80 columns


def edge() -> np.ndarray:
    linear = np.zeros((60, 80, 3), np.float32)
    linear[:, 40:] = 1.0
    return linear


@pytest.mark.parametrize("length", [1.0, 3.0, 4.5, 8.0])
def test_an_edge_becomes_a_ramp_as_long_as_the_way(length):
    linear = edge()
    motion_blur(linear, np.array([length, 0.0]), EVERYWHERE)
    profile = linear[30, :, 0].astype(float)
    density = np.diff(profile)  # a box of the way's length, and up to a quarter of variance for the pixels
    at = np.arange(len(density)) + 0.5
    assert density.min() > -1e-6
    mean = density @ at
    assert -0.03 < density @ (at - mean) ** 2 - length**2 / 12 < 0.27
    assert mean == pytest.approx(39.5, abs=1e-3)
    assert profile.sum() == pytest.approx(40, abs=1e-3)


def test_motion_along_an_edge_leaves_it_sharp():
    linear = edge()
    motion_blur(linear, np.array([0.0, 6.0]), EVERYWHERE)
    assert linear == pytest.approx(edge(), abs=1e-5)


def test_the_background_stays_sharp_and_slow_motion_changes_nothing():
    linear = edge()
    motion_blur(linear, np.array([5.0, 0.0]), np.array([40.0, 30.0, 8.0, 8.0]))
    assert np.abs(linear - edge())[30].max() > 0.3
    assert np.array_equal(linear[:15], edge()[:15])
    slow = edge()
    motion_blur(slow, np.array([0.2, 0.2]), EVERYWHERE)
    assert np.array_equal(slow, edge())


@pytest.mark.parametrize("centre", [(-500.0, 30.0), (40.0, 900.0), (81.0, 61.0)])
def test_a_head_outside_the_picture_is_no_error(centre):
    linear = edge()
    motion_blur(linear, np.array([5.0, 3.0]), np.array([*centre, 8.0, 8.0]))
    assert linear == pytest.approx(edge(), abs=1e-6)


@pytest.mark.slow
def test_an_open_shutter_smears_moving_faces_and_spares_still_ones(still):
    def sharpness(**overrides) -> float:
        recording = synthetic.generate("easy", 4, seconds=1, size=(120, 160), **still | overrides)
        frames = np.stack(list(recording.frames())).astype(float)
        skin = next(skin_maps(recording)) > 0.1
        return float(np.abs(np.gradient(frames[..., 1], axis=2))[:, skin].mean())

    moving = {"sway": 0.8, "motion_hz": 2.0}
    assert sharpness(**moving, shutter=1.0) < 0.9 * sharpness(**moving)
    assert sharpness(shutter=1.0) == sharpness()
