"""One process at a time: claims that end with the process that holds them, and work in a process of its own."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from rppg_graph.errors import InputError


@contextmanager
def claim(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the file ``path`` for this process alone; yields whether it is held.

    The kernel gives a claim back when its process ends, however it ends; the empty file stays, because another process
    may just be waiting for it.

    Args:
        wait: until another process gives it back; if not, the answer may be False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def in_own_process(function: Callable[..., Any], *args: object) -> Any:
    """What ``function(*args)`` returns or raises in a fresh process: its memory is its own, and it never outlives us.

    Raises:
        InputError: the process was killed, by lack of memory most likely.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise InputError("its process was ended from outside, by lack of memory most likely") from error


def _end_with_parent() -> None:
    """End when the parent does: a run that outlived its study would soon be written to by two processes."""
    parent = parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
