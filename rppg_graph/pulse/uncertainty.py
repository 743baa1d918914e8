"""Whether an uncertainty means anything: risk against coverage, the empirical 95 % interval, and when to refuse.

A heart rate's uncertainty u ≥ 0 comes from one of two sources. ``mc``: the standard deviation of the heart rate over
Monte-Carlo samples, in bpm. ``quality``: 1 − the signal quality, where there are no samples. Neither is calibrated; a
temperature T turns it into the standard deviation T·u in bpm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from rppg_graph.pulse.measure import Measurement

Z95 = 1.96
SHARE = 0.95
LEAST_SCORES = 19  # below, none is large enough to hold 95 % of those to come
GUESS_BPM = 5.0  # a heart rate with a larger expected error is a guess


# Source → uncertainty of a heart rate by its signal quality and its deviation over samples; None where it has none. It
# is never 0: no heart rate is known without any error.
SOURCES: dict[str, Callable[[float, float | None], float | None]] = {
    "mc": lambda quality, mc_sd_bpm: None if mc_sd_bpm is None else max(mc_sd_bpm, 0.1),
    "quality": lambda quality, mc_sd_bpm: max(1 - quality, 0.01),
}


def source_of(rows: Sequence[Measurement]) -> str:
    """``mc`` where there are Monte-Carlo samples, else ``quality``."""
    return "mc" if any(row.mc_sd_bpm is not None for row in rows) else "quality"


def deviation_bpm(bpm: ArrayLike) -> float | None:
    """Standard deviation (unbiased variance) of the heart rates (S,) of samples; None or NaN count in nothing."""
    rates = np.array(bpm, dtype=np.float64)
    rates = rates[np.isfinite(rates)]
    return float(rates.std(ddof=1)) if len(rates) > 1 else None


def uncertainties_and_errors(rows: Sequence[Measurement], source: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uncertainty (n,), absolute error in bpm (n,) and recording (n,) of the rows that have both."""
    found = [(SOURCES[source](row.quality, row.mc_sd_bpm), row.error_bpm, row.name) for row in rows]
    kept = [each for each in found if None not in each]
    uncertainty, error = np.array([each[:2] for each in kept], dtype=np.float64).reshape(-1, 2).T
    return uncertainty, np.abs(error), np.array([name for _, _, name in kept])


