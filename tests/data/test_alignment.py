"""Heart rates of labels and their lag behind a face, against signals made with a known answer."""

import re

import numpy as np
import pytest

from rppg_graph.data.alignment import label_figures, label_lag_seconds, reference_faults
from rppg_graph.data.face import FaceCropper
from rppg_graph.data.recordings import Reference, own_videos
from rppg_graph.data.skin import mean_rgb
from rppg_graph.data.video import read_video

OTHERS = "another person's or recording's label"
BLOOD = np.array([0.33, 0.77, 0.53])


def _pulse(seconds: np.ndarray) -> np.ndarray:
    """A pulse whose rate wanders around 72 bpm, so that a lag is not known up to a period only."""
    phase = 2 * np.pi * (1.2 * seconds + 0.3 * np.sin(2 * np.pi * seconds / 17))
    return np.cos(phase) + 0.3 * np.cos(2 * phase)


def _face(seconds: np.ndarray, lag: float) -> np.ndarray:
    """Mean skin colour whose pulse runs `lag` seconds ahead of _pulse; blood darkens the skin."""
    noise = np.random.default_rng(0).normal(0, 0.05, (len(seconds), 3))
    shade = 1 - 0.01 * _pulse(seconds + lag)[:, np.newaxis] * BLOOD
    return np.array([150, 110, 90]) * shade + noise


@pytest.mark.parametrize("lag", [-0.9, -0.2, 0.0, 0.4, 1.3])
def test_lag_is_found_on_uneven_clocks(lag):
    rng = np.random.default_rng(1)
    frames = np.cumsum(rng.uniform(0.02, 0.05, 900))
    frames -= frames[0]
    label = np.arange(-2, 35, 1 / 60)
    found = label_lag_seconds(frames, _face(frames, lag), Reference(label, _pulse(label)))
    assert found == pytest.approx(lag, abs=0.07)


def test_no_lag_is_told_without_a_pulse_or_without_ten_seconds():
    label = np.arange(0, 40, 1 / 60)
    reference = Reference(label, _pulse(label))
    frames = np.arange(0, 30, 1 / 30)
    noise = np.random.default_rng(0).normal(120, 1, (len(frames), 3))
    assert label_lag_seconds(frames, noise, reference) is None
    assert label_lag_seconds(frames, np.zeros((len(frames), 3)), reference) is None
    assert label_lag_seconds(frames[:200], _face(frames[:200], 0.0), reference) is None
    late = Reference(label + 25, reference.pulse)
    assert label_lag_seconds(frames, _face(frames, 0.0), late) is None


def test_heart_rates_of_the_trace_and_of_the_device():
    seconds = np.arange(0, 40, 1 / 60)
    pulse = np.sin(2 * np.pi * 1.5 * seconds)  # 90 bpm
    figures = label_figures(Reference(seconds, pulse))
    assert figures.bpm_range == pytest.approx((90, 90), abs=0.5)
    assert figures.device_difference_bpm is None
    device = np.where(seconds < 10, np.nan, 97.0)
    assert label_figures(Reference(seconds, pulse, device)).device_difference_bpm == pytest.approx(7, abs=0.5)
    only_device = label_figures(Reference(seconds, None, device + seconds / 40))
    assert only_device.bpm_range == pytest.approx((97.25, 98), abs=0.01)
    assert only_device.device_difference_bpm is None
    nothing = label_figures(Reference(seconds[:60], pulse[:60], np.full(60, np.nan)))
    assert nothing.bpm_range is None


FRAMES = np.arange(0, 25, 1 / 30)
LABEL = np.arange(0, 25, 1 / 60)


def _with_dead_stretch(first: float, length: float) -> np.ndarray:
    after = LABEL - first
    dead = _pulse(first) + 0.001 * np.sin(90 * LABEL)  # not quite still
    return np.where((after >= 0) & (after < length), dead, _pulse(LABEL))


