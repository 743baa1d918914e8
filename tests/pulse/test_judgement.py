"""The judgement: monotone in each evidence, the same after JSON, honest on people that its fit never saw."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.evidence import EVIDENCE
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.judgement import KNOTS, SENTENCES, Judge, candidates, explain, shipped
from rppg_graph.pulse.judgement_fit import Row, fit_judge
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.window import cut_window

SIGNS = {name: np.sign(knots[-1] - knots[0]) for name, knots in KNOTS.items()}
VALUES = dict.fromkeys(("blood_snr", "box_motion", "jumps", "network", "formulas"), (-20.0, 30.0)) | {
    "background": (0.0, 10.0),
    "key_distance": (0.0, 30.0),
    "steadiness": (0.0, 30.0),
}


def drawn(recordings: int, seed: int) -> list[Row]:
    """Rows whose evidence says more or less whether their rate is right; a third have no pulse."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(recordings):
        alive = number % 3 != 0
        for window in range(3):
            bpm = rng.uniform(50, 150)
            right = alive and rng.random() < 0.7
            evidence = {}
            for name in EVIDENCE:
                low, high = VALUES.get(name, (0.0, 1.0))
                level = 0.5 + SIGNS[name] * (0.07 if right else -0.07) + 0.25 * rng.standard_normal()
                level = np.clip(level, 0, 1)
                evidence[name] = np.nan if rng.random() < 0.1 else low + level * (high - low)
            true = bpm + (rng.normal(0, 1) if right else rng.choice([-1, 1]) * rng.uniform(10, 40))
            rows.append(Row(f"r{number}", f"p{number // 2}", "kind", window, bpm, true if alive else np.nan, evidence))
    return rows


@pytest.fixture(scope="module")
def fitted() -> Judge:
    return fit_judge(drawn(240, 0))[0]


@pytest.mark.parametrize("which", ["fitted", "shipped"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_better_evidence_never_lowers_the_probability(which, data, fitted):
    judge = fitted if which == "fitted" else shipped()
    number = st.floats(-30, 40) | st.just(np.nan)
    evidence = {name: data.draw(number) for name in EVIDENCE}
    name = data.draw(st.sampled_from(sorted(EVIDENCE)))
    low, high = sorted(data.draw(st.tuples(st.floats(-30, 40), st.floats(-30, 40))))
    worse, better = (low, high) if SIGNS[name] > 0 else (high, low)
    assert judge.probability(evidence | {name: worse}) <= judge.probability(evidence | {name: better}) + 1e-12
    missing = judge.probability(evidence | {name: np.nan})
    curve = judge.curves[name]
    assert missing <= judge.probability(evidence | {name: curve.knots[np.argmin(curve.penalties)]}) + 1e-6
    assert missing >= judge.probability(evidence | {name: curve.knots[np.argmax(curve.penalties)]}) - 1e-6


@pytest.mark.parametrize("which", ["fitted", "shipped"])
def test_json_holds_all_of_it(which, fitted):
    judge = fitted if which == "fitted" else shipped()
    again = Judge.from_json(judge.to_json())
    assert again.to_json() == judge.to_json()
    evidence = dict.fromkeys(EVIDENCE, 0.5)
    assert again.probability(evidence) == judge.probability(evidence)


def test_probabilities_are_those_of_people_never_seen(fitted):
    rows = drawn(1200, 1)
    said = np.array([fitted.probability(row.evidence) for row in rows])
    right = np.array([row.right for row in rows])
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1)):
        inside = (said >= low) & (said < high)
        assert abs(said[inside].mean() - right[inside].mean()) < 0.08
    answered = said >= fitted.trust
    nobody = np.array([not np.isfinite(row.true_bpm) for row in rows])
    assert np.mean(answered & ~right & ~nobody) < 0.03
    assert np.mean(answered[nobody]) < 0.02
    alive = np.array([np.isfinite(row.true_bpm) for row in rows]) & answered
    width = np.array([fitted.halfwidth(p) or np.nan for p in said])
    error = np.array([abs(row.bpm - row.true_bpm) for row in rows])
    assert 0.93 <= np.mean(error[alive] <= width[alive]) <= 1


def test_evidence_that_says_nothing_leaves_nothing_to_answer():
    judge, _ = fit_judge([replace(row, evidence=dict.fromkeys(EVIDENCE, np.nan)) for row in drawn(90, 2)])
    assert judge.probability({}) == pytest.approx(0.47, abs=0.1), "the share that is right"
    assert judge.trust > judge.probability({}), "so nothing is answered"


def test_half_widths_do_not_rise_with_the_probability(fitted):
    for judge in (fitted, shipped()):
        least, widths = zip(*judge.halfwidths, strict=True)
        assert list(least) == sorted(least)
        assert list(widths) == sorted(widths, reverse=True)
        assert judge.halfwidth(-0.1) is None


