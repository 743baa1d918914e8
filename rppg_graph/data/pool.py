"""One pool for all work that falls into independent pieces: processes of this machine, or workers of a Dask cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import cv2
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from rppg_graph.errors import InputError

WORKER_BYTES = 1 << 30  # what a worker may take, with a 4K video's frames waiting for a detection
ANSWER_SECONDS = 20.0  # of a scheduler

_chosen: ContextVar[int | None] = ContextVar("workers", default=None)  # -1: all of a cluster's
_cluster: ContextVar[bool] = ContextVar("cluster", default=False)
_worker = False  # whether this process is one of a pool


@contextmanager
def pool(workers: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Have :func:`do_all` take so many processes in this block, of this machine or of a Dask cluster.

    Args:
        workers: processes; None for what each work takes by itself, on a cluster for all of its workers.
        scheduler: address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``. Its workers see the same files under
            the same names, and take one job at a time (``dask worker --nthreads 1``).

    Raises:
        InputError: less than one worker, no such scheduler, or no Dask.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: name 1 or more")
    with ExitStack() as held:
        if scheduler is not None:
            held.enter_context(_client(scheduler))
            held.enter_context(parallel_config("dask"))
            workers = workers or -1
        held.callback(_chosen.reset, _chosen.set(workers))
        held.callback(_cluster.reset, _cluster.set(scheduler is not None))
        yield


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(f"--scheduler {scheduler} needs Dask: pip install 'rppg-graph[dask]'") from error
    try:
        return Client(scheduler, timeout=ANSWER_SECONDS, set_as_default=True)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {scheduler}: no Dask scheduler answers there ({error})") from error


def do_all(work: Callable[[Any], Any], jobs: Iterable[Any], workers: int | None = None) -> Iterator[tuple[int, Any]]:
    """Do every job, and yield its number and its result as they come; an error of one stops those not begun.

    Args:
        work: a function that processes can be given, of one job.
        workers: processes where :func:`pool` names none; None for one a core, fewer where memory is short.

    Raises:
        InputError: a process was killed.
    """
    jobs = list(jobs)
    wanted = 1 if _worker else _chosen.get() or workers or default_workers()
    count = min(wanted, max(len(jobs), 1))
    calls = (delayed(_do)(work, number, job, os.getpid(), os.getcwd()) for number, job in enumerate(jobs))
    begin = {"initializer": end_with, "initargs": (os.getpid(),)} if count > 1 and not _cluster.get() else {}
    try:
        yield from Parallel(count, return_as="generator_unordered", **begin)(calls)
    except TerminatedWorkerError as error:
        raise InputError("a worker process was ended, by lack of memory most likely; use fewer --workers") from error
    finally:
        if begin and parent_process() is not None:  # Python ends such a process when idle workers end, after minutes
            get_reusable_executor().shutdown(wait=True)


def _do(work: Callable[[Any], Any], number: int, job: Any, asking: int, folder: str) -> tuple[int, Any]:
    global _worker
    if os.getpid() != asking:  # one of several that share the cores
        _worker = True
        cv2.setNumThreads(1)
        os.chdir(folder)  # a cluster's worker may have been started elsewhere
    return number, work(job)


def end_with(parent: int) -> None:
    """Have this process end with its parent: one that was killed cannot end its workers, which would go on for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def default_workers() -> int:
    """As many as cores that this process may use, and as the memory that is free holds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, available_bytes() // WORKER_BYTES))


def available_bytes(root: Path = Path("/")) -> int:
    """Memory that this process may still take: of the machine, and of each control group (a container's) it is in."""
    try:
        meminfo = (root / "proc/meminfo").read_text().splitlines()
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return 1 << 62  # not Linux: the cores decide
    free = [int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:")]
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, *names = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            folder = root / "sys/fs/cgroup/memory"
            names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]
        else:
            continue
        group = folder / path.lstrip("/")  # inside a container it may be unseen, and its root stands for it
        for place in (group, *group.parents):
            if place.is_relative_to(folder):
                free += _left(place, *names)
    return max(0, min(free))


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> list[int]:
    """What is left of a control group's limit, [] where it has none; pages of files go where memory is asked for."""
    try:
        bounds = [int((group / name).read_text()) for name in (limit, usage)]
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # "max" is no limit
        return []
    return [bounds[0] - bounds[1] + sum(int(line.split()[1]) for line in lines if line.split()[0] == reclaimable)]
