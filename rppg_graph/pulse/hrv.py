"""Variability of the intervals between beats; each measure has the shortest recording it needs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rppg_graph.errors import InputError
from rppg_graph.pulse.beats import find_beats, regular_intervals
from rppg_graph.pulse.filters import finite_runs
from rppg_graph.pulse.quality import signal_quality
from rppg_graph.pulse.respiration import respiration_rate

LEAST_SECONDS = {
    "mean_interval_ms": 5.0,
    "sdnn_ms": 60.0,
    "rmssd_ms": 60.0,
    "pnn50_percent": 60.0,
    "lf_ms2": 120.0,
    "hf_ms2": 60.0,
    "lf_hf": 120.0,
}
"""Shortest recordings. LF and HF: Task Force of the ESC and NASPE, Circulation 93, 1996 (2 min and 1 min); pNN50:
Baek et al., Telemedicine and e-Health 21(5), 2015; RMSSD and SDNN: from there on nine of ten errors were below 10 ms in
benchmarks/hrv.py, though ten seconds of a clean electrocardiogram would do (Munoz et al., PLoS ONE 10(9), 2015)."""

LEAST_QUALITY = {"mean_interval_ms": 0.7} | dict.fromkeys(list(LEAST_SECONDS)[1:], 0.95)
"""Signal quality that each needs: at less, RMSSD was wrong by as much as itself in benchmarks/hrv.py."""

_WORST_SHARE = 0.2


@dataclass(frozen=True)
class HeartRateVariability:
    """Measures by name (the keys of `LEAST_SECONDS`), or None with a reason."""

    beats_seconds: np.ndarray
    values: dict[str, float | None]
    reasons: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Values, reasons and number of beats as JSON takes them."""
        return {"beats": len(self.beats_seconds), **self.values, "reasons": dict(self.reasons)}


def heart_rate_variability(wave: ArrayLike, fps: float) -> HeartRateVariability:
    """Mean interval, SDNN, RMSSD, pNN50, LF (0.04–0.15 Hz), HF (0.15–0.4 Hz) and LF/HF of a pulse wave, by neurokit2.

    Intervals that differ by over 25 % from the median of the 21 around them are left out as missed or false beats.

    Raises:
        InputError: as `find_beats`.
    """
    beats = find_beats(wave, fps)
    values: dict[str, float | None] = dict.fromkeys(LEAST_SECONDS)
    quality = signal_quality(wave, fps)
    intervals = np.diff(beats)
    regular = regular_intervals(beats)
    share = 1 - regular.mean() if len(intervals) else 1.0
    seconds = len(np.asarray(wave)) / fps
    reason = None
    if len(beats) < 4:
        reason = f"{len(beats)} beats were found in {seconds:.1f} s at {fps:g} fps; four are needed"
    elif share > _WORST_SHARE:
        reason = f"{100 * share:.0f} % of the intervals are irregular, as from missed and false beats"
    if reason:
        return HeartRateVariability(beats, values, dict.fromkeys(LEAST_SECONDS, reason))
    reasons = {
        name: f"needs {least:g} s and the recording has {seconds:.1f} s"
        for name, least in LEAST_SECONDS.items()
        if seconds < least
    } | {
        name: f"needs a signal quality of {least:g} and it is {quality:.2f}"
        for name, least in LEAST_QUALITY.items()
        if quality < least
    }
    if len(reasons) == len(LEAST_SECONDS):
        return HeartRateVariability(beats, values, reasons)
    measured = _measure(
        1000 * intervals[regular], beats[1:][regular], {"lf_ms2", "hf_ms2", "lf_hf"} - reasons.keys() != set()
    )
    for name in LEAST_SECONDS.keys() - reasons.keys():
        if np.isfinite(measured.get(name, np.nan)):
            values[name] = float(measured[name])
        else:
            reasons[name] = "neurokit2 could not compute it from these beats"
    return HeartRateVariability(beats, values, reasons)


def no_beats(reason: str) -> dict[str, Any]:
    """What `beat_to_beat` returns where there is nothing to tell, with the reason."""
    nothing = [*LEAST_SECONDS, "breaths_per_minute"]
    return {"seconds": 0.0, "beats": 0, **dict.fromkeys(nothing), "reasons": dict.fromkeys(nothing, reason)}


def beat_to_beat(wave: np.ndarray, fps: float) -> dict[str, Any]:
    """What the longest stretch of a wave (T,) tells of its beats and of the breath, as JSON takes it.

    Args:
        wave: filtered, NaN where there is none.
        fps: of the wave.

    Returns:
        ``seconds`` and ``beats`` of the stretch, the measures of `LEAST_SECONDS`, ``breaths_per_minute``, and the
        ``reasons`` of those that are None.
    """
    run = wave[max(finite_runs(wave), key=lambda run: run.stop - run.start, default=slice(0, 0))]
    try:
        found, breath = heart_rate_variability(run, fps), respiration_rate(run, fps)
    except InputError as error:
        return no_beats(str(error))
    told = {"seconds": len(run) / fps, **found.to_dict(), "breaths_per_minute": breath.breaths_per_minute}
    if breath.reason:
        told["reasons"]["breaths_per_minute"] = breath.reason
    return told


def _measure(intervals_ms: np.ndarray, seconds: np.ndarray, frequency: bool) -> dict[str, float]:
    import neurokit2

    intervals = {"RRI": intervals_ms, "RRI_Time": seconds}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bands that are too low for the recording and that we do not read
        time = neurokit2.hrv_time(intervals).iloc[0]
        measured = {
            "mean_interval_ms": time["HRV_MeanNN"],
            "sdnn_ms": time["HRV_SDNN"],
            "rmssd_ms": time["HRV_RMSSD"],
            "pnn50_percent": time["HRV_pNN50"],
        }
        if frequency:
            bands = neurokit2.hrv_frequency(intervals, normalize=False).iloc[0]
            measured |= {"lf_ms2": bands["HRV_LF"], "hf_ms2": bands["HRV_HF"], "lf_hf": bands["HRV_LFHF"]}
    return measured
