"""The pulse while it is filmed: in time, bounded, honest about what it lacks, and the wave that ``predict`` has."""

import gc
import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from beating import Green, faces_of

from rppg_graph.data.face import FaceCropper
from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.data.video import read_pictures, read_video
from rppg_graph.errors import InputError
from rppg_graph.inference.ensemble import Ensemble
from rppg_graph.inference.methods import ClassicalMethod, JoinedMethod, NetworkMethod
from rppg_graph.inference.predict import Stream, predict_video
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.uncertainty import Calibration

FPS, WINDOW, LATENCY = 30.0, 10.0, 2.0


def network(seconds: float = 0.0, clip_frames: int = 160) -> NetworkMethod:
    return NetworkMethod(Green(seconds=seconds), "green network", clip_frames, FPS, 8)


METHODS = [
    pytest.param(ClassicalMethod("pos"), id="pos"),
    pytest.param(network(), id="network"),
    pytest.param(JoinedMethod(network(), ClassicalMethod("pos")), id="both"),
    pytest.param(Ensemble(), id="ensemble"),
]


@pytest.fixture(autouse=True)
def bright_is_a_face(monkeypatch):
    """A detector that takes every picture that is not dark for a face, for pictures that are one colour."""
    face = np.array([[24.0, 24.0, 48.0, 48.0]])
    monkeypatch.setitem(FACE_DETECTORS, "bright", lambda: lambda rgb: face if rgb.max() > 20 else np.empty((0, 4)))


def pictures(bpm: np.ndarray, fps: float = FPS, dark: tuple[float, float] = (0.0, 0.0), start: float = 0.0):
    """Pictures whose green falls with each beat of a heart rate (T,), with the noise of a camera's sensor."""
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.cumsum(bpm / 60) / fps
    for i, angle in enumerate(phase):
        colour = np.array([150, 110, 90]) * (1 + np.array([0.005, 0.015, 0.008]) * -np.sin(angle))
        rgb = np.clip(colour + rng.normal(0, 4, (96, 96, 3)), 0, 255).round().astype(np.uint8)
        yield start + i / fps, rgb * (not dark[0] <= i / fps < dark[1])


def updates(stream: Stream, frames) -> list:
    return [update for seconds, rgb in frames if (update := stream.push(seconds, rgb)) is not None]


def follow(method, frames, **options) -> list:
    return updates(Stream(method, FPS, detector="bright", real_time=False, **options), frames)


@pytest.mark.parametrize("method", METHODS)
def test_a_number_comes_soon_after_the_window_is_full(method):
    found = follow(method, pictures(np.full(540, 72.0), dark=(0.0, 3.0), start=1000.0))
    early = [u for u in found if u.seconds < 1000 + 3 + WINDOW - 0.1]
    assert all(u.bpm is None and u.reason and not len(u.wave) and u.lag_seconds is None for u in early)
    assert {"no face has been in view yet"} < {u.reason for u in early}
    with_number = [u for u in found if u.bpm is not None]
    assert with_number[0].seconds <= 1000 + 3 + WINDOW + LATENCY
    assert all(u.bpm == pytest.approx(72, abs=1.5) and u.quality > 0.5 for u in with_number)
    assert all(len(u.wave) == len(u.wave_seconds) == 300 for u in with_number)
    assert all(u.seconds - u.wave_seconds[-1] <= u.lag_seconds <= LATENCY for u in with_number)
    assert max(np.diff([u.seconds for u in found])) < 1.5


@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_the_heart_rate_is_followed_within_the_window_and_two_seconds(method):
    bpm = np.where(np.arange(1050) < 540, 60.0, 95.0)  # at 18 s
    found = follow(method, pictures(bpm))
    before = [u.bpm for u in found if 12 < u.seconds < 18]
    after = [u.bpm for u in found if u.seconds >= 18 + WINDOW + LATENCY]
    assert before == pytest.approx([60] * len(before), abs=2)
    assert after == pytest.approx([95] * len(after), abs=2)
    assert min(len(before), len(after)) >= 4