MEMBERS = {"pos": 72.0, "chrom": 72.4, "pbv": 71.5, "ica": 96.2, "green": np.nan}
WAVES = {
    name: np.sin(2 * np.pi * bpm / 60 * np.arange(300) / 30) + 0.2 * np.random.default_rng(0).standard_normal(300)
    for name, bpm in {**MEMBERS, "network": 72.0}.items()
    if np.isfinite(bpm)
}


def test_candidates_are_the_rates_that_members_share():
    assert candidates(MEMBERS) == [72.0, 96.2]
    assert candidates({"pos": None, "chrom": np.nan}) == []


def test_explanations_name_what_speaks_loudest(face):
    window = cut_window(face(lamp=0.02), 0, 10, 30, members=MEMBERS, neighbours=(72.0,))
    seen = dict.fromkeys(EVIDENCE, 0.5)
    quiet = dict.fromkeys(EVIDENCE, 0.0)
    assert explain(window, 96.2, seen, quiet) is None
    assert explain(window, 96.2, seen, quiet | {"background": 2.0, "blood_snr": 1.0}) == SENTENCES["background"]
    costs = quiet | {"background": 0.6, "blood_snr": 1.0}
    assert explain(window, 96.2, seen, costs) == SENTENCES["background"], "a cause"
    assert explain(window, 96.2, seen, quiet | {"agreement": 1.0}) == "the methods disagree: 96 against 72 bpm"
    assert explain(window, 96.2, seen | {"background": np.nan}, quiet | {"background": 2.0}) is None
    assert explain(window, 96.2, seen, quiet | {"steadiness": 1.0}).endswith("96 against 72 bpm")
    assert set(SENTENCES) == set(EVIDENCE)


@pytest.mark.parametrize(
    "shown",
    [
        {"lamp": 0.02, "lamp_bpm": 90},
        {"swing": 0.02},
        {"period": 20, "jump": 0.01},
    ],
    ids=["lamp", "jog", "key frames"],
)
def test_what_is_no_pulse_is_refused_with_a_reason_though_all_methods_agree(face, shown):
    members = dict.fromkeys(("pos", "chrom", "pbv", "ica", "green"), 90.0)
    window = cut_window(face(None, **shown), 0, 10, 30, members=members, neighbours=(90.0, 90.0))
    judgement = shipped().judge(window)
    assert not judgement.answered
    assert judgement.interval_bpm is None
    assert judgement.reason in SENTENCES.values()


@pytest.mark.parametrize(
    "shown", [{"lamp": 0.02, "lamp_bpm": 90, "lit_wall": False}, {}], ids=["lamp that the wall does not show", "noise"]
)
def test_what_the_background_does_not_explain_is_never_answered_with_confidence(face, shown):
    window = cut_window(face(None, **shown), 0, 10, 30)
    waves = {name: prepare_native(formula(window.skin, 30.0), 30.0) for name, formula in CLASSICAL.items()}
    members = {name: heart_rate(wave, 30.0).bpm for name, wave in waves.items()}
    judgement = shipped().judge(replace(window, members=members))
    assert judgement.probability < 0.9
    assert not judgement.answered or judgement.interval_bpm > 10  # formulas of one mask share its noise


def test_a_pulse_is_answered_and_the_right_one_of_two_chosen(face):
    window = cut_window(face(lamp=0.01), 0, 10, 30, members=MEMBERS, neighbours=(72.0, 73.0), waves=WAVES)
    judgement = shipped().judge(window)
    assert judgement.bpm == pytest.approx(72.0)
    assert judgement.answered
    assert 0 < judgement.interval_bpm <= 5
    assert judgement.missing == ("key_distance",)
    assert shipped().judge(window, 96.0).probability < 0.1
    assert not shipped().judge(window, trust=1.0).answered


def test_missing_evidence_widens(face):
    window = cut_window(face(), 0, 10, 30, members=MEMBERS, neighbours=(72.0, 73.0), waves=WAVES)
    bare = replace(window, background=None, boxes=None, key_frames=None, members={"pos": 72.0}, neighbours=(), waves={})
    whole, poor = shipped().judge(window, 72.0), shipped().judge(bare, 72.0)
    assert poor.probability < whole.probability
    lacking = {"background", "box_motion", "key_distance", "agreement", "network", "formulas", "steadiness"}
    assert set(poor.missing) == lacking


def test_bad_input_is_named(face, fitted):
    window = cut_window(face(), 0, 10, 30, members={"pos": np.nan})
    with pytest.raises(InputError, match="no method has a rate"):
        fitted.judge(window)
    for trust in (1.2, -0.1, np.nan):
        with pytest.raises(InputError, match="trust is"):
            fitted.judge(window, 72.0, trust=trust)
    with pytest.raises(InputError, match="too few"):
        fit_judge(drawn(6, 0))
    for text in ("", "[]", "{}", "null", '{"curves": 3}', fitted.to_json().replace('"blood_snr"', '"smell"')):
        with pytest.raises(InputError):
            Judge.from_json(text)
    curve = fitted.curves["blood_snr"]
    with pytest.raises(InputError, match="not monotone"):
        replace(fitted, curves=fitted.curves | {"blood_snr": replace(curve, penalties=tuple(range(len(curve.knots))))})
