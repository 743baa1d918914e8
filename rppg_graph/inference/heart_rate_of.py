"""From an unfiltered wave to a heart rate: filtered once, and no number where there is no pulse in it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from rppg_graph.pulse.filters import finite_runs
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS, HeartRate, HeartRateTrack, SpectrumReader
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import noise_quality

NOTHING_MOVES = (
    "the wave is constant: the colour of the face does not change (a still picture, a camera that hangs, or a video "
    "without colour), so there is no pulse in it"
)


def filtered(bvp: np.ndarray, fps: float) -> np.ndarray:
    """A method's wave (T,), each stretch of it filtered; NaN where it is."""
    wave = np.full_like(bvp, np.nan)
    for part in finite_runs(bvp):
        wave[part] = prepare_native(bvp[part], fps)
    return wave


def heart_rate_of(wave: np.ndarray, fps: float, reader: SpectrumReader) -> HeartRate:
    """Heart rate of a filtered wave (T,), NaN where there is no face; None where nothing moves or noise would do.

    Args:
        wave: by `filtered`.
        fps: of the wave.
        reader: of the wave.
    """
    known = np.isfinite(wave)
    if not wave[known].any():
        return HeartRate(None, reason=NOTHING_MOVES)
    rate, seconds = reader.heart_rate(np.nan_to_num(wave), fps), known.sum() / fps  # zeros add no power
    if rate.bpm is None or rate.quality >= noise_quality(seconds):
        return rate
    reached = f"the signal quality is {rate.quality:.2f}, and noise alone reaches {noise_quality(seconds):.2f}"
    reason = f"{reached} in {seconds:.0f} s: film for longer, in more light, or with a stiller head"
    return replace(rate, bpm=None, reason=reason)


def track_of(wave: np.ndarray, fps: float, reader: SpectrumReader) -> HeartRateTrack:
    """Heart rate over time of a filtered wave (T,) in each of its stretches; NaN where noise would do."""
    tracks = []
    for part in finite_runs(wave):
        track = reader.track(wave[part], fps)
        tracks.append(replace(track, seconds=track.seconds + part.start / fps))
    track = HeartRateTrack(*(np.concatenate([getattr(t, f.name) for t in tracks]) for f in fields(HeartRateTrack)))
    return replace(track, bpm=np.where(track.quality >= noise_quality(WINDOW_SECONDS), track.bpm, np.nan))