@pytest.mark.parametrize("method", METHODS)
def test_the_wave_is_that_of_the_pictures(method):
    found = follow(method, pictures(np.full(420, 72.0)))[-1]
    expected = np.sin(2 * np.pi * 1.2 * (found.wave_seconds + 1 / FPS))
    assert np.corrcoef(found.wave, expected)[0, 1] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "step_seconds", "not_final"),
    # POS adds up windows of 1.6 s; the network's half clips overlap as those of predict, and the last one may move.
    [(ClassicalMethod("pos"), 1.0, 49), (NetworkMethod(Green(), "green", 60, FPS, 32), 1.0, 60)],
)
def test_what_is_final_is_what_predict_has(face_video, method, step_seconds, not_final):
    """A stream that forgets as it goes gives, sample for sample, the wave of the whole video."""
    faces = list(FaceCropper(32).crops(read_video(face_video[0])))
    whole = method.wave(faces, FPS)
    stream, checked = method.stream(FPS, step_seconds), 0
    for face in faces:
        if not stream.push(face) or face.seconds < 8:
            continue
        stream.forget(face.seconds - 6)
        raw = stream.result()
        assert raw.start == pytest.approx((face.seconds - 6) * FPS, abs=1)
        kept = slice(not_final, len(raw.bvp) - not_final)
        same = whole.bvp[raw.start : raw.start + len(raw.bvp)]
        np.testing.assert_allclose(raw.bvp[kept], same[kept], atol=1e-6 * same.std())
        checked += 1
    assert checked >= 5


@pytest.mark.slow
def test_a_real_face_as_predict_sees_it(face_video):
    video, method = face_video[0], ClassicalMethod("pos")
    frames = ((seconds, picture) for seconds, picture, _ in read_pictures(video))
    found = updates(Stream(method, FPS, real_time=False), frames)
    prediction = predict_video(video, method)
    last = found[-1]
    assert last.bpm == pytest.approx(prediction.rate.bpm, abs=2)
    assert last.face_share > 0.95
    inner = slice(30, -30)  # a filter's edge: the stream knows nothing of what follows
    np.testing.assert_allclose(np.interp(last.wave_seconds, prediction.seconds, prediction.bvp)[inner],
                               last.wave[inner], atol=0.1 * prediction.bvp.std())  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_lost_face_is_said_and_begins_a_new_window(method):
    found = follow(method, pictures(np.full(930, 72.0), dark=(13.0, 16.0)))
    reasons = {u.seconds: u.reason for u in found if u.bpm is None and u.seconds > 13}
    lost = [t for t, reason in reasons.items() if reason.startswith(("no face for", "no new picture for"))]
    assert 13.5 < lost[0] < lost[-1] < 16.1
    assert any(reason.startswith("a face for") for reason in reasons.values())
    again = [u for u in found if u.seconds > 16 and u.bpm is not None]
    assert 16 + WINDOW - 0.1 < again[0].seconds <= 16 + WINDOW + LATENCY
    assert again[0].wave_seconds[0] >= 15.9
    assert again[-1].bpm == pytest.approx(72, abs=1.5)


@pytest.mark.parametrize("method", METHODS)
def test_frames_that_are_missing_begin_a_new_window(method):
    frames = [frame for frame in pictures(np.full(750, 72.0)) if not 12 < frame[0] < 12.7]
    found = follow(method, frames)
    assert all(u.bpm is None for u in found if 12.8 < u.seconds < 22.6)
    assert found[-1].bpm == pytest.approx(72, abs=1.5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0), (255, 255, 255)], ids=["black", "green", "white"])
def test_frames_of_one_colour_are_bridged(method, colour):
    frames = [(at, np.full_like(rgb, colour) if 5.0 <= at < 5.09 else rgb) for at, rgb in pictures(np.full(400, 72.0))]
    found = [u for u in follow(method, frames) if u.seconds > WINDOW + LATENCY]
    assert [u.bpm for u in found] == pytest.approx([72] * len(found), abs=1.5)


@pytest.mark.parametrize("repeats", [True, False], ids=["repeats", "delivers nothing"])
def test_a_camera_that_hangs_begins_a_new_window(repeats):
    frames, hung = list(pictures(np.full(1000, 72.0))), None
    for number, (at, _) in enumerate(frames):
        hung = number if hung is None and at >= 14 else hung
        if 14 <= at < 22:
            frames[number] = (at, frames[hung][1]) if repeats else None
    found = follow(ClassicalMethod("pos"), [frame for frame in frames if frame is not None])
    without = [u for u in found if 14.8 < u.seconds < 22 + WINDOW - 0.3]
    assert all(u.bpm is None for u in without)
    assert not repeats or any("no new picture for" in u.reason for u in without)
    assert found[-1].bpm == pytest.approx(72, abs=1.5)


