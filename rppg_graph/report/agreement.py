"""How far two ways to measure the same heart rates agree: Bland and Altman's limits, and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rppg_graph.pulse.measure import Measurement
from rppg_graph.pulse.metrics import Metric
from rppg_graph.report.page import Figure
from rppg_graph.report.svg import Plot, span_of, text_of

LEAST_PAIRS = 3  # as for the other figures over recordings
HEIGHT = 260  # of a plot


class Limits(NamedTuple):
    """Bias and 95 % limits of agreement of n differences; None of fewer than ``LEAST_PAIRS``."""

    n: int
    bias: float | None = None
    low: float | None = None
    high: float | None = None


def limits_of_agreement(differences: Sequence[float]) -> Limits:
    """``bias ± 1.96·sd`` of differences (n,), with the sample's standard deviation (n − 1 in the denominator).

    Source: Bland, Altman, "Statistical methods for assessing agreement", Lancet 327, 1986.
    """
    n = len(differences)
    if n < LEAST_PAIRS:
        return Limits(n)
    bias, reach = float(np.mean(differences)), 1.96 * float(np.std(differences, ddof=1))
    return Limits(n, bias, bias - reach, bias + reach)


def bland_altman(rows: Sequence[Measurement], what: str, method: str, kind: str) -> Figure:
    """The figure of predicted minus reference heart rate over their mean; ``what``: recordings or windows."""
    rows = [row for row in rows if row.error_bpm is not None]
    mean = [(row.bpm + row.reference_bpm) / 2 for row in rows]
    error = [row.error_bpm for row in rows]
    limits = limits_of_agreement(error)
    levels = [value for value in limits[1:] if value is not None]
    low, high = span_of(error, levels, [0.0], least=0.1)
    room = 0.08 * (high - low)  # for the words beside the outer lines
    plot = Plot(
        span_of(mean, least=10.0), (low - room, high + room),
        "mean of prediction and reference (bpm)", "prediction − reference (bpm)", HEIGHT,
    )  # fmt: skip
    if limits.bias is None:
        scarce = f"Limits need {LEAST_PAIRS} {what} with both heart rates; there are {limits.n}."
        plot.note("no heart rates to compare" if not rows else f"{limits.n} of {LEAST_PAIRS} for limits")
    else:
        plot.level(limits.high, f"+1.96 sd: {signed(limits.high)}", "above")
        plot.level(limits.bias, f"bias: {signed(limits.bias)}", "left")
        plot.level(limits.low, f"−1.96 sd: {signed(limits.low)}", "below")
        scarce = (
            f"Bias {signed(limits.bias)} bpm, limits {signed(limits.low)} to {signed(limits.high)} bpm, n = {limits.n}."
        )
    plot.dots(mean, error, kind, _titles(rows) if what == "recordings" else ())
    caption = (
        f"Bland–Altman plot of {method} over {what}. Each dot is one of the {what}; 0 is perfect agreement. About 95 % "
        f"of the differences are expected between the outer dashed lines (bias ± 1.96 standard deviations). {scarce}"
    )
    if what == "windows":
        caption += " Windows of one recording are not independent of each other."
    return Figure(plot.svg(f"Bland–Altman plot, {method}, {what}"), caption)


def correlation(rows: Sequence[Measurement], r: Metric, what: str, method: str, kind: str) -> Figure:
    """The figure of predicted over reference heart rate, with the evaluation's Pearson r."""
    rows = [row for row in rows if row.error_bpm is not None]
    reference, predicted = [row.reference_bpm for row in rows], [row.bpm for row in rows]
    both = span_of(reference, predicted, least=10.0)
    plot = Plot(both, both, "reference (bpm)", "prediction (bpm)", HEIGHT)
    plot.line(np.array(both), np.array(both), "ref")
    plot.dots(reference, predicted, kind, _titles(rows) if what == "recordings" else ())
    if not rows:
        plot.note("no heart rates to compare")
    strength = f"Pearson r = {text_of(r.value)}, n = {r.n}." if r.value is not None else f"No correlation: {r.reason}."
    caption = (
        f"Predicted against reference heart rate of {method} over {what}. On the diagonal the two are equal; above it "
        f"the prediction is too high. {strength}"
    )
    return Figure(plot.svg(f"correlation plot, {method}, {what}"), caption)


def signed(value: float) -> str:
    """Two decimals with the sign."""
    return text_of(value, "+.2f")


def _titles(rows: Sequence[Measurement]) -> list[str]:
    return [f"{row.name}: {row.bpm:.1f} bpm, reference {row.reference_bpm:.1f}" for row in rows]
