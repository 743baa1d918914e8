"""How a training ends before its last step: SIGTERM and Ctrl-C wait for the step, and the run is saved."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType


class Stopped(Exception):
    """The training is to end here; what it reached is to be saved first."""


class StopSignal:
    """Notes SIGTERM and Ctrl-C while it is entered, once: a second one has the effect that it always had.

    Outside of the main thread, where Python takes no signals, it notes none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        self.__exit__()

    def end(self, message: str) -> BaseException:
        """What is to be raised when all is saved: KeyboardInterrupt after Ctrl-C, else the exit that SIGTERM asks."""
        if self.number == signal.SIGINT:
            return KeyboardInterrupt(message)
        print(message, file=sys.stderr)
        return SystemExit(128 + signal.SIGTERM)
