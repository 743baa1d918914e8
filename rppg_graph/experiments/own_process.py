"""Work in a process of its own, which never outlives the one that asked for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from rppg_graph.errors import InputError
from rppg_graph.training.memory import keep_freed_memory


def in_own_process(function: Callable[..., Any], *args: object) -> Any:
    """What ``function(*args)`` returns or raises in a fresh process: its memory is its own, and it never outlives us.

    Raises:
        InputError: the process was killed, by lack of memory most likely.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin) as pool:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise InputError("its process was ended from outside, by lack of memory most likely") from error


def _begin() -> None:
    """Keep freed memory, and end when the parent does: of a run that outlived its study two processes would write."""
    keep_freed_memory()
    parent = parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
