"""How far a prediction is to be trusted: by the evidence of its windows, or by the calibration of a network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rppg_graph.pulse.uncertainty import Calibration

if TYPE_CHECKING:
    from rppg_graph.inference.predict import Prediction
    from rppg_graph.inference.raw_wave import RawWave

WIDEST_BPM = 10.0  # of a half-width that is shown: a wider interval says no more than the certainty
POOR = 0.3  # signal quality below which a reader is warned
DRIFT_BPM = 15.0  # that a heart's rate may be from the rate of the whole video in some window


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of a video's heart rate.

    Args:
        bpm: the likeliest rate, answered or not; None where there is none.
        probability: that it is within 5 bpm of the true one.
        trust: the least probability that is answered.
        reason: what speaks loudest against the rate in most windows; None where nothing does.
        missing: evidence that could not be had.
    """

    bpm: float | None
    probability: float
    trust: float
    reason: str | None
    missing: list[str]


def by_evidence(prediction: Prediction, raw: RawWave) -> Prediction:
    """The prediction with what the evidence says: of each window, and from those of the whole.

    The whole is as probable as the better half of its windows, where those more than ``DRIFT_BPM`` from its rate count
    as wrong: half of a video may be disturbed, and a heart changes its rate.
    """
    judged = [window.judgement for window in raw.windows]
    refused = np.array([found is None or not found.answered for found in judged], dtype=bool)
    widths = np.array([found and found.interval_bpm for found in judged], dtype=np.float64)
    p, trust = prediction, raw.judge.trust if raw.trust is None else raw.trust
    track = replace(p.track, bpm=np.where(refused, np.nan, p.track.bpm))
    rate, supports = p.rate, np.zeros(len(judged))
    for place, found in enumerate(judged):
        if found is not None and rate.bpm is not None and abs(found.bpm - rate.bpm) <= DRIFT_BPM:
            supports[place] = found.probability
    probability = float(np.sort(supports)[len(supports) // 2 :].mean()) if len(supports) else 0.0
    spoken = Counter(found.reason for found in judged if found is not None and found.reason)
    reason = spoken.most_common(1)[0][0] if spoken else None
    missing = sorted({name for found in judged if found is not None for name in found.missing})
    verdict = Verdict(rate.bpm, probability, trust, reason, missing)
    p = replace(p, track=track, track_interval_bpm=widths, verdict=verdict)
    if rate.bpm is not None and probability >= trust:
        return replace(p, interval_bpm=raw.judge.halfwidth(probability))
    if rate.bpm is None:
        return p
    unsure = f"{rate.bpm:.0f} bpm would be right with a probability of {probability:.2f}, under {trust:g}"
    return replace(p, rate=replace(rate, bpm=None, reason=f"{unsure}{': ' + reason if reason else ''}"))


def by_calibration(prediction: Prediction, calibration: Calibration) -> Prediction:
    """The prediction with its empirical 95 % intervals, and without the heart rates that would be guesses.

    A window that is refused is NaN in the track; a video that is refused has the reason in ``rate``.
    """
    p = prediction
    sds = [None] * len(p.track.bpm) if p.spread is None else p.spread.track_sd_bpm.tolist()
    windows = list(zip(p.track.quality.tolist(), sds, strict=True))
    whole = p.rate.quality, None if p.spread is None else p.spread.sd_bpm
    refused = np.array([calibration.refusal(*window) is not None for window in windows], dtype=bool)
    intervals = None
    if calibration.temperature is not None:
        intervals = np.array([calibration.interval_bpm(*window) for window in windows], dtype=np.float64)
    track = replace(p.track, bpm=np.where(refused, np.nan, p.track.bpm))
    reason = None if p.rate.bpm is None else calibration.refusal(*whole)
    if p.rate.bpm is None or reason:
        rate = replace(p.rate, bpm=None, reason=reason or p.rate.reason)
        return replace(p, rate=rate, track=track, track_interval_bpm=intervals)
    return replace(p, track=track, interval_bpm=calibration.interval_bpm(*whole), track_interval_bpm=intervals)
