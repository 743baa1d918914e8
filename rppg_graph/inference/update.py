"""What is known of a pulse at a moment, while it is being filmed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Update:
    """What is known after a step of a ``Stream``.

    Args:
        seconds: time of the frame that it is about.
        bpm: heart rate of the window, or None with the ``reason``.
        quality: 0 to 1, see ``pulse.quality``.
        at_band_edge: the true rate may lie outside of the band.
        interval_bpm: half the width of the empirical 95 % interval; None where the method is not calibrated.
        probability: that the likeliest rate is within 5 bpm of the true one; None where the method has no judge.
        wave: (T,) filtered, of the last window; empty where it has none.
        wave_seconds: (T,) its times.
        lag_seconds: from the wave's last sample to the newest frame, and what computing is behind; None without a wave.
        face_share: share of the window's frames in which the face was found.
        speed: seconds of video that a second of computing takes in; below 1 is slower than real time.
        skipped_steps: steps left out so far because computing was behind.
        beat_to_beat: of the last ``KEPT_SECONDS``, see ``pulse.hrv.beat_to_beat``; None without a heart rate. It is
            computed anew every ``BEATS_EVERY_SECONDS``.
    """

    seconds: float
    bpm: float | None
    quality: float
    reason: str | None
    at_band_edge: bool
    interval_bpm: float | None
    probability: float | None
    wave: np.ndarray
    wave_seconds: np.ndarray
    lag_seconds: float | None
    face_share: float
    speed: float
    skipped_steps: int
    beat_to_beat: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, object]:
        """All but the wave, as JSON takes it; times in seconds, rates in beats per minute."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("wave")}
        return told | {"seconds": round(self.seconds, 3)}
