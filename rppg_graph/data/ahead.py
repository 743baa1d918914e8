"""Items that a thread makes while the ones before them are used: decoding, cutting and reading go on side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.1
_END = object()


@contextmanager
def ahead(items: Iterable[T], most: int) -> Generator[Iterable[T]]:
    """Within the block, the same items, made by a thread of its own; what it raises is raised where it is due.

    When the block is left, by Ctrl-C too, the thread has ended and closed the items.

    Args:
        items: a generator, which is used by one thread at a time.
        most: items that wait to be taken.
    """
    waiting: queue.Queue = queue.Queue(most)
    left = threading.Event()

    def put(item: object) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                return waiting.put(item, timeout=POLL_SECONDS)

    def fill() -> None:
        try:
            for item in items:
                put((item, None))
                if left.is_set():
                    return
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            items.close()

    thread = threading.Thread(target=fill, name="ahead", daemon=True)

    def taken() -> Generator[T]:
        while True:
            try:
                item, error = waiting.get(timeout=POLL_SECONDS)  # without an end, Windows does not hear Ctrl-C
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        thread.join()
