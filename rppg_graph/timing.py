"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def median_ms(run: Callable[[], object], passes: int) -> float:
    """Milliseconds of a call: the median of some passes, after one to warm up."""
    run()
    times = []
    for _ in range(passes):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1e3 * median(times)
