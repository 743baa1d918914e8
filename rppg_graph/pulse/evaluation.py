"""Waves and their references → the numbers of every recording and window, and the metrics over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.pulse.measure import Measurement, Wave, measure
from rppg_graph.pulse.metrics import Metric, paired_difference, summarise
from rppg_graph.pulse.protocols import PROTOCOLS, Protocol
from rppg_graph.registry import choose


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate_waves`; `windows` and `window_metrics` are empty without a window length."""

    protocol: Protocol
    method: str
    window_seconds: float | None
    recordings: list[Measurement]
    metrics: dict[str, Metric]
    windows: list[Measurement] = field(default_factory=list)
    window_metrics: dict[str, Metric] = field(default_factory=dict)

    @property
    def failed(self) -> list[Measurement]:
        """The recordings that count in no error, each with its reason."""
        return [row for row in self.recordings if row.error_bpm is None]

    def to_dict(self) -> dict[str, object]:
        """Everything as JSON takes it, stamped with the protocol's name and settings."""
        return {
            "protocol": self.protocol.to_dict(),
            "heart_rate_method": self.method,
            "window_seconds": self.window_seconds,
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "window_metrics": {name: metric.to_dict() for name, metric in self.window_metrics.items()},
            "recordings": [row.to_dict() for row in self.recordings],
            "windows": [row.to_dict() for row in self.windows],
            "failed": [{"name": row.name, "reason": row.reason} for row in self.failed],
        }


def evaluate_waves(
    waves: Sequence[Wave], protocol: str = "native", window_seconds: float | None = None, method: str = "fft"
) -> Evaluation:
    """Measure every recording whole and, with `window_seconds`, in windows side by side, and summarise both.

    A wave that carries no heart rate (constant, not finite, too short, its band beyond fps / 2) does not stop the
    others: its row has the reason, it counts in no metric, and every metric says how many rows it is made of.

    Args:
        protocol: a name of `PROTOCOLS`.
        method: "fft" (spectrum) or "peak" (beats).

    Raises:
        InputError: no waves, two of one name, or an unknown protocol or method, or a window that is not above zero.
    """
    chosen = choose("protocol", PROTOCOLS, protocol)
    chosen.heart_rate_by(method)
    if not waves:
        raise InputError("there is no recording to evaluate")
    names = [wave.name for wave in waves]
    if len(set(names)) < len(names):
        raise InputError(
            f"two recordings are named {next(n for n in names if names.count(n) > 1)!r}: give each its own name"
        )
    if window_seconds is not None and not (np.isfinite(window_seconds) and window_seconds > 0):
        raise InputError(f"windows of {window_seconds} s: a length above zero is needed")
    recordings, windows = [], []
    for wave in waves:
        recordings += measure(wave, chosen, method, None)
        if window_seconds is not None:
            windows += measure(wave, chosen, method, window_seconds)
    return Evaluation(
        chosen,
        method,
        window_seconds,
        recordings,
        summarise([row.sample() for row in recordings]),
        windows,
        summarise([row.sample() for row in windows]) if window_seconds is not None else {},
    )


def compare(first: Evaluation, second: Evaluation) -> dict[str, Metric]:
    """Paired difference of absolute errors, second − first, in bpm: over `recordings` and, where they are, `windows`.

    Raises:
        InputError: they are not of the same recordings in the same order, protocol, method and windows.
    """
    one, other = (
        (each.protocol.name, each.method, each.window_seconds, [row.name for row in each.recordings + each.windows])
        for each in (first, second)
    )
    if one != other:
        raise InputError(
            "only evaluations of the same recordings by the same protocol, method and windows are comparable"
        )
    pairs = {"recordings": (first.recordings, second.recordings), "windows": (first.windows, second.windows)}
    return {
        what: paired_difference([row.sample() for row in a], [row.sample() for row in b])
        for what, (a, b) in pairs.items()
        if a
    }