@pytest.mark.parametrize(("grey", "scale", "reason"), [(True, 1.0, "is grey"), (False, 0.5, r"24 pixels high")])
def test_what_stands_in_the_way_is_said(monkeypatch, grey, scale, reason):
    face = np.array([[24.0, 24.0, 48.0 * scale, 48.0 * scale]])
    monkeypatch.setitem(FACE_DETECTORS, "bright", lambda: lambda rgb: face)
    frames = [(at, np.repeat(rgb[..., :1], 3, axis=2) if grey else rgb) for at, rgb in pictures(np.full(60, 72.0))]
    found = follow(ClassicalMethod("pos"), frames)
    assert reason in found[-1].reason


def test_a_blink_of_the_detector_changes_nothing(monkeypatch):
    calls = itertools.count()  # one in six frames, as long as the face is found
    face = np.array([[24.0, 24.0, 48.0, 48.0]])
    monkeypatch.setitem(FACE_DETECTORS, "bright", lambda: lambda rgb: face[: 0 if 60 <= next(calls) < 70 else 1])
    found = follow(ClassicalMethod("pos"), pictures(np.full(450, 72.0)))
    assert min(u.face_share for u in found) < 0.99
    assert all(u.bpm is not None for u in found if u.seconds > 12)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS[:3])
def test_memory_does_not_grow_with_time(method, monkeypatch):
    monkeypatch.setattr("rppg_graph.inference.stream.KEPT_SECONDS", 10.0)  # so that it is full at the first look
    stream, size = Stream(method, 15.0, detector="bright", real_time=False), {}
    tracemalloc.start()
    try:
        for seconds, rgb in pictures(np.full(15 * 121, 72.0), fps=15.0):
            stream.push(seconds, rgb)
            if seconds in (60.0, 120.0):  # when all that is made once is there
                gc.collect()
                size[seconds] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size[120.0] - size[60.0] < 48 * 60 * 15  # a row of a deque takes 100 bytes, a colour 200, a crop 300


@pytest.mark.slow
def test_a_slow_network_leaves_out_steps_and_says_so():
    method = network(seconds=0.7, clip_frames=60)
    options = {"detector": "bright", "window_seconds": 4.0, "step_seconds": 0.5}
    found = updates(Stream(method, FPS, **options), pictures(np.full(240, 72.0)))
    assert 4 <= found[-1].skipped_steps < 12  # of 13, and one in two can be computed
    assert found[-1].bpm == pytest.approx(72, abs=3)
    assert found[-1].speed < 1.5
    every = updates(Stream(method, FPS, **options, real_time=False), pictures(np.full(200, 72.0)))
    assert every[-1].skipped_steps == 0
    assert every[-1].speed < 1


@pytest.mark.slow
def test_a_network_that_is_far_too_slow_gives_a_reason():
    method = network(seconds=1.5, clip_frames=30)
    stream = Stream(method, FPS, detector="bright", window_seconds=3.0, step_seconds=0.5)
    last = updates(stream, pictures(np.full(165, 72.0)))[-1]
    assert last.bpm is None
    assert last.reason == f"computing is slower than the frames come: {last.skipped_steps} steps were left out"
    assert last.skipped_steps >= 2


def test_a_window_is_no_shorter_than_a_clip():
    assert Stream(network(clip_frames=450)).window_seconds == 15
    assert Stream(network()).window_seconds == Stream(ClassicalMethod()).window_seconds == WINDOW
    with pytest.raises(InputError, match=r"window_seconds=5: green network needs a window of 5\.3"):
        Stream(network(), window_seconds=5)
    with pytest.raises(InputError, match="step_seconds=0: "):
        Stream(network(), step_seconds=0)
    with pytest.raises(InputError, match="fps is 0"):
        Stream(network(), fps=0)


