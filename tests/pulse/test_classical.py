"""Every classical method finds a pulse that obeys its own model, and says what it cannot use."""

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.protocols import prepare_native

SKIN = np.array([180.0, 120.0, 95.0])
BLOOD = np.array([0.33, 0.78, 0.53])  # relative strength of the pulse in R, G, B


@pytest.fixture(scope="module")
def face():
    """Make the mean colour of a face: blood darkens it by the pulse, light scales all channels alike."""

    def make(bpm=72.0, fps=30.0, seconds=30.0, light=0.0, noise=0.01):
        rng = np.random.default_rng(0)
        clock = np.arange(round(seconds * fps)) / fps
        pulse = np.sin(2 * np.pi * bpm / 60 * clock) + 0.3 * np.sin(4 * np.pi * bpm / 60 * clock)
        flicker = 1 + light * np.sin(2 * np.pi * 1.9 * clock + 1)
        colours = SKIN * (1 - 0.004 * pulse[:, None] * BLOOD) * flicker[:, None]
        return colours + noise * rng.standard_normal(colours.shape), pulse

    return make


@pytest.mark.parametrize("method", CLASSICAL.values(), ids=CLASSICAL)
@pytest.mark.parametrize(("bpm", "fps"), [(50, 15), (72, 30), (150, 30), (90, 61.3)])
def test_the_pulse_is_found_upright(method, face, bpm, fps):
    colours, pulse = face(bpm, fps)
    wave = method(colours, fps)
    assert wave.shape == pulse.shape
    assert wave.dtype == np.float64
    wave = prepare_native(wave, fps)
    assert heart_rate(wave, fps).bpm == pytest.approx(bpm, abs=0.5)
    assert np.corrcoef(wave, prepare_native(pulse, fps))[0, 1] > 0.8


@pytest.mark.parametrize("name", ["chrom", "pos", "lgi", "pbv", "omit"])
def test_changing_light_is_cancelled(name, face):
    """GREEN has no means against light, and ICA may choose it; the others see through ten times the pulse."""
    colours, _ = face(light=0.03)
    wave = prepare_native(CLASSICAL[name](colours, 30), 30)
    assert heart_rate(wave, 30).bpm == pytest.approx(72, abs=0.5)
    assert heart_rate(prepare_native(CLASSICAL["green"](colours, 30), 30), 30).bpm == pytest.approx(114, abs=0.5)


@pytest.mark.parametrize("method", CLASSICAL.values(), ids=CLASSICAL)
def test_the_scale_of_the_colours_does_not_matter(method, face):
    colours, _ = face()
    first, second = method(colours, 30), method(colours / 255, 30)
    assert abs(np.corrcoef(first, second)[0, 1]) > 0.9999


@pytest.mark.parametrize("method", CLASSICAL.values(), ids=CLASSICAL)
@pytest.mark.parametrize(
    ("colours", "message"),
    [
        (np.zeros((0, 3)), "at least one sample"),
        (np.ones((300, 2)), "red, green and blue"),
        (np.ones(300), "red, green and blue"),
        (np.ones((1, 3)), "1 frames|1 samples"),
        (np.zeros((300, 3)), "above zero"),
        (np.where(np.arange(300)[:, None] == 7, np.nan, 100.0) * np.ones(3), "frame 7"),
    ],
)
def test_bad_colours_are_named(method, colours, message):
    with pytest.raises(InputError, match=message):
        method(colours, 30)


@pytest.mark.parametrize("name", ["green", "chrom", "pos", "lgi", "pbv", "omit"])
def test_a_still_picture_has_no_pulse(name):
    wave = CLASSICAL[name](np.tile(SKIN, (600, 1)), 30)
    assert np.abs(wave).max() < 1e-6
    with pytest.raises(InputError, match="does not move"):
        CLASSICAL["ica"](np.tile(SKIN, (600, 1)), 30)


def test_pos_is_algorithm_1_line_by_line(face):
    colours, _ = face(light=0.01)
    length = 48
    expected, weight = np.zeros(len(colours)), np.zeros(len(colours))
    for start in range(len(colours) - length + 1):
        window = colours[start : start + length] / colours[start : start + length].mean(axis=0)
        s1, s2 = window @ [0, 1, -1], window @ [-2, 1, 1]
        pulse = s1 + s1.std() / s2.std() * s2
        expected[start : start + length] += pulse - pulse.mean()
        weight[start : start + length] += 1
    np.testing.assert_allclose(CLASSICAL["pos"](colours, 30), -expected / weight, atol=1e-12)
