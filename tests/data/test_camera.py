"""Pictures of a capture that runs by itself, and of a video at its own rate."""

import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rppg_graph.data import camera
from rppg_graph.data.camera import at_own_rate, frames_of, read_camera
from rppg_graph.data.video import read_video, write_video
from rppg_graph.errors import InputError


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A second in which red rises from picture to picture."""
    path = tmp_path_factory.mktemp("camera") / "red.mp4"
    frames = [np.full((48, 64, 3), (40 + 5 * i, 60, 200), np.uint8) for i in range(30)]
    write_video(path, frames, 30, crf=8)
    return path


def capture(video) -> cv2.VideoCapture:
    """A file opened as a camera is; it delivers as fast as it is read."""
    opened = cv2.VideoCapture(str(video))
    assert opened.grab()
    return opened


def until_the_end(frames: Iterator) -> tuple[list, str]:
    """The frames, and what is said when no more come."""
    found = []
    try:
        for frame in frames:
            found.append(frame)
    except InputError as error:
        return found, str(error)
    raise AssertionError("a camera does not end without a word")


def test_a_camera_that_is_not_there_is_named(capfd):
    with pytest.raises(InputError, match=r"camera 63 was not found; cameras that the system lists: .*take a video"):
        next(read_camera(63))
    assert capfd.readouterr().err == ""  # OpenCV's own words would come before ours


def test_every_picture_comes_once_in_order_and_the_end_is_said(video):
    frames, end = until_the_end(frames_of(capture(video), "camera 5"))
    assert re.match(r"camera 5 delivered its last picture after \d+\.\d s", end)
    seconds, reds = [at for at, _ in frames], [rgb[..., 0].mean() for _, rgb in frames]
    assert min(rgb[..., 2].mean() for _, rgb in frames) > 180  # blue stands last
    np.testing.assert_allclose(reds, 40 + 5 * np.arange(30), atol=4)
    assert seconds[0] == 0
    assert (np.diff(seconds) > 0).all()


def test_what_waits_is_bounded_and_the_oldest_stay(video, monkeypatch):
    monkeypatch.setattr(camera, "QUEUE_BYTES", 4 * 48 * 64 * 3)
    frames = frames_of(capture(video), "slow")
    first = next(frames)
    time.sleep(0.5)  # the file has long ended
    reds = [rgb[..., 0].mean() for _, rgb in (first, *until_the_end(frames)[0])]
    np.testing.assert_allclose(reds, 40 + 5 * np.arange(5), atol=4)


def test_closing_gives_the_camera_back(video):
    opened = capture(video)
    with closing(frames_of(opened, "held camera")) as frames:
        next(frames)
    assert not opened.isOpened()
    assert "held camera" not in {thread.name for thread in threading.enumerate()}


def test_a_video_at_its_own_rate(video, monkeypatch):
    clock = [100.0]
    passing = SimpleNamespace(perf_counter=lambda: clock[0], sleep=lambda seconds: clock.append(clock.pop() + seconds))
    monkeypatch.setattr(camera, "time", passing)
    frames = []
    for frame in itertools.islice(at_own_rate(read_video(video)), 16):
        assert clock[0] == pytest.approx(100 + frame[0])
        clock[0] += 0.02  # of work
        frames.append(frame)
    assert [at for at, _ in frames] == pytest.approx(np.arange(16) / 30, abs=1e-6)
