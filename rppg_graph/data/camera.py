"""Frames as they are filmed: of a camera, or of a video at its own rate."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from rppg_graph.errors import InputError

QUEUE_BYTES = 256 << 20  # of frames that wait: nine seconds at 640×480 and 30 fps, more than any step takes
POLL_SECONDS = 0.2


def read_camera(index: int = 0) -> Iterator[tuple[float, np.ndarray]]:
    """Yield `(seconds since the first frame, RGB uint8 (H, W, 3))` as the camera delivers them, without end.

    A thread reads the camera, so that it loses nothing while a frame is being used. Frames that wait take
    ``QUEUE_BYTES`` at most; those that come while so many wait are lost, a hole in the timestamps.

    Raises:
        InputError: there is no such camera, or it stops delivering.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what went wrong is said below, once
    try:
        capture = cv2.VideoCapture(index)
        delivers = capture.isOpened() and capture.grab()
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not delivers:
        found = "delivers no picture" if capture.isOpened() else "was not found"
        capture.release()
        listed = ", ".join(sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))) or "none"
        raise InputError(
            f"camera {index} {found}; cameras that the system lists: {listed}. Connect one, close other programs "
            "that use it, name another number, or take a video file"
        )
    yield from frames_of(capture, f"camera {index}")


def frames_of(capture: cv2.VideoCapture, name: str) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of an opened capture, see ``read_camera``; it is released when the iterator ends or is closed.

    Raises:
        InputError: there is no further frame; a camera has no last one.
    """
    rgb = _retrieved(capture)
    first, waiting = time.perf_counter(), queue.Queue(max(1, QUEUE_BYTES // rgb.nbytes))
    ended, closed = threading.Event(), threading.Event()

    def fill() -> None:
        while not closed.is_set() and capture.grab():
            seconds = time.perf_counter() - first
            if not waiting.full():
                waiting.put((seconds, _retrieved(capture)))
        ended.set()

    thread = threading.Thread(target=fill, name=name, daemon=True)
    thread.start()
    seconds = 0.0
    try:
        yield seconds, rgb
        while not (ended.is_set() and waiting.empty()):
            try:
                seconds, rgb = waiting.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            yield seconds, rgb
        raise InputError(f"{name} delivered its last picture after {seconds:.1f} s; is it still connected?")
    finally:
        closed.set()
        thread.join()
        capture.release()


def _retrieved(capture: cv2.VideoCapture) -> np.ndarray:
    """RGB of the frame that was grabbed."""
    return cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)


def at_own_rate(frames: Iterable[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a video, none before its time has come."""
    started = None
    for seconds, rgb in frames:
        now = time.perf_counter()
        started = now - seconds if started is None else started
        time.sleep(max(0.0, started + seconds - now))
        yield seconds, rgb
