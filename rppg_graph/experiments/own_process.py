"""Work in a process of its own, which never outlives the one that asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from rppg_graph.data.pool import end_with
from rppg_graph.errors import InputError
from rppg_graph.training.memory import keep_freed_memory


def in_own_process(function: Callable[..., Any], *args: object) -> Any:
    """What ``function(*args)`` returns or raises in a fresh process: its memory is its own, and it never outlives us.

    Raises:
        InputError: the process was killed, by lack of memory most likely.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise InputError("its process was ended from outside, by lack of memory most likely") from error


def _begin(parent: int) -> None:
    """Keep freed memory, and end when the parent does: of a run that outlived its study two processes would write."""
    keep_freed_memory()
    end_with(parent)
