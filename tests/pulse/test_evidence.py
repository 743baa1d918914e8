"""Each evidence on traces whose truth is known: a lamp, a head that swings, key frames, and a pulse."""

from dataclasses import replace

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.pulse.evidence import EVIDENCE, collect, key_period
from rppg_graph.pulse.window import Window, amplitudes, cut_window

RATES = {"pos": 72.0, "chrom": 72.5, "green": 96.0, "ica": np.nan}


@pytest.fixture
def window(face):
    """Make a window of ten seconds: window(members=…, neighbours=…, **what the face shows)."""

    def make(members=RATES, neighbours=(71.0, 73.0), **shown) -> Window:
        return cut_window(face(**shown), 5.0, 10.0, 30.0, members=members, neighbours=neighbours)

    return make


def test_a_projection_has_the_amplitude_and_phase_of_a_cosine():
    at = np.arange(300) / 30
    wave = 0.7 * np.cos(2 * np.pi * 1.2 * at + 0.4)
    found = amplitudes(wave, 30.0, np.array([1.2, 2.4]))
    np.testing.assert_allclose(found, [0.7 * np.exp(0.4j), 0], atol=2e-3)


def test_a_pulse_has_bloods_colour_and_a_lamp_has_none(window):
    pulse, lamp = window(), window(bpm=None, lamp=0.02)
    assert EVIDENCE["blood_share"](pulse, 72) > 0.8
    assert EVIDENCE["blood_share"](lamp, 96) < 0.1
    assert EVIDENCE["blood_snr"](pulse, 72) > 20
    assert EVIDENCE["blood_snr"](lamp, 96) < 10


def test_a_lamp_lights_the_background_too(window):
    assert EVIDENCE["background"](window(lamp=0.02), 96) == pytest.approx(1, abs=0.05)
    assert EVIDENCE["background"](window(lamp=0.02), 72) < 0.1
    assert EVIDENCE["background"](window(lamp=0.02, lit_wall=False), 96) < 0.1


def test_a_neck_in_a_few_blocks_does_not_speak_for_the_room(window):
    seen = window()
    blocks = seen.background.copy()
    blocks[:, :3] *= (seen.skin / seen.skin.mean(axis=0))[:, None]
    assert EVIDENCE["background"](replace(seen, background=blocks), 72) < 0.1


def test_a_head_moves_at_its_rate_and_at_half_of_a_step(window):
    jog = window(bpm=None, swing=0.02)
    assert EVIDENCE["box_motion"](jog, 90) > 15
    assert EVIDENCE["box_motion"](jog, 180) > 15, "the half of a step's rate counts"
    assert EVIDENCE["box_motion"](jog, 72) < 5
    assert EVIDENCE["box_motion"](window(), 72) < 0, "trembling is no motion"


def test_motion_has_both_signs_and_a_pulse_one_phase(window):
    assert EVIDENCE["phase"](window(), 72) > 0.9
    assert EVIDENCE["phase"](window(bpm=None, swing=0.02), 90) < 0.15


def test_the_rate_of_key_frames_and_its_multiples(window):
    coded = window(period=20)  # 90 a minute
    assert EVIDENCE["key_distance"](coded, 91) == pytest.approx(1)
    assert EVIDENCE["key_distance"](coded, 178) == pytest.approx(2)
    assert EVIDENCE["key_distance"](coded, 72) == pytest.approx(18)
    assert np.isnan(EVIDENCE["key_distance"](window(period=250), 72)), "too seldom to be taken for a pulse"
    every = replace(coded, key_frames=np.ones(300, dtype=bool))
    assert np.isnan(EVIDENCE["key_distance"](every, 72)), "no prediction, no jumps"


def test_jumps_show_without_flags(window):
    coded = window(bpm=None, period=20, jump=0.003)
    assert EVIDENCE["jumps"](coded, 90) > 8
    assert EVIDENCE["jumps"](coded, 72) < 3
    assert EVIDENCE["jumps"](window(noise=0.01), 72) < 6, "a pulse glides"


def test_agreement_counts_methods_and_those_without_a_rate_are_against(window):
    assert EVIDENCE["agreement"](window(), 72) == 0.5
    assert EVIDENCE["agreement"](window(), 96) == 0.25
    assert np.isnan(EVIDENCE["agreement"](window(members={"pos": 72.0}), 72))