@pytest.mark.parametrize("seconds", [0.4, 0.3, float("nan"), float("inf"), -1.0])
def test_times_that_do_not_rise_are_named(seconds):
    stream = Stream(ClassicalMethod(), detector="bright")
    for _, (at, rgb) in zip(range(2), pictures(np.full(2, 72.0), fps=2.5), strict=True):
        stream.push(at, rgb)
    with pytest.raises(InputError, match=rf"frame 2: its time is {seconds:.4f} s, after 0\.4000 s of the frame before"):
        stream.push(seconds, rgb)
    assert stream.push(0.5, rgb) is None  # and what comes in order goes on


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 4), (32, 32, 3)])
def test_pictures_of_another_kind_are_refused(shape):
    dtype = np.float32 if shape == (32, 32, 3) else np.uint8
    with pytest.raises(InputError, match=r"frame 0 is (uint8|float32) \(32, 32.*uint8 \(H, W, 3\)"):
        Stream(ClassicalMethod()).push(0.0, np.ones(shape, dtype))


def test_black_pictures_are_no_face_even_where_a_box_is_held():
    found = follow(ClassicalMethod("pos"), pictures(np.full(540, 72.0), dark=(5.0, 5.9)))
    assert all(u.bpm is None for u in found if u.seconds < 5.9 + WINDOW - 0.1)  # a box is held for a second
    assert found[-1].bpm == pytest.approx(72, abs=1.5)


def test_a_colour_that_is_lost_for_long_begins_a_new_window():
    frames = [(at, rgb * np.uint8([1, 1, not 6 < at < 8])) for at, rgb in pictures(np.full(780, 72.0))]
    found = follow(ClassicalMethod("pos", skin=False), frames)
    assert any(u.reason.startswith("no face for") for u in found if 6.5 < u.seconds < 8.2)
    assert all(u.bpm is None for u in found if u.seconds < 8 + WINDOW - 0.3)
    assert found[-1].bpm == pytest.approx(72, abs=1.5)


def test_a_guess_is_no_number():
    calibration = Calibration("quality", 2.0, 0.01, windows=40, recordings=40)  # refuses below a quality of 0.99
    noise = np.random.default_rng(0)
    frames = [(i / FPS, noise.integers(60, 200, (96, 96, 3), dtype=np.uint8)) for i in range(360)]
    last = follow(ClassicalMethod("green"), frames, calibration=calibration)[-1]
    assert last.bpm is last.interval_bpm is None
    assert "noise alone reaches" in last.reason
    strict = replace(calibration, threshold=0.0)
    calibrated = follow(ClassicalMethod("green"), pictures(np.full(360, 72.0)), calibration=strict)[-1]
    assert calibrated.quality > 0.5
    assert "it would be a guess: the signal quality is" in calibrated.reason
    sure = Calibration("quality", 2.0, None, windows=40, recordings=40)
    last = follow(ClassicalMethod("green"), pictures(np.full(360, 72.0)), calibration=sure)[-1]
    assert last.interval_bpm == pytest.approx(1.96 * 2 * max(1 - last.quality, 0.01))


def test_a_network_runs_once_a_step_and_the_newest_frames_are_in_it():
    ends = []

    class Seen(Green):
        def forward(self, video):
            ends.append(float(video[0, 0, -1].mean() * 255))
            return super().forward(video)

    stream = NetworkMethod(Seen(), "seen", 60, FPS, 8).stream(FPS, 1.0)
    for face in faces_of(np.arange(200.0)[:, None] * np.ones(3)):
        stream.push(face)
    assert ends == pytest.approx([59, 89, 119, 149, 179], abs=1e-3)
    assert all(b - a == pytest.approx(30, abs=1e-3) for a, b in itertools.pairwise(ends))


def test_a_header_of_a_thousand_frames_a_second_asks_for_no_more_than_a_pulse_needs():
    cropper = FaceCropper(8, "bright")
    faces = [face for at, rgb in pictures(np.full(360, 72.0)) for face in cropper.push(at, rgb)]
    raw = ClassicalMethod("pos").wave(faces, 1000.0)
    assert raw.fps == 120
    assert len(raw.bvp) == pytest.approx(12 * 120, abs=30)
    assert heart_rate(raw.bvp, raw.fps).bpm == pytest.approx(72, abs=1.5)
