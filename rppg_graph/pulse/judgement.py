"""One judgement of a heart rate from all evidence: how probable it is, how far off it may be, what speaks against it.

The model is a sum: logit P(|error| ≤ 5 bpm) = b − Σ penalty_i(evidence_i). Each penalty is a monotone curve through a
few knots, 0 where its evidence is best. Evidence that is missing costs something between nothing and the worst that it
could say, as the fit finds. `judgement_fit` fits it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import expit

from rppg_graph.errors import InputError
from rppg_graph.pulse.evidence import AGREE_BPM, EVIDENCE, NETWORK_MEMBER, collect
from rppg_graph.pulse.window import Window
from rppg_graph.registry import choose

# Evidence → the knots of its curve, from where it says the worst to where it says the best.
KNOTS: dict[str, tuple[float, ...]] = {
    "blood_share": (0.1, 0.3, 0.5, 0.7, 0.9),
    "blood_snr": (0, 4, 8, 12, 18),
    "background": (3, 1, 0.3, 0.1),
    "box_motion": (20, 14, 8, 2),
    "key_distance": (1.5, 3, 6, 10),
    "jumps": (16, 10, 5, 0),
    "phase": (0, 0.05, 0.12, 0.25, 0.5, 0.8),
    "agreement": (0.2, 0.4, 0.6, 0.8, 1),
    "network": (-15, -6, -2, 0, 2, 4, 7, 12),
    "formulas": (-10, -5, -2, 0, 2, 4, 7, 12),
    "steadiness": (20, 12, 6, 3),
}

SENTENCES: dict[str, str] = {
    "blood_share": "all colours change alike at this rate, as under a lamp and not as by blood",
    "blood_snr": "the colour of blood does not stand out at this rate",
    "background": "a light in the background flickers at the same rate",
    "box_motion": "the head moves at the same rate",
    "key_distance": "the file's key frames come at the same rate",
    "jumps": "the picture jumps at the same rate, as a codec makes it",
    "phase": "the parts of the skin do not pulse together: some brighten while others darken, as by motion",
    "agreement": "the methods disagree",
    "network": "the network sees no clear pulse at this rate",
    "formulas": "no rate stands out in what the formulas read",
    "steadiness": "the windows before and after give another rate",
}


CAUSES = ("background", "box_motion", "key_distance", "jumps")


@dataclass(frozen=True)
class Curve:
    """Penalty (k,) on the logit at knots (k,), linear between and constant outside; `missing` without the evidence."""

    knots: tuple[float, ...]
    penalties: tuple[float, ...]
    missing: float

    def __call__(self, value: float) -> float:
        return float(np.interp(value, self.knots, self.penalties)) if np.isfinite(value) else self.missing


@dataclass(frozen=True)
class Judgement:
    """What the evidence says of one rate.

    Args:
        bpm: the rate judged.
        probability: that it is within 5 bpm of the true one.
        interval_bpm: half the width of its 95 % interval, an empirical one: the 95 % quantile of the errors of held-out
            generated recordings of like probability. None where it is refused.
        answered: whether the probability reaches the trust that is asked for.
        evidence: by name; NaN where it is missing.
        penalties: by name, what each took from the logit.
        reason: what speaks loudest against the rate; None where nothing does.
        missing: names of the evidence that could not be had.
    """

    bpm: float
    probability: float
    interval_bpm: float | None
    answered: bool
    evidence: dict[str, float]
    penalties: dict[str, float]
    reason: str | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Judge:
    """The fitted model, all of it.

    Args:
        intercept: logit of a rate that nothing speaks against.
        curves: by evidence.
        halfwidths: (probability from which it holds, half-width of the 95 % interval in bpm), rising in probability.
        trust: the least probability that is answered.
        recordings, people: that it was fitted to.
    """

    intercept: float
    curves: Mapping[str, Curve]
    halfwidths: Sequence[tuple[float, float]]
    trust: float
    recordings: int = 0
    people: int = 0

    def __post_init__(self) -> None:
        for name, curve in self.curves.items():
            choose("evidence of the judgement", EVIDENCE, name)
            knots, penalties = np.array(curve.knots), np.array(curve.penalties)
            rises = len(knots) == len(penalties) > 0 and (np.diff(knots) > 0).all()
            sign = np.sign(KNOTS[name][-1] - KNOTS[name][0])
            if not rises or (np.diff(penalties) * sign > 1e-9).any() or penalties.min() < 0:
                raise InputError(f"the judgement's curve of {name} is not monotone: fit it anew")
        if not 0 <= self.trust <= 1:
            raise InputError(f"trust is {self.trust}: a probability from 0 to 1 is needed")

    def penalties(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """What each evidence takes from the logit."""
        return {name: curve(evidence.get(name, np.nan)) for name, curve in self.curves.items()}

    def probability(self, evidence: Mapping[str, float]) -> float:
        """That a rate with this evidence is within 5 bpm of the true one."""
        return float(expit(self.intercept - sum(self.penalties(evidence).values())))

    def halfwidth(self, probability: float) -> float | None:
        """Half the width of the 95 % interval at a probability; None below the first that it is known for."""
        known = [width for least, width in self.halfwidths if probability >= least]
        return known[-1] if known else None

    def judge(self, window: Window, bpm: float | None = None, trust: float | None = None) -> Judgement:
        """Judge a rate, or the most probable one of the methods' rates.

        Args:
            window: with the methods' rates in `members`.
            bpm: the rate; None to choose.
            trust: the least probability that is answered; None for the fitted one.

        Raises:
            InputError: no rate to judge, or a trust that is not from 0 to 1.
        """
        trust = self.trust if trust is None else trust
        if not 0 <= trust <= 1:
            raise InputError(f"trust is {trust}: a probability from 0 to 1 is needed")
        rates = candidates(window.members) if bpm is None else [bpm]
        if not rates:
            raise InputError("no method has a rate for this window, so there is none to judge")
        found = [(self.probability(evidence), rate, evidence) for rate, evidence in evidence_of(window, rates)]
        probability, rate, evidence = max(found, key=lambda each: each[0])
        penalties = self.penalties(evidence)
        answered = probability >= trust
        return Judgement(
            rate,
            probability,
            self.halfwidth(probability) if answered else None,
            answered,
            evidence,
            penalties,
            explain(window, rate, evidence, penalties),
            tuple(name for name, value in evidence.items() if not np.isfinite(value)),
        )

    def to_json(self) -> str:
        """As plain text; `from_json` is the way back."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Judge:
        """Read what `to_json` wrote.

        Raises:
            InputError: it is not such a text.
        """
        try:
            fields = json.loads(text)
            curves = {
                name: Curve(tuple(curve["knots"]), tuple(curve["penalties"]), curve["missing"])
                for name, curve in fields.pop("curves").items()
            }
            widths = [tuple(pair) for pair in fields.pop("halfwidths")]
            return Judge(curves=curves, halfwidths=widths, **fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"this is no judgement of this project: {str(error)[:120]}") from error