BELIEVED = {
    "a pulse at 60 Hz": Reference(LABEL, _pulse(LABEL)),
    "a pulse at 5 Hz": Reference(LABEL[::12], _pulse(LABEL[::12])),
    "heart rates once a second": Reference(np.arange(25.0), None, np.full(25, 72.0)),
    "heart rates with single slips": Reference(np.arange(25.0), None, np.r_[np.full(23, 72.0), 1.0, 300.0]),
    "heart rates that the device never had": Reference(np.arange(25.0), None, np.full(25, np.nan)),
    "no heart rate, a good pulse": Reference(LABEL, _pulse(LABEL), np.full(len(LABEL), 2.0)),
    "still for 1.5 s": Reference(LABEL, _with_dead_stretch(8, 1.5)),
    "dead after the video": Reference(LABEL + 40, _with_dead_stretch(8, 10)),
}
NOT_BELIEVED = {
    "beats in ten seconds": (Reference(np.arange(25.0), None, np.full(25, 12.0)), "a heart rate of 12 bpm"),
    "beats a second": (Reference(np.arange(25.0), None, np.full(25, 1.2)), "1.2 bpm .* beats a second: multiply by 60"),
    "intervals in milliseconds": (Reference(np.arange(25.0), None, np.full(25, 830.0)), "a heart rate of 830 bpm"),
    "times in milliseconds": (Reference(1000 * LABEL, _pulse(LABEL)), "a pulse of 0.06 .* milliseconds, divide them"),
    "heart rates as a pulse": (
        Reference(np.arange(25.0), 72 + _pulse(np.arange(25.0))),
        "a pulse of 1 samples .* name the column bpm",
    ),
    "two samples a second": (Reference(LABEL[::30], _pulse(LABEL[::30])), "a pulse of 2 samples a second"),
    "still for 3 s": (
        Reference(LABEL, _with_dead_stretch(8, 3)),
        "the pulse does not move for 2 s or more from 8.0 s on",
    ),
    "dead from the middle on": (Reference(LABEL, _with_dead_stretch(12, 99)), "does not move .* from 12.0 s on"),
    "a hole": (
        Reference(np.delete(LABEL, slice(600, 780)), _pulse(np.delete(LABEL, slice(600, 780)))),
        "no sample for 3.0 s after 10.0 s",
    ),
}


@pytest.mark.parametrize("case", BELIEVED)
def test_a_sound_label_is_believed(case):
    assert reference_faults(BELIEVED[case], FRAMES) == []


@pytest.mark.parametrize("case", NOT_BELIEVED)
def test_a_label_that_no_heart_gives_is_not_believed(case):
    reference, message = NOT_BELIEVED[case]
    [fault] = reference_faults(reference, FRAMES)
    assert re.search(message, fault)


@pytest.mark.parametrize("rates_alone", [False, True])
@pytest.mark.parametrize("bpm", [50, 72, 100, 180])
def test_a_clear_pulse_in_the_face_speaks_against_another_persons_label_and_for_its_own(bpm, rates_alone):
    faces = FRAMES, _face(FRAMES, 0.0)  # of about 72 bpm
    pulse = np.cos(2 * np.pi * bpm / 60 * LABEL)
    reference = Reference(LABEL, None, np.full(len(LABEL), float(bpm))) if rates_alone else Reference(LABEL, pulse)
    faults = reference_faults(reference, FRAMES, faces)
    assert faults == ([] if bpm == 72 else [f"{bpm} bpm, but the face has 72 by POS and CHROM alike: {OTHERS}"])


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_a_pulse_that_the_video_lost_does_not_speak_against_the_label(noise):
    seconds = np.arange(0, 60, 1 / 30)
    skin = np.array([150, 110, 90]) + np.random.default_rng(4).normal(0, noise, (len(seconds), 3))
    label = np.arange(0, 60, 1 / 60)
    assert reference_faults(Reference(label, _pulse(label)), seconds, (seconds, skin)) == []


def test_a_lamp_beside_the_pulse_does_not_speak_against_the_label():
    lamp = 1 + 0.02 * np.sin(2 * np.pi * 1.6 * FRAMES)[:, np.newaxis] * np.array([1.0, 0.9, 0.7])
    faces = FRAMES, _face(FRAMES, 0.0) * lamp
    assert reference_faults(Reference(LABEL, _pulse(LABEL)), FRAMES, faces) == []


@pytest.mark.slow  # a video of 25 s is decoded
def test_wrong_labels_of_a_real_file_are_told_from_right_ones(shared_data):
    crops = FaceCropper(policy="skip").crops(read_video(shared_data / "disturbed" / "p72_clean.mp4"))
    seconds, rgb = map(np.array, zip(*((face.seconds, mean_rgb(face.crop)) for face in crops), strict=True))
    labels = sorted((shared_data / "disturbed" / "labels").glob("*.csv"))
    assert len(labels) == 7
    for path in labels:
        assert len(reference_faults(own_videos.read_reference(path), seconds, (seconds, rgb))) == 1, path.name
    right = np.cos(2 * np.pi * 1.2 * LABEL)
    assert reference_faults(Reference(LABEL, right), seconds, (seconds, rgb)) == []
    assert reference_faults(Reference(np.arange(25.0), None, np.full(25, 72.0)), seconds, (seconds, rgb)) == []
