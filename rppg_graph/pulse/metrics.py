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


def _mean_error(values: np.ndarray) -> float:
    return float(values.std() / np.sqrt(len(values)))


def _rmse_error(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.std() / np.sqrt(len(squares))))  # as the field's tool computes it, in bpm


def _moments(reference: np.ndarray, bpm: np.ndarray) -> np.ndarray:
    """Sums that a correlation is made of, one row a sample: (n, 6)."""
    return np.stack([np.ones_like(bpm), reference, bpm, reference**2, bpm**2, reference * bpm], axis=1)


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
) -> tuple[float, float] | None:
    """Percentile bootstrap of a statistic of column sums: subjects are drawn with replacement, with all of their rows.

    Args:
        rows: (n, M), one row a sample.
        statistic: sums (R, M) → (R,).

    Returns:
        the 2.5th and 97.5th percentile, or None below three subjects or where the statistic is mostly undefined.
    """
    names, index = np.unique(subjects, return_inverse=True)
    if len(names) < _LEAST_RECORDINGS:
        return None
    sums = np.stack([np.bincount(index, column, len(names)) for column in rows.T], axis=1)  # (subjects, M)
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    values = statistic(draws @ sums)
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES / 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


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
    interval = _interval(subjects, rows, lambda sums: np.vectorize(value)(sums[:, 1] / sums[:, 0]))
    low, high = interval or (None, None)
    reason = None if interval else _too_few(len(set(subjects)), "a 95 % interval")
    error = standard_error(values) if len(values) > 1 else None
    return Metric(value(values.mean()), error, low, high, len(values), reason)


def _too_few(subjects: int, what: str) -> str:
    return (
        f"{what} over subjects needs {_LEAST_RECORDINGS} of them; there {'is' if subjects == 1 else 'are'} {subjects}"
    )


def _correlation(subjects: Sequence[str], reference: np.ndarray, bpm: np.ndarray) -> Metric:
    n = len(bpm)
    if n < _LEAST_RECORDINGS:
        return Metric(None, n=n, reason=f"a correlation needs {_LEAST_RECORDINGS} pairs of heart rates; there are {n}")
    # about their means: sums of squares of raw rates would lose digits
    rows = _moments(reference - reference.mean(), bpm - bpm.mean())
    r = float(_pearson(rows.sum(axis=0)[None])[0])
    if not np.isfinite(r):
        return Metric(None, n=n, reason="the reference or the predicted heart rate is the same everywhere")
    interval = _interval(subjects, rows, _pearson)
    low, high = interval or (None, None)
    reason = None if interval else _too_few(len(set(subjects)), "a 95 % interval")
    return Metric(r, float(np.sqrt(max(1 - r**2, 0) / (n - 2))), low, high, n, reason)


def summarise(samples: Sequence[Sample]) -> dict[str, Metric]:
    """MAE, RMSE (bpm), MAPE (%), Pearson r, SNR (dB) and MACC of recordings or windows.

    Standard errors: std/√n; RMSE √(std(e²)/√n), as the field's tool computes it; r √((1 − r²)/(n − 2)). Intervals:
    percentile bootstrap over subjects (5,000 draws, fixed seed), each draw taking all rows of its subjects.

    Samples without a heart rate or without a reference count in no metric; `n` says how many did.
    """
    paired = [s for s in samples if s.bpm is not None and s.reference_bpm is not None]
    subjects = [s.subject for s in paired]
    reference = np.array([s.reference_bpm for s in paired], dtype=np.float64)
    bpm = np.array([s.bpm for s in paired], dtype=np.float64)
    error = bpm - reference
    what = f"pair of heart rates among {len(samples)}"
    return {
        "MAE": _of_mean(list(zip(subjects, np.abs(error), strict=True)), what),
        "RMSE": _of_mean(
            list(zip(subjects, error**2, strict=True)), what, lambda mean: float(np.sqrt(mean)), _rmse_error
        ),
        "MAPE": _of_mean(list(zip(subjects, 100 * np.abs(error / reference), strict=True)), what),
        "r": _correlation(subjects, reference, bpm),
        "SNR": _of_mean([(s.subject, s.snr_db) for s in samples if s.snr_db is not None], f"SNR among {len(samples)}"),
        "MACC": _of_mean([(s.subject, s.macc) for s in samples if s.macc is not None], f"MACC among {len(samples)}"),
    }


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
