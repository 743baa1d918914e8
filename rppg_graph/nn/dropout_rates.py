"""What may be asked of Monte-Carlo dropout, known without torch."""

from __future__ import annotations

from collections.abc import Callable

from rppg_graph.errors import InputError

THIRDS = {0.25: 0.06, 0.5: 0.16}  # "about a third", as STREAM-Net rounds it
RATES: dict[str, Callable[[float], float]] = {
    "half": lambda trained: trained / 2,
    "third": lambda trained: THIRDS.get(trained, trained / 3),
}


def check_samples(samples: int) -> None:
    """Refuse a number of samples that gives no variance; InputError."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 2:
        raise InputError(f"samples={samples!r}: a variance needs at least 2 samples")


def check_rate(rate: float | str) -> None:
    """Refuse a rate that is neither a probability between 0 and 1 nor one of ``RATES``; InputError."""
    number = isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < 1
    if not number and not (isinstance(rate, str) and rate in RATES):
        raise InputError(f"rate={rate!r}: must be a number above 0 and below 1, or one of {', '.join(RATES)}")
