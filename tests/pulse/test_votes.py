import numpy as np
import pytest

from rppg_graph.pulse.votes import PooledSpectra, common_wave, count_votes

FPS, FRAMES = 30.0, 300
SECONDS = np.arange(FRAMES) / FPS


def pulse(bpm: float, noise: float = 0.0, seed: int = 0, late: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sin(2 * np.pi * bpm / 60 * (SECONDS - late)) + noise * rng.standard_normal(FRAMES)


def unlike(members: int) -> np.ndarray:
    return 1.0 - np.eye(members)


def chosen(*members: np.ndarray) -> float:
    votes = count_votes(np.array(members)[None], FPS, unlike(len(members)))
    power, total = votes.pooled()
    return PooledSpectra(np.zeros(1), votes.frequencies, power, total).heart_rate().bpm


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(FRAMES)


def test_a_member_that_is_confidently_wrong_does_not_pull_the_others():
    right = [pulse(72, noise=1.5, seed=seed) for seed in range(4)]
    assert chosen(*right, pulse(131)) == pytest.approx(72, abs=2)
    votes = count_votes(np.array([*right, pulse(131)])[None], FPS, unlike(5))
    assert votes.weights[0, 4] < 0.5 * votes.weights[0, :4].min()


@pytest.mark.parametrize("seed", range(5))
def test_one_that_is_right_among_noise_is_heard(seed):
    assert chosen(pulse(84), *(noise(10 * seed + i) for i in range(4))) == pytest.approx(84, abs=2)


def test_two_that_share_their_faults_do_not_outvote_two_that_do_not():
    wrong, right = [pulse(100), pulse(100)], [pulse(65, 0.7, 1), pulse(65, 0.7, 2)]
    waves = np.array([*wrong, *right])[None]
    alike = unlike(4)
    alike[0, 1] = alike[1, 0] = 0.0
    assert count_votes(waves, FPS, alike).weights[0, 2:].sum() > count_votes(waves, FPS, unlike(4)).weights[0, 2:].sum()
    assert count_votes(waves, FPS, alike).weights[0, 2:].sum() > 0.7


def test_agreement_is_high_where_all_say_the_same_and_low_among_noise():
    same = np.array([pulse(72, 0.3, seed) for seed in range(4)])
    none = np.array([noise(seed) for seed in range(4)])
    votes = count_votes(np.array([same, none]), FPS, unlike(4))
    assert votes.agreement[0] > 0.9 > 0.5 > votes.agreement[1]
    np.testing.assert_allclose(votes.weights.sum(axis=1), 1)
    inside = (votes.frequencies >= 0.6) & (votes.frequencies <= 3.6)
    np.testing.assert_allclose(votes.power[..., inside].sum(axis=2), 1)


def test_a_member_without_a_wave_has_no_weight_and_none_at_all_no_rate():
    votes = count_votes(np.array([[pulse(72), np.full(FRAMES, np.nan), np.zeros(FRAMES)]]), FPS, unlike(3))
    assert votes.weights[0].tolist() == [1, 0, 0]
    assert votes.agreement[0] == 0
    nothing = count_votes(np.full((1, 3, FRAMES), np.nan), FPS, unlike(3))
    assert not nothing.weights.any()
    assert np.isfinite(nothing.power).all()


def test_the_common_wave_is_in_step_with_the_upright_members():
    """Beside two upright waves one that is late by 80 ms and one that is upside down: one sine, with no loss."""
    waves = np.array([pulse(72), pulse(72), pulse(72, late=0.08), -3 * pulse(72)])
    upright = np.array([True, True, False, False])
    wave = common_wave(waves, np.full(4, 0.25), FPS, 72 / 60, upright)
    middle = slice(30, -30)
    np.testing.assert_allclose(wave[middle], np.sqrt(2) * pulse(72)[middle], atol=0.05)
    assert not common_wave(np.zeros((2, FRAMES)), np.zeros(2), FPS, 1.0, np.ones(2)).any()


def test_the_rate_of_a_stretch_is_that_of_its_windows():
    votes = count_votes(np.array([[pulse(60)], [pulse(90)], [pulse(90)]]), FPS, unlike(1))
    power, total = votes.pooled()
    spectra = PooledSpectra(np.array([0.0, 20.0, 21.0]), votes.frequencies, power, total)
    assert spectra.heart_rate(0, 10).bpm == pytest.approx(60, abs=0.5)
    assert spectra.heart_rate(20, 31).bpm == pytest.approx(90, abs=0.5)
    assert spectra.heart_rate(12, 18).bpm is None
    assert spectra.heart_rate().bpm == pytest.approx(90, abs=0.5)  # two windows of three
    np.testing.assert_allclose(spectra.track().bpm, [60, 90, 90], atol=0.5)
    np.testing.assert_allclose(spectra.track().seconds, [5, 25, 26])
    later = spectra.between(20, 40)
    assert later.starts.tolist() == [0, 1]