@cache
def shipped() -> Judge:
    """The judgement that comes with the package."""
    return Judge.from_json((Path(__file__).parent / "judgement.json").read_text(encoding="utf-8"))


def judge(window: Window, bpm: float | None = None, trust: float | None = None) -> Judgement:
    """What the shipped judgement says, see `Judge.judge`."""
    return shipped().judge(window, bpm, trust)


def candidates(members: Mapping[str, float | None]) -> list[float]:
    """The rates among the methods', each once: medians of those that lie within 3 bpm of the next."""
    rates = np.sort([rate for rate in members.values() if rate is not None and np.isfinite(rate)])
    groups = np.split(rates, np.flatnonzero(np.diff(rates) > AGREE_BPM) + 1) if len(rates) else []
    return [float(np.median(group)) for group in groups]


def evidence_of(window: Window, rates: Sequence[float]) -> list[tuple[float, dict[str, float]]]:
    """Each rate with its evidence."""
    return [(rate, collect(window, rate)) for rate in rates]


def explain(window: Window, bpm: float, evidence: Mapping[str, float], penalties: Mapping[str, float]) -> str | None:
    """One clause: the evidence at hand that speaks loudest against a rate; None where none does.

    What names a cause counts twice, since it says what the rate is, and not alone that it is no pulse.
    """
    spoke = {name: cost for name, cost in penalties.items() if np.isfinite(evidence.get(name, np.nan)) and cost > 0.05}
    if not spoke:
        return None
    name = max(spoke, key=lambda own: spoke[own] * (2 if own in CAUSES else 1))
    others = {
        "agreement": candidates(window.members),
        "network": candidates({NETWORK_MEMBER: window.members.get(NETWORK_MEMBER)}),
        "steadiness": candidates(dict(enumerate(window.neighbours))),
    }.get(name, [])
    apart = [rate for rate in others if abs(rate - bpm) > AGREE_BPM]
    if not apart:
        return SENTENCES[name]
    rates = " and ".join(f"{rate:.0f}" for rate in apart[:2])
    return f"{SENTENCES[name]}: {bpm:.0f} against {rates} bpm"
