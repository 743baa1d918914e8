"""What is known to be no pulse leaves the traces, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest

from rppg_graph.pulse.classical import green
from rppg_graph.pulse.cures import without_background, without_key_frames
from rppg_graph.pulse.filters import bandpass
from rppg_graph.pulse.heart_rate import heart_rate
from rppg_graph.pulse.window import amplitudes, relative


def strength(traces, bpm: float) -> float:
    """Relative amplitude of green at a rate."""
    fps = 1 / np.median(np.diff(traces.seconds))
    return float(abs(amplitudes(relative(traces.masks["skin"][:, 1]), fps, np.array([bpm / 60]))[0]))


@pytest.mark.parametrize("delay", [0.0, 0.1, -0.15])
@pytest.mark.parametrize(("fps", "seconds"), [(15.0, 30), (30.0, 30), (30.0, 10)])
def test_a_lamp_that_the_wall_shows_is_taken_out_and_the_pulse_stays(face, delay, fps, seconds):
    shown = face(lamp=0.02, lamp_delay=delay, fps=fps, seconds=seconds)
    assert heart_rate(green(shown.masks["skin"], fps), fps).bpm == pytest.approx(96, abs=1)
    cured = without_background(shown)
    assert heart_rate(green(cured.masks["skin"], fps), fps).bpm == pytest.approx(72, abs=1)
    assert strength(cured, 96) < 0.03 * strength(shown, 96)
    assert strength(cured, 72) == pytest.approx(strength(shown, 72), rel=0.1)
    assert (cured.patches > 0).all()
    assert cured.background is shown.background


def test_a_background_that_shares_nothing_changes_nothing(face):
    for seed in range(8):
        traces = face(lamp=0.02, lit_wall=False, seed=seed)
        assert without_background(traces) is traces


def test_a_wandering_light_is_taken_out_too(face):
    traces = face(seconds=30)
    steps = np.cumsum(0.004 * np.random.default_rng(3).standard_normal(len(traces.seconds)))[:, None]
    lit = replace(
        traces,
        masks={"skin": traces.masks["skin"] * (1 + steps)},
        background=traces.background * (1 + steps[:, :, None]),
    )
    cured = without_background(lit)
    red = [bandpass(relative(each.masks["skin"][:, 0]), 30.0, 0.7, 4.0) for each in (traces, lit, cured)]
    clean, before, after = (wave.std() for wave in red)
    assert before > 3 * clean
    assert after < 1.3 * clean
    assert heart_rate(green(cured.masks["skin"], 30.0), 30.0).bpm == pytest.approx(72, abs=1)


def test_skin_in_the_background_is_no_background(face):
    traces = face()
    neck = np.broadcast_to(traces.masks["skin"][:, None], (600, 20, 3)).copy()
    bare = replace(traces, background=neck)
    assert without_background(bare) is bare


def test_no_background_and_short_traces_are_left_alone(face):
    for traces in (replace(face(lamp=0.02), background=None), face(lamp=0.02, seconds=4), face(seconds=0.2)):
        assert without_background(traces) is traces


def test_blocks_that_the_face_covers_now_and_then_are_bridged(face):
    traces = face(lamp=0.02, seconds=30)
    blocks = traces.background.copy()
    blocks[100:130, :6] = np.nan
    blocks[:, 6:9] = np.nan
    assert strength(without_background(replace(traces, background=blocks)), 96) < 0.05 * strength(traces, 96)


def test_what_comes_with_the_key_frames_is_taken_out_and_the_pulse_stays(face):
    coded = face(bpm=100.0, period=25, jump=0.03, pulse=0.003)  # key frames: 72 a minute
    cured = without_key_frames(coded)
    assert strength(cured, 72) < 0.1 * strength(coded, 72)
    assert strength(cured, 100) == pytest.approx(strength(coded, 100), rel=0.1)


def test_a_rhythm_of_every_third_key_frame_goes_too(face):
    coded = face(bpm=100.0, period=48, jump=0.03, seconds=25)
    flags = np.arange(len(coded.seconds)) % 16 == 0  # 112.5 a minute, the jumps 37.5
    cured = without_key_frames(replace(coded, key_frames=flags))
    assert strength(cured, 75) < 0.1 * strength(coded, 75)
    assert strength(cured, 100) == pytest.approx(strength(coded, 100), rel=0.1)


def test_key_frames_that_show_nothing_change_nothing(face):
    for seed in range(8):
        traces = face(bpm=100.0, period=25, seed=seed)
        assert without_key_frames(traces) is traces
    rare = face(bpm=100.0, period=60, jump=0.03)
    assert without_key_frames(rare) is rare, "a mean over ten would hold a tenth of the pulse"
    for flags in (None, np.ones(600, dtype=bool), np.arange(600) == 0):
        traces = replace(face(bpm=None, period=25, jump=0.01), key_frames=flags)
        assert without_key_frames(traces) is traces
