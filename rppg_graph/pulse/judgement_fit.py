"""How a judgement is fitted: to recordings whose truth is known, with people as the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from rppg_graph.errors import InputError
from rppg_graph.pulse.evidence import EVIDENCE
from rppg_graph.pulse.judgement import KNOTS, Curve, Judge

RIGHT_BPM = 5.0  # a rate this close to the true one is right
SHARE = 0.95
LEAST_RECORDINGS = 19  # in a bin of probability: fewer have no 95 % quantile
_BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
_RIDGE = 0.3
MOST_WRONG, MOST_ABOUT_NOBODY = 0.02, 0.01  # shares of windows that the default trust lets through


@dataclass(frozen=True)
class Row:
    """One candidate rate of one window of the recordings that a judgement is fitted to.

    Args:
        recording, person, kind: whose it is; people are kept apart.
        window: its number in the recording.
        bpm: the candidate.
        true_bpm: NaN where nothing pulses.
        evidence: by name.
    """

    recording: str
    person: str
    kind: str
    window: int
    bpm: float
    true_bpm: float
    evidence: Mapping[str, float]

    @property
    def right(self) -> bool:
        """Whether it is within 5 bpm of the true rate."""
        return bool(abs(self.bpm - self.true_bpm) <= RIGHT_BPM)


# What a video may lack, drawn for half of the fit's weight, so that it learns what each is worth.
_LACKS: tuple[tuple[str, ...], ...] = (
    ("background",),
    ("key_distance",),
    ("steadiness",),
    ("agreement", "formulas", "network"),
    ("network",),
    ("background", "box_motion"),
    ("background", "box_motion", "key_distance"),
    ("key_distance", "steadiness"),
)


def fit_judge(rows: Sequence[Row], folds: int = 5) -> tuple[Judge, np.ndarray]:
    """Fit curves to all candidates, then scale and offset to the rates that they choose in people held out.

    Each recording weighs the same, however many windows it has. The half-widths are the ⌈0.95·(n + 1)⌉-th smallest
    errors of held-out recordings, one window each, in bins of probability. Trust is the least probability with which
    held-out people get a wrong answer in at most 2 % of their windows, and what has no pulse an answer in 1 %.

    Returns:
        the judge, and for each row the probability by the fit that did not see its person.

    Raises:
        InputError: fewer people than folds.
    """
    people = sorted({row.person for row in rows})
    if len(people) < folds:
        raise InputError(f"{len(people)} people are too few to fit a judgement in {folds} parts")
    order = np.random.default_rng(0).permutation(len(people))
    fold_of = {people[index]: place % folds for place, index in enumerate(order)}
    fold = np.array([fold_of[row.person] for row in rows])
    logits = np.empty(len(rows))
    for held in range(folds):
        intercept, curves = _fit_curves([row for row, own in zip(rows, fold, strict=True) if own != held])
        for index in np.flatnonzero(fold == held):
            logits[index] = intercept - sum(curve(rows[index].evidence[name]) for name, curve in curves.items())
    chosen = chosen_rows(rows, logits)
    right = np.array([rows[index].right for index in chosen], dtype=float)
    weight = _recording_weights([rows[index] for index in chosen])
    scale, offset = _nonnegative_logistic(-logits[chosen][:, None], right, weight, 0.0)  # Platt's scaling
    scale = float(max(scale[0], 1e-3))
    probabilities = expit(scale * logits + offset)
    intercept, curves = _fit_curves(rows)
    curves = {
        name: Curve(curve.knots, tuple(_round(scale * p) for p in curve.penalties), _round(scale * curve.missing))
        for name, curve in curves.items()
    }
    judge = Judge(
        _round(scale * intercept + offset),
        curves,
        _halfwidths([rows[index] for index in chosen], probabilities[chosen]),
        _trust([rows[index] for index in chosen], probabilities[chosen], weight),
        len({row.recording for row in rows}),
        len(people),
    )
    return judge, probabilities


def _round(value: float) -> float:
    return round(float(value), 4)


def chosen_rows(rows: Sequence[Row], scores: np.ndarray) -> np.ndarray:
    """Index of the best-scored candidate of each window."""
    best: dict[tuple[str, int], int] = {}
    for index, row in enumerate(rows):
        key = row.recording, row.window
        if key not in best or scores[index] > scores[best[key]]:
            best[key] = index
    return np.array(list(best.values()))


def _recording_weights(rows: Sequence[Row]) -> np.ndarray:
    names, inverse, counts = np.unique([row.recording for row in rows], return_inverse=True, return_counts=True)
    return 1 / counts[inverse] / len(names)


def _fit_curves(rows: Sequence[Row]) -> tuple[float, dict[str, Curve]]:
    """Intercept and monotone curves by logistic regression with non-negative steps; convex, so there is one answer."""
    values = np.array([[row.evidence[name] for name in EVIDENCE] for row in rows], dtype=float)  # (n, E)
    lacks = np.random.default_rng(0).integers(len(_LACKS), size=len(rows))
    poorer = values.copy()
    for column, name in enumerate(EVIDENCE):
        poorer[np.array([name in _LACKS[lack] for lack in lacks]), column] = np.nan
    values = np.concatenate([values, poorer])
    right = np.tile([float(row.right) for row in rows], 2)
    weight = np.tile(_recording_weights(rows), 2) / 2
    # a step costs what it is worth where the evidence is at hand (first copy), and perhaps where it is missing (second)
    steps, missing = [], []
    for name, column in zip(EVIDENCE, values.T, strict=True):
        worse, better = np.array(KNOTS[name][:-1]), np.array(KNOTS[name][1:])
        there = np.clip((better - column[:, None]) / (better - worse), 0, 1)  # (n, k - 1)
        steps.append(np.where(np.isfinite(column)[:, None], there, 0.0))
        missing.append(np.broadcast_to(~np.isfinite(column)[:, None], there.shape).astype(float))
    design = np.concatenate([*steps, *(a + b for a, b in zip(steps, missing, strict=True))], axis=1)
    costs, intercept = _nonnegative_logistic(design, right, weight, _RIDGE / len({row.recording for row in rows}))
    curves, place, half = {}, 0, design.shape[1] // 2
    for name in EVIDENCE:
        own = slice(place, place + len(KNOTS[name]) - 1)
        place = own.stop
        sums = np.r_[np.cumsum((costs[:half][own] + costs[half:][own])[::-1])[::-1], 0]  # from worst to best
        order = np.argsort(KNOTS[name])
        curves[name] = Curve(
            tuple(float(knot) for knot in np.array(KNOTS[name])[order]), tuple(sums[order]), costs[half:][own].sum()
        )
    return intercept, curves


def _nonnegative_logistic(
    design: np.ndarray, right: np.ndarray, weight: np.ndarray, ridge: float
) -> tuple[np.ndarray, float]:
    """Costs c ≥ 0 and intercept b of P = σ(b − design·c) with the least weighted log loss + ridge·Σc²."""

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logit = parameters[-1] - design @ parameters[:-1]
        slope = weight * (expit(logit) - right)
        value = weight @ (np.logaddexp(0, logit) - right * logit) + ridge * parameters[:-1] @ parameters[:-1]
        return value, np.r_[-design.T @ slope + 2 * ridge * parameters[:-1], slope.sum()]

    columns = design.shape[1]
    bounds = [(0, None)] * columns + [(None, None)]
    start = np.r_[np.full(columns, 0.1), 2.0]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return found.x[:-1], float(found.x[-1])


def _halfwidths(rows: Sequence[Row], probabilities: np.ndarray) -> list[tuple[float, float]]:
    """Conformal quantiles of the errors, one window a recording, in bins of probability; not rising with it."""
    order = np.random.default_rng(0).permutation(len(rows))
    first: dict[tuple[str, int], int] = {}
    bins = np.searchsorted(_BINS, probabilities, side="right") - 1
    for index in order:
        if np.isfinite(rows[index].true_bpm):
            first.setdefault((rows[index].recording, int(bins[index])), int(index))
    widths: list[tuple[float, float]] = []
    for number, least in enumerate(_BINS):
        own = [index for (_, bin_), index in first.items() if bin_ == number]
        rank = int(np.ceil(SHARE * (len(own) + 1)))
        if len(own) < LEAST_RECORDINGS or rank > len(own):
            continue
        errors = np.sort([abs(rows[index].bpm - rows[index].true_bpm) for index in own])
        width = float(errors[rank - 1])
        widths.append((least, round(min([width, *(w for _, w in widths)]), 2)))
    return widths


def _trust(rows: Sequence[Row], probabilities: np.ndarray, weight: np.ndarray) -> float:
    """The least probability, in steps of 0.01 from 0.5, with which few answers are wrong and few about nobody."""
    alive = np.array([np.isfinite(row.true_bpm) for row in rows])
    wrong = alive & ~np.array([row.right for row in rows])
    for trust in np.arange(0.5, 0.995, 0.01):
        answered = probabilities >= trust
        few = weight[answered & wrong].sum() <= MOST_WRONG * weight[alive].sum()
        if few and weight[answered & ~alive].sum() <= MOST_ABOUT_NOBODY * weight[~alive].sum():
            return round(float(trust), 2)
    return 0.99
