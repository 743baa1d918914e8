"""Compiled loops and the threads that run them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba
import torch

_FLAGS = {"nogil": True, "error_model": "numpy", "fastmath": {"nnan", "nsz"}}  # infinities are used, NaN never occurs


def compiled(function: Callable) -> Callable:
    """Compile with numba at the first call for a dtype, without the GIL, and keep the machine code on disk.

    numba writes it beside the module or, where that is read-only, into the user's cache folder (``NUMBA_CACHE_DIR``);
    where neither can be written, every process compiles anew.
    """
    try:
        return numba.njit(cache=True, **_FLAGS)(function)
    except RuntimeError:  # numba: "no locator available"
        return numba.njit(**_FLAGS)(function)


def run_on_threads(work: Callable[[Iterable], None], items: Iterable) -> None:
    """Let ``work(shared iterator over items)`` run once on each of torch's threads (``torch.get_num_threads()``).

    In these threads torch itself is single-threaded, so that a matrix product and a compiled loop follow each other in
    one core's cache. They are plain threads rather than numba's parallel loops, whose pool fights with torch's for the
    cores, ends the process when it is used from two threads (workqueue) or after a fork (OpenMP).
    """
    threads = torch.get_num_threads()
    if threads == 1:
        work(iter(items))
        return
    shared = iter(_Locked(items))
    for done in [_pool(threads, os.getpid()).submit(work, shared) for _ in range(threads)]:
        done.result()


def run_on_one_core(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in one of those threads, where torch's operations stay on one core.

    An operation that torch shares among its own threads leaves them spinning for some milliseconds, on the cores that
    the threads of ``run_on_threads`` want next.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return function(*arguments)
    return _pool(threads, os.getpid()).submit(function, *arguments).result()


class _Locked:
    """An iterable whose iterator several threads may advance."""

    def __init__(self, items: Iterable) -> None:
        self._items, self._lock = iter(items), threading.Lock()

    def __iter__(self) -> _Locked:
        return self

    def __next__(self) -> object:
        with self._lock:
            return next(self._items)


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Started threads of this process (a forked child has none of its parent's) in which torch uses one core."""
    started = threading.Barrier(threads + 1)

    def one_core() -> None:
        torch.get_num_threads()  # the first call in a thread takes over the global number
        torch.set_num_threads(1)  # holds for the calling thread, and for threads that start later
        started.wait()

    pool = ThreadPoolExecutor(threads, "rppg_graph", one_core)
    for _ in range(threads):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(threads)  # so later threads get the number that was set
    return pool
