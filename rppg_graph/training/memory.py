"""What is set for a process that is ours: how it deals with freed memory, and how its threads wait."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

_MAP_AT_MOST, _TRIM_ABOVE = -4, -1  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
_NEVER = 2**31 - 1
# Read where numpy and torch are loaded. numpy's BLAS has threads for products that are small here, and they wait on our
# cores; torch's threads wait for more work 30 times as long as here, on cores where the search wants to go on.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}


def own_process() -> None:
    """Make this process what the command line is: to be called before numpy and torch are loaded, by its owner."""
    keep_freed_memory()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let this process keep what it frees, to use it again: a training step on a CPU takes up to half the time less.

    It holds for all of the process and for good: only who owns it may ask for it, as the command line does.
    glibc asks the system for every block of some megabytes, as tensors are, and gives it back when it is freed; the
    system then hands out each page cleared again, in the middle of a computation. Memory in use does not change, what
    is kept is at most what was in use at the peak.

    Returns:
        Whether it could be set: False where the C library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(_MAP_AT_MOST, 0) and mallopt(_TRIM_ABOVE, _NEVER))
