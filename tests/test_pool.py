"""The pool: processes of this machine and of a cluster, and what is left when one of them is killed."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from rppg_graph.data.pool import do_all, pool
from rppg_graph.errors import InputError
from rppg_graph.synthetic import write_dataset


def double(number: int) -> int:
    if number == 99:
        raise InputError("99 is too many")
    if number == -9:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def process_of(_: int) -> tuple[int, int, str]:
    return os.getpid(), cv2.getNumThreads(), os.getcwd()


def test_every_result_comes_with_its_number():
    for workers in (1, 2):
        assert dict(do_all(double, [5, 6, 7], workers)) == {0: 10, 1: 12, 2: 14}
    assert list(do_all(double, [])) == []


def test_work_for_one_process_stays_in_this_one_and_other_work_finds_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(do_all(process_of, [0], 1)) == [(0, (os.getpid(), cv2.getNumThreads(), str(tmp_path)))]
    with pool(workers=2):
        found = [found for _, found in do_all(process_of, [0, 1], 1)]  # the block decides
    assert all(process != os.getpid() for process, _, _ in found)
    assert {(threads, folder) for _, threads, folder in found} == {(1, str(tmp_path))}


@pytest.mark.promise("a worker process is killed", "a message says so; the rest stays")
def test_an_error_stops_the_others_and_a_killed_process_is_named():
    with pytest.raises(InputError, match="99 is too many"):
        list(do_all(double, [1, 99, 2], 2))
    with pytest.raises(InputError, match=r"a worker process was ended.*use fewer --workers"):
        list(do_all(double, [1, -9, 2], 2))


def test_what_no_pool_can_be_is_refused():
    with pytest.raises(InputError, match="--workers 0: name 1 or more"), pool(workers=0):
        pass


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a Dask scheduler on loopback, and its two workers."""
    pytest.importorskip("distributed")
    file, quiet = tmp_path / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    worker = ["dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started = []
    for name, *options in (scheduler, worker, worker):
        command = [sys.executable, "-m", f"distributed.cli.{name}", *options, "--scheduler-file", str(file)]
        started.append(subprocess.Popen(command, cwd=tmp_path, **quiet))
        until = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < until
            assert started[0].poll() is None
            time.sleep(0.05)
    yield json.loads(file.read_text())["address"], started[1:]
    for process in reversed(started):
        process.kill()
        process.wait()


def kill_when_at_work(worker: subprocess.Popen, folder: Path) -> threading.Thread:
    """Kill a worker as soon as the first recording of a data set is begun."""

    def watch() -> None:
        until = time.monotonic() + 60
        while not any(folder.glob(".*.partial/*")) and time.monotonic() < until:
            time.sleep(0.01)
        worker.kill()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.promise("a worker of a Dask cluster is killed", "the same bytes")
@pytest.mark.slow
def test_a_cluster_of_which_a_worker_is_killed_writes_the_same_bytes(cluster, tmp_path, monkeypatch):
    address, workers = cluster
    people = {"subjects": 5, "seed": 3, "seconds": 1.0, "fps": 15.0, "size": (96, 128)}
    here, there = tmp_path / "here", tmp_path / "elsewhere" / "there"
    write_dataset(here, workers=1, **people)
    there.parent.mkdir()
    monkeypatch.chdir(there.parent)  # the workers were started in another folder
    killer = kill_when_at_work(workers[0], there.parent)
    with pool(scheduler=address):
        write_dataset("there", **people)
    killer.join()
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} for root in (here, there)]
    assert len(files[0]) == 15
    assert files[0] == files[1]


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("rppg_graph.data.pool.ANSWER_SECONDS", 0.5)
    no_answer = pytest.raises(InputError, match=r"--scheduler tcp://127.0.0.1:9: no Dask scheduler answers")
    with no_answer, pool(scheduler="tcp://127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_a_process_that_had_a_pool_ends_when_it_is_done(tmp_path):
    """As the one in which a run of a study cuts its faces: idle workers would keep it for minutes."""
    people = {"subjects": 2, "seed": 3, "seconds": 1.0, "fps": 15.0, "size": (96, 128), "workers": 2}
    process = multiprocessing.get_context("spawn").Process(target=write_dataset, args=(tmp_path / "p",), kwargs=people)
    process.start()
    until = time.monotonic() + 250
    while not (tmp_path / "p").exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.join(60)
    assert process.exitcode == 0