def risk_coverage(uncertainty: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Mean error of the k most certain windows for k = 1 … n: the risk-coverage curve, at coverages k/n; (n,) → (n,).

    Windows of equal uncertainty have no order among themselves: the curve is the mean over all their orders.
    """
    _, group, counts = np.unique(uncertainty, return_inverse=True, return_counts=True)
    mean = np.bincount(group, error) / counts
    in_order = np.repeat(mean, counts)
    return np.cumsum(in_order) / np.arange(1, len(error) + 1)


def area_under(curve: np.ndarray) -> float:
    """Area under a risk-coverage curve in bpm: its mean over the coverages 1/n … 1 (AURC; Geifman, 1805.08206)."""
    return float(curve.mean())


def share_inside(uncertainty: np.ndarray, error: np.ndarray, temperature: float = 1.0) -> float:
    """Share of errors inside the 95 % interval ± 1.96·T·u."""
    return float(np.mean(error <= Z95 * temperature * uncertainty))


def fit_temperature(uncertainty: np.ndarray, error: np.ndarray, recordings: ArrayLike) -> float | None:
    """T so that 95 % of the errors to come lie inside ± 1.96·T·u, if their recordings are like these.

    Of each recording one window is drawn, since windows of one recording are alike: T is the ⌈0.95·(n + 1)⌉-th smallest
    of their n scores |e| / (1.96·u) (split conformal prediction, Vovk et al., 2005, on one draw a group: Dunn,
    Wasserman, Ramdas, JASA 118, 2023, section 3.2).

    Args:
        uncertainty, error: (windows,) above 0, and absolute in bpm.
        recordings: (windows,) the name of each window's recording.

    Returns:
        None below 19 recordings, where there is no such score, and where that score is 0.
    """
    names = np.asarray(recordings)
    draws = np.random.default_rng(0)
    drawn = [draws.choice(np.flatnonzero(names == name)) for name in np.unique(names)]
    if len(drawn) < LEAST_SCORES:
        return None
    scores = np.sort(error[drawn] / (Z95 * uncertainty[drawn]))
    return float(scores[int(np.ceil(SHARE * (len(drawn) + 1))) - 1]) or None


def refusal_threshold(uncertainty: np.ndarray, error: np.ndarray) -> float | None:
    """The largest uncertainty up to which the error to expect stays at or under ``GUESS_BPM``; 0 where none does.

    The error to expect at an uncertainty is the mean error by isotonic regression: the non-decreasing function of u
    with the least squared distance to the errors. None where it stays under the limit throughout, or below 19 windows.
    """
    if len(error) < LEAST_SCORES:
        return None
    values, group, counts = np.unique(uncertainty, return_inverse=True, return_counts=True)
    expected = isotonic_regression(np.bincount(group, error) / counts, weights=counts).x
    fine = values[expected <= GUESS_BPM]
    if len(fine) == len(values):
        return None
    return float(fine[-1]) if len(fine) else 0.0


@dataclass(frozen=True)
class Calibration:
    """What validation recordings say about the uncertainty of a method.

    `source`: `mc` or `quality`; `rate`: the dropout rate of `mc`; `windows` of 10 s, one a second, of `recordings`;
    `temperature` and `threshold`: see `fit_temperature` and `refusal_threshold`. A temperature by fewer than 19
    recordings, as files of before have it, is taken for none.
    """

    source: str
    temperature: float | None
    threshold: float | None
    windows: int
    recordings: int
    rate: float | str | None = None

    def __post_init__(self) -> None:
        if self.recordings < LEAST_SCORES:
            object.__setattr__(self, "temperature", None)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON takes them; `Calibration(**fields)` is the way back."""
        return asdict(self)

    def summary(self) -> str:
        """One line for the screen."""
        origin = f"{self.windows} windows of {self.recordings} validation recordings"
        interval = f"± {Z95 * self.temperature:.2f} × uncertainty" if self.temperature else "no interval"
        if self.recordings < LEAST_SCORES:
            interval += f", which {LEAST_SCORES} recordings are needed for"
        refusal = "nothing is refused" if self.threshold is None else f"refused above {self.threshold:.2f}"
        return f"certainty by {self.source}: {interval}, {refusal} ({origin})"

    def interval_bpm(self, quality: float, mc_sd_bpm: float | None) -> float | None:
        """Half a heart rate's empirical 95 % interval, 1.96·T·u; None without a temperature or an uncertainty."""
        uncertainty = SOURCES[self.source](quality, mc_sd_bpm)
        return None if None in (self.temperature, uncertainty) else Z95 * self.temperature * uncertainty

    def refusal(self, quality: float, mc_sd_bpm: float | None) -> str | None:
        """Why a heart rate would be a guess; None where it would not."""
        uncertainty = SOURCES[self.source](quality, mc_sd_bpm)
        if None in (self.threshold, uncertainty) or uncertainty <= self.threshold:
            return None
        said = {
            "mc": f"the Monte-Carlo samples scatter by {uncertainty:.1f} bpm, above {self.threshold:.1f} bpm",
            "quality": f"the signal quality is {1 - uncertainty:.2f}, below {1 - self.threshold:.2f}",
        }
        return f"it would be a guess: {said[self.source]}, where validation errors exceed {GUESS_BPM:g} bpm"


def fit_calibration(rows: Sequence[Measurement], rate: float | str | None = None) -> Calibration:
    """Temperature and threshold from the windows of validation recordings; `rate` of their Monte-Carlo dropout."""
    source = "quality" if rate is None else "mc"
    uncertainty, error, recordings = uncertainties_and_errors(rows, source)
    temperature, threshold = fit_temperature(uncertainty, error, recordings), refusal_threshold(uncertainty, error)
    return Calibration(source, temperature, threshold, len(error), len(np.unique(recordings)), rate)


def assess(rows: Sequence[Measurement], calibration: Calibration | None = None) -> dict[str, Any] | None:
    """What a method's uncertainty is worth on its windows, as JSON takes it; None without windows that have an error.

    `curve_bpm`: the risk-coverage curve. `area_bpm`: under it, beside that of the oracle, which orders by the error
    itself, and of a random order. `share_inside`: of the errors in the 95 % interval, as it is (a deviation in bpm
    only with `mc`) and with the calibration's temperature; `refused`: share of the windows beyond its threshold.
    """
    source = source_of(rows)
    uncertainty, error, _ = uncertainties_and_errors(rows, source)
    if not len(error):
        return None
    curve = risk_coverage(uncertainty, error)
    fits = calibration is not None and calibration.source == source
    temperature, threshold = (calibration.temperature, calibration.threshold) if fits else (None, None)
    kept = np.ones(len(error), dtype=bool) if threshold is None else uncertainty <= threshold
    return {
        "source": source,
        "windows": len(error),
        "curve_bpm": curve.tolist(),
        "area_bpm": area_under(curve),
        "area_oracle_bpm": area_under(risk_coverage(error, error)),
        "area_random_bpm": float(error.mean()),
        "share_inside": share_inside(uncertainty, error) if source == "mc" else None,
        "temperature": temperature,
        "share_inside_calibrated": None if temperature is None else share_inside(uncertainty, error, temperature),
        "threshold": threshold,
        "refused": float(1 - kept.mean()) if fits else None,
        "error_kept_bpm": float(error[kept].mean()) if fits and kept.any() else None,
    }
