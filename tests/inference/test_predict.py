"""From a video file to a heart rate, with classical methods and networks."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from beating import Green, faces_of

from rppg_graph.data.video import read_video
from rppg_graph.data.video_writer import write_video
from rppg_graph.errors import InputError
from rppg_graph.inference.methods import ClassicalMethod, JoinedMethod, NetworkMethod
from rppg_graph.inference.predict import Stream, Tally, first_clip, predict_video, summarise
from rppg_graph.pulse.filters import finite_runs

BPM = 80.0


def pulsing(frames: int, fps: float = 30.0, hole: slice = slice(0)):
    wave = np.sin(2 * np.pi * BPM / 60 * np.arange(frames) / fps)
    return faces_of(120 + 40 * wave[:, None] * np.ones(3), fps, hole)


@pytest.mark.parametrize("method", ["pos", "chrom"])
def test_heart_rate_of_a_generated_face(face_video, method):
    path, bpm = face_video
    prediction = predict_video(path, ClassicalMethod(method))
    assert prediction.rate.bpm == pytest.approx(bpm, abs=2)
    assert prediction.frames == 390
    assert prediction.frames_with_face > 380
    assert len(prediction.bvp) == len(prediction.seconds) == 390


def test_timestamps_decide_not_the_number_of_frames(face_video, tmp_path):
    path, bpm = face_video
    frames = list(read_video(path))
    keep = np.random.default_rng(0).random(len(frames)) > 0.3
    keep[0] = True
    kept = [frame for frame, k in zip(frames, keep, strict=True) if k]
    variable = tmp_path / "variable.mp4"
    write_video(variable, [rgb for _, rgb in kept], 30, crf=8, seconds=[t for t, _ in kept])
    assert predict_video(variable, ClassicalMethod()).rate.bpm == pytest.approx(bpm, abs=3)


@pytest.mark.parametrize("fps", [15.0, 25.0, 30.0, 50.0])
def test_a_network_sees_the_rate_it_was_trained_at(fps):
    method = NetworkMethod(Green(1.0), "green", clip_frames=60, fps=30.0, crop_size=8)
    raw = method.wave(pulsing(int(12 * fps), fps), fps)
    assert raw.fps == 30.0
    expected = np.sin(2 * np.pi * BPM / 60 * np.arange(len(raw.bvp)) / 30)
    assert np.corrcoef(raw.bvp, expected)[0, 1] > 0.99


def test_overlapping_clips_leave_no_seam_and_no_gap():
    method = NetworkMethod(Green(), "green", clip_frames=60, fps=30.0, crop_size=8)
    bvp = method.wave(pulsing(400), 30.0).bvp
    assert len(bvp) == 400
    assert np.isfinite(bvp).all()
    assert abs(np.corrcoef(bvp, np.sin(2 * np.pi * BPM / 60 * np.arange(400) / 30))[0, 1]) > 0.99


def test_a_differencing_network_is_integrated():
    class Difference(Green):
        label = "differenced"

        def forward(self, video):
            return torch.diff(super().forward(video), dim=1, append=torch.zeros(len(video), 1))

    method = NetworkMethod(Difference(), "difference", clip_frames=90, fps=30.0, crop_size=8)
    raw = method.wave(pulsing(400), 30.0)
    assert summarise("difference", raw, Tally(), "test").rate.bpm == pytest.approx(BPM, abs=1)


@pytest.mark.parametrize("method", [ClassicalMethod("green"), NetworkMethod(Green(), "green", 60, 30.0, 8)])
def test_a_stretch_without_a_face_is_a_hole_in_the_wave(method):
    tally = Tally()
    raw = method.wave(tally.count(pulsing(900, hole=slice(300, 400))), 30.0)
    assert np.isnan(raw.bvp[305:395]).all()
    assert np.isfinite(raw.bvp[:299]).all()
    prediction = summarise("test", raw, tally, "test")
    assert prediction.rate.bpm == pytest.approx(BPM, abs=1)
    assert (prediction.frames, prediction.frames_with_face) == (900, 800)
    assert not ((prediction.track.seconds > 10) & (prediction.track.seconds < 13.3)).any()


def test_too_short_says_how_long(face_video, tmp_path):
    path, _ = face_video
    short = tmp_path / "short.mp4"
    write_video(short, [rgb for _, rgb in list(read_video(path))[:60]], 30)
    for method in (ClassicalMethod(), NetworkMethod(Green(), "green", 160, 30.0, 64)):
        with pytest.raises(InputError, match=r"short\.mp4: 2\.0 s .* too short"):
            predict_video(short, method)


@pytest.mark.parametrize("size", [16, 100])
def test_the_crops_are_those_that_the_network_was_trained_on(face_video, size):
    seen = []

    class Shape(Green):
        def forward(self, video):
            seen.append(tuple(video.shape[2:]))
            return super().forward(video)

    method = NetworkMethod(Shape(), "shape", 60, 30.0, size)
    predict_video(face_video[0], method)
    assert set(seen) == {(60, size, size)}
    assert first_clip(face_video[0], method).shape == (60, size, size, 3)
    assert JoinedMethod(method, ClassicalMethod()).crop_size == size
    with pytest.raises(ValueError, match=rf"crops of 8 × 8 pixels; shape was trained on {size}: .* crop_size"):
        method.wave(pulsing(100), 30.0)


def test_nobody_can_name_another_size(face_video):
    for read in (predict_video, first_clip):
        with pytest.raises(TypeError, match=r"(unexpected keyword|multiple values for) argument 'size'"):
            read(face_video[0], ClassicalMethod(), size=64)
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        Stream(ClassicalMethod(), size=64)


def test_finite_runs():
    nan = np.nan
    assert finite_runs(np.array([nan, 1, 2, nan, nan, 3])) == [slice(1, 3), slice(5, 6)]
    assert finite_runs(np.array([nan])) == []
    assert finite_runs(np.array([1.0, 2.0])) == [slice(0, 2)]


PEAK = """
import resource, sys
from pathlib import Path
from rppg_graph.inference.methods import ClassicalMethod
from rppg_graph.inference.predict import predict_video
predict_video(Path(sys.argv[1]), ClassicalMethod())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_length(face_video, tmp_path):
    path, _ = face_video
    frames = [rgb for _, rgb in read_video(path)]
    peaks = []
    for seconds in (15, 90):  # 200 MB of frames, and of crops, if all were kept
        long = tmp_path / f"{seconds}.mp4"
        write_video(long, (frames[i % len(frames)] for i in range(seconds * 10)), 10)
        run = subprocess.run([sys.executable, "-c", PEAK, str(long)], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))
    assert peaks[1] < 1.2 * peaks[0]