def test_the_network_has_a_word_of_its_own(window):
    seconds, noise = np.arange(300) / 30, np.random.default_rng(0).standard_normal(300)
    at_72, at_110 = (np.sin(2 * np.pi * bpm / 60 * seconds) for bpm in (72, 110))
    said = {share: at_72 + share * at_110 + 0.05 * noise for share in (0.1, 0.5)}
    said = {share: replace(window(), waves={"network": wave, "pos": at_110}) for share, wave in said.items()}
    for share, seen in said.items():
        clear = EVIDENCE["network"](seen, 72)
        assert clear == pytest.approx(-20 * np.log10(share), abs=1.5), "the ratio of the powers"
        assert EVIDENCE["network"](seen, 110) == pytest.approx(-clear, abs=1.5)
        assert EVIDENCE["network"](seen, 71) > 0.8 * clear, "within 3 bpm it is the same rate"
        assert -6 < EVIDENCE["network"](seen, 79) < 0, "beside the line, in its own lobe"
        assert EVIDENCE["network"](seen, 36.5) < -12, "half a rate is another one"
        assert EVIDENCE["formulas"](seen, 110) > 10, "the network is none of them"
        assert EVIDENCE["formulas"](seen, 72) < -10
    assert np.isnan(EVIDENCE["network"](replace(window(), waves={"pos": at_72}), 72))
    both = replace(window(), waves={"pos": at_72, "pbv": 100 * at_110})
    assert EVIDENCE["formulas"](both, 72) == pytest.approx(0, abs=0.5), "each counts the same, however large"
    assert np.isnan(EVIDENCE["formulas"](replace(window(), waves={"network": at_72}), 72))


def test_steadiness_is_the_distance_to_the_neighbours(window):
    assert EVIDENCE["steadiness"](window(), 72) == pytest.approx(1)
    assert EVIDENCE["steadiness"](window(neighbours=(np.nan, 80.0)), 72) == pytest.approx(8)
    assert np.isnan(EVIDENCE["steadiness"](window(neighbours=()), 72))


@pytest.mark.parametrize("name", EVIDENCE)
def test_brightness_changes_nothing(window, name):
    shown = {"lamp": 0.01, "swing": 0.005, "period": 25, "jump": 0.001}
    wave = np.random.default_rng(0).standard_normal(300)
    waves = {"network": wave, "pos": wave[::-1]}
    seen = (replace(window(brightness=factor, **shown), waves=waves) for factor in (1.0, 0.37))
    plain, scaled = (EVIDENCE[name](each, 72) for each in seen)
    assert plain == pytest.approx(scaled, rel=1e-6, abs=1e-6)


def test_what_is_missing_is_nan_and_nothing_fails(face):
    traces = replace(face(), background=None, boxes=None, key_frames=None)
    evidence = collect(cut_window(traces, 0.0, 10.0, 30.0), 72)
    missing = {name for name, value in evidence.items() if np.isnan(value)}
    assert missing == {"background", "box_motion", "key_distance", "agreement", "network", "formulas", "steadiness"}


def test_a_window_bridges_frames_without_skin_and_leaves_out_covered_blocks(face):
    traces = face()
    skin, blocks = traces.masks["skin"].copy(), traces.background.copy()
    skin[160:165] = np.nan
    skin[170] = 0  # a green frame
    blocks[:, :4] = np.nan
    blocks[200:205, 4] = np.nan
    window = cut_window(replace(traces, masks={"skin": skin}, background=blocks), 5.0, 10.0, 30.0)
    assert window.background.shape == (300, 16, 3)
    assert EVIDENCE["blood_snr"](window, 72) > 15


def test_a_window_of_uneven_frames_is_that_of_even_ones(face):
    traces = face(noise=0.0)
    kept = np.sort(np.random.default_rng(1).permutation(600)[:540])
    few = replace(
        traces,
        **{name: getattr(traces, name)[kept] for name in ("seconds", "patches", "background", "boxes", "key_frames")},
        masks={"skin": traces.masks["skin"][kept]},
    )
    whole, gappy = (cut_window(each, 5.0, 10.0, 30.0) for each in (traces, few))
    np.testing.assert_allclose(gappy.skin, whole.skin, rtol=5e-4)


def test_key_period():
    keys = np.zeros(100, dtype=bool)
    keys[::25] = True
    assert key_period(keys) == 25
    keys[[3, 31, 60, 66]] = True
    assert key_period(keys) is None
    assert key_period(None) is None


def test_bad_input_is_named(face):
    traces = face()
    with pytest.raises(InputError, match="too few"):
        cut_window(traces, 40, 10, 30)
    with pytest.raises(InputError, match="4 s or more"):
        cut_window(traces, 0, 3, 30)
    window = cut_window(traces, 0, 10, 30)
    with pytest.raises(InputError, match=r"boxes of the window has shape \(300, 3\)"):
        replace(window, boxes=window.boxes[:, :3])
    with pytest.raises(InputError, match="skin of the window holds"):
        replace(window, skin=np.where(np.arange(300)[:, None] == 7, np.nan, window.skin))
    for rate in (np.nan, 0, 400):
        with pytest.raises(InputError, match="candidate rate"):
            collect(window, rate)
