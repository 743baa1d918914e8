"""Error metrics over recordings or windows, each with a standard error and a bootstrap interval over subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 5000
_LEAST_RECORDINGS = 3


@dataclass(frozen=True)
class Metric:
    """One figure: its value, standard error and 95 % interval, each None where it cannot be computed (see `reason`)."""

    value: float | None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None

    def to_dict(self) -> dict[str, float | int | str | None]:
        """The fields as JSON takes them."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """What one recording or window contributes; None where it has no such figure."""

    subject: str
    reference_bpm: float | None
    bpm: float | None
    snr_db: float | None = None
    macc: float | None = None


def _paired(samples: Sequence[Sample]) -> list[Sample]:
    """Those with a heart rate and a reference."""
    return [s for s in samples if s.bpm is not None and s.reference_bpm is not None]


def _mean_error(values: np.ndarray) -> float:
    return float(values.std() / np.sqrt(len(values)))


def _pearson(sums: np.ndarray) -> np.ndarray:
    """r of summed moments (…, 6); NaN where one of the two does not vary."""
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = (count * xx - x**2) * (count * yy - y**2)
    floor = 1e-12 * (count * xx) * (count * yy)
    return np.divide(
        count * xy - x * y, np.sqrt(np.maximum(spread, 1e-300)), out=np.full_like(x, np.nan), where=spread > floor
    )


def _interval(
    subjects: Sequence[str], rows: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]
) -> tuple[float | None, float | None, str | None]:
    """Percentile bootstrap of a statistic of column sums: subjects are drawn with replacement, with all of their rows.

    Args:
        rows: (n, M), one row a sample.
        statistic: sums (R, M) → (R,).

    Returns:
        the 2.5th and 97.5th percentile and None; two None and why, below three subjects or where the statistic is
        mostly undefined.
    """
    names, index = np.unique(subjects, return_inverse=True)
    there = f"there {'is' if len(names) == 1 else 'are'} {len(names)}"
    too_few = f"a 95 % interval over subjects needs {_LEAST_RECORDINGS} of them; {there}"
    if len(names) < _LEAST_RECORDINGS:
        return None, None, too_few
    sums = np.stack([np.bincount(index, column, len(names)) for column in rows.T], axis=1)  # (subjects, M)
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    values = statistic(draws @ sums)
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES / 2:
        return None, None, too_few
    return *np.percentile(values, [2.5, 97.5]).tolist(), None


def _of_mean(
    samples: Sequence[tuple[str, float]],
    what: str,
    value: Callable[[float], float] = float,
    standard_error: Callable[[np.ndarray], float] = _mean_error,
) -> Metric:
    """A metric that is a function of the mean of one number a sample."""
    if not samples:
        return Metric(None, reason=f"no {what}")
    subjects, numbers = zip(*samples, strict=True)
    values = np.array(numbers, dtype=np.float64)
    rows = np.stack([np.ones_like(values), values], axis=1)
    low, high, reason = _interval(subjects, rows, lambda sums: np.vectorize(value)(sums[:, 1] / sums[:, 0]))
    error = standard_error(values) if len(values) > 1 else None
    return Metric(value(values.mean()), error, low, high, len(values), reason)


def _pearson_r(samples: Sequence[Sample]) -> Metric:
    paired = _paired(samples)
    reference, bpm = (np.array([getattr(s, field) for s in paired], np.float64) for field in ("reference_bpm", "bpm"))
    subjects, n = [s.subject for s in paired], len(paired)
    if n < _LEAST_RECORDINGS:
        return Metric(None, n=n, reason=f"a correlation needs {_LEAST_RECORDINGS} pairs of heart rates; there are {n}")
    x, y = reference - reference.mean(), bpm - bpm.mean()  # sums of squares of raw rates would lose digits
    rows = np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=1)  # (n, 6)
    r = float(_pearson(rows.sum(axis=0)[None])[0])
    if not np.isfinite(r):
        return Metric(None, n=n, reason="the reference or the predicted heart rate is the same everywhere")
    low, high, reason = _interval(subjects, rows, _pearson)
    return Metric(r, float(np.sqrt(max(1 - r**2, 0) / (n - 2))), low, high, n, reason)


def _of_errors(
    number: Callable[[float, float], float], value: Callable[[float], float] = float, standard_error=_mean_error
) -> Callable[[Sequence[Sample]], Metric]:
    """A metric of the mean of ``number(error, reference)``, both in bpm."""

    def metric(samples: Sequence[Sample]) -> Metric:
        rows = [(s.subject, float(number(s.bpm - s.reference_bpm, s.reference_bpm))) for s in _paired(samples)]
        return _of_mean(rows, f"pair of heart rates among {len(samples)}", value, standard_error)

    return metric


def _of_field(field: str, name: str) -> Callable[[Sequence[Sample]], Metric]:
    """The mean of a number that a sample has, or has not."""

    def metric(samples: Sequence[Sample]) -> Metric:
        rows = [(s.subject, getattr(s, field)) for s in samples if getattr(s, field) is not None]
        return _of_mean(rows, f"{name} among {len(samples)}")

    return metric


# Name → its unit, and what computes it from samples.
METRICS: dict[str, tuple[str, Callable[[Sequence[Sample]], Metric]]] = {
    "MAE": ("bpm", _of_errors(lambda error, _: abs(error))),
    "RMSE": (
        "bpm",
        _of_errors(
            lambda error, _: error**2,
            lambda mean: float(np.sqrt(mean)),
            lambda squares: float(np.sqrt(squares.std() / np.sqrt(len(squares)))),  # as the field's tool computes it
        ),
    ),
    "MAPE": ("%", _of_errors(lambda error, reference: 100 * abs(error / reference))),
    "r": ("", _pearson_r),
    "SNR": ("dB", _of_field("snr_db", "SNR")),
    "MACC": ("", _of_field("macc", "MACC")),
}


def summarise(samples: Sequence[Sample]) -> dict[str, Metric]:
    """Every metric of ``METRICS`` of recordings or windows.

    Standard errors: std/√n; RMSE √(std(e²)/√n), as the field's tool computes it; r √((1 − r²)/(n − 2)). Intervals:
    percentile bootstrap over subjects (5,000 draws, fixed seed), each draw taking all rows of its subjects.

    Samples without a heart rate or without a reference count in no metric; `n` says how many did.
    """
    return {name: metric(samples) for name, (_, metric) in METRICS.items()}


def paired_difference(first: Sequence[Sample], second: Sequence[Sample]) -> Metric:
    """Mean of |e_second| − |e_first| in bpm over the same recordings or windows, given in the same order.

    Below zero: the second is better. Pairs in which either has no heart rate are left out.

    Raises:
        ValueError: the numbers of samples, or their subjects, differ.
    """
    if [s.subject for s in first] != [s.subject for s in second]:
        raise ValueError(f"{len(first)} and {len(second)} samples are not of the same subjects in the same order")
    differences = [
        (a.subject, abs(b.bpm - b.reference_bpm) - abs(a.bpm - a.reference_bpm))
        for a, b in zip(first, second, strict=True)
        if None not in (a.bpm, a.reference_bpm, b.bpm, b.reference_bpm)
    ]
    return _of_mean(differences, f"pair of errors among {len(first)}")
