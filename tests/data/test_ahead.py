"""Items that a thread makes ahead."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from rppg_graph.data.ahead import ahead
from rppg_graph.data.video import write_video
from rppg_graph.errors import InputError


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


def test_the_items_come_in_order_and_no_more_than_so_many_ahead():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    with ahead(items(), 3) as taken:
        for number in taken:
            assert number <= made[-1] <= number + 5, "three wait, one is being made, one is handed over"
            time.sleep(0.001)
    assert made == list(range(50))
    assert not threads()


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield from range(3)
        raise InputError("the file is damaged")

    def read_into(seen):
        with ahead(items(), 2) as first, ahead((number for number in first), 2) as second:
            seen.extend(second)

    seen = []
    with pytest.raises(InputError, match="the file is damaged"):
        read_into(seen)
    assert seen == [0, 1, 2]
    assert not threads()


def test_leaving_early_ends_threads_and_closes_the_items():
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    def stopped_by_hand():
        with ahead(items(), 2) as first, ahead((number for number in first), 2) as second:
            next(iter(second))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_by_hand()
    assert closed == [True]
    assert not threads()


def test_ctrl_c_ends_decoding_and_cutting_within_a_second(tmp_path, moving_portrait):
    video = write_video(tmp_path / "a.avi", list(moving_portrait(30)) * 40, 30, codec="mjpeg")
    code = (
        "import time\n"
        "from rppg_graph.data.ahead import ahead\n"
        "from rppg_graph.data.face import FaceCropper\n"
        "from rppg_graph.data.video import read_pictures\n"
        "print('begins', flush=True)\n"
        "try:\n"
        f"    with ahead(read_pictures({str(video)!r}), 8) as frames, ahead(FaceCropper().crops(frames), 8) as faces:\n"
        "        for _ in faces: pass\n"
        "except KeyboardInterrupt: print(time.process_time(), flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begins\n"
    time.sleep(0.3)
    spent = sum(psutil.Process(process.pid).cpu_times()[:2])
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert float(said) - spent < 1  # of the processor: a loaded machine's clock says nothing
    assert process.returncode == 0
