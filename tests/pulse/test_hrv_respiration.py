"""Heart rate variability and respiration of waves whose beats and breaths are known."""

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.pulse.beats import find_beats, regular_intervals
from rppg_graph.pulse.hrv import LEAST_QUALITY, LEAST_SECONDS, beat_to_beat, heart_rate_variability
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.respiration import respiration_rate


@pytest.fixture(scope="module")
def breathing_pulse():
    """A pulse of 75 bpm that breath moves in rate, height and baseline, with the true times of its beats."""

    def make(seconds: float, breaths_per_minute: float, noise: float = 0.0, fps: float = 30.0):
        clock = np.arange(0, seconds, 1 / fps)
        breath = np.sin(2 * np.pi * breaths_per_minute / 60 * clock)
        cycles = 1.25 * clock - 0.04 / (2 * np.pi * breaths_per_minute / 60) * np.cos(
            2 * np.pi * breaths_per_minute / 60 * clock
        )
        phase = 2 * np.pi * cycles
        wave = (1 + 0.15 * breath) * (np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.15 * np.sin(3 * phase)) + 0.2 * breath
        wave += noise * np.random.default_rng(0).standard_normal(len(clock))
        whole = np.arange(np.ceil(cycles[0]), np.floor(cycles[-1]) + 1)
        return wave, np.interp(whole, cycles, clock)  # steepest at whole cycles

    return make


def test_beats_are_found_where_they_are(breathing_pulse):
    wave, beats = breathing_pulse(60, 15)
    found = find_beats(wave, 30)
    inner = beats[1:-1]
    nearest = found[np.abs(found[:, None] - inner).argmin(axis=0)]
    assert np.abs(nearest - inner).max() < 0.015


def test_variability_is_that_of_the_true_beats(breathing_pulse):
    wave, beats = breathing_pulse(300, 15)
    found = heart_rate_variability(prepare_native(wave, 30), 30)
    true = 1000 * np.diff(beats)
    assert not found.reasons
    assert found.values["mean_interval_ms"] == pytest.approx(true.mean(), rel=0.002)
    assert found.values["sdnn_ms"] == pytest.approx(true.std(ddof=1), rel=0.1)
    assert found.values["rmssd_ms"] == pytest.approx(np.sqrt(np.mean(np.diff(true) ** 2)), rel=0.1)
    assert found.values["pnn50_percent"] == pytest.approx(100 * np.mean(np.abs(np.diff(true)) > 50), abs=3)
    assert found.values["hf_ms2"] > 10 * found.values["lf_ms2"]  # all of the variability is breath at 0.25 Hz
    assert found.values["lf_hf"] == pytest.approx(found.values["lf_ms2"] / found.values["hf_ms2"], rel=1e-6)


@pytest.mark.parametrize("seconds", [8, 20, 70, 130])
def test_each_measure_waits_for_its_duration(breathing_pulse, seconds):
    wave, _ = breathing_pulse(seconds, 15)
    found = heart_rate_variability(wave, 30)
    for name, least in LEAST_SECONDS.items():
        assert (found.values[name] is not None) == (seconds >= least), name
        assert (name in found.reasons) == (seconds < least), name
    assert found.to_dict()["beats"] == len(found.beats_seconds)


def test_a_noisy_pulse_keeps_its_mean_interval_alone(breathing_pulse):
    waves = (prepare_native(breathing_pulse(130, 15, noise)[0], 30) for noise in (0, 1))
    clean, noisy = (heart_rate_variability(wave, 30) for wave in waves)
    assert None not in clean.values.values()
    known = {name for name, value in noisy.values.items() if value is not None}
    assert known == {"mean_interval_ms"}
    assert noisy.values["mean_interval_ms"] == pytest.approx(clean.values["mean_interval_ms"], abs=10)
    assert "needs a signal quality of 0.95 and it is 0." in noisy.reasons["rmssd_ms"]


def test_the_longest_stretch_tells_of_beats_and_breath(breathing_pulse):
    wave, _ = breathing_pulse(100, 15)
    wave[300:310] = np.nan
    found = beat_to_beat(wave, 30)
    assert found["seconds"] == pytest.approx(89.7, abs=0.1)
    assert found["breaths_per_minute"] == pytest.approx(15, abs=1)
    assert found["rmssd_ms"] > 10
    assert found["reasons"].keys() == {"lf_ms2", "lf_hf"}
    assert set(beat_to_beat(np.full(9, np.nan), 30)["reasons"]) == {*LEAST_SECONDS, "breaths_per_minute"}


@pytest.mark.parametrize("wave", [np.zeros(900), np.random.default_rng(3).standard_normal(1800), np.sin(np.arange(20))])
def test_what_has_no_beats_has_no_variability_and_no_breath(wave):
    found = heart_rate_variability(wave, 30)
    assert set(found.values.values()) == {None}
    assert found.reasons.keys() == LEAST_SECONDS.keys()
    breath = respiration_rate(wave, 30)
    assert breath.breaths_per_minute is None
    assert breath.reason


def test_missed_beats_are_irregular():
    beats = np.delete(np.arange(0, 60, 0.8), [10, 40])
    regular = regular_intervals(beats)
    assert (~regular).sum() == 2
    assert not regular[9]
    assert len(regular_intervals(np.array([1.0]))) == 0


@pytest.mark.parametrize("breaths", [8, 12, 18, 24])
def test_respiration_rate(breathing_pulse, breaths):
    wave, _ = breathing_pulse(60, breaths, noise=0.2)
    assert respiration_rate(wave, 30).breaths_per_minute == pytest.approx(breaths, abs=1)


def test_a_pulse_without_breath_or_of_too_few_seconds_has_no_respiration_rate(sine, breathing_pulse):
    for seed in range(5):
        noise = 0.3 * np.random.default_rng(seed).standard_normal(1800)
        assert respiration_rate(sine(72, 30, 60) + noise, 30).breaths_per_minute is None
    assert "too short" in respiration_rate(breathing_pulse(20, 15)[0], 30).reason
    assert "fps" in respiration_rate(np.sin(np.arange(100)), 2).reason


def test_what_is_no_wave_is_an_input_error():
    for measure in (heart_rate_variability, respiration_rate):
        with pytest.raises(InputError, match="not finite"):
            measure([0.0, np.nan], 30)


def test_contact_pulse_agrees_with_the_electrocardiogram_beside_it(shared_data):
    columns = np.genfromtxt(
        shared_data / "pulse_references" / "vitallens_sample_vitals_1.csv", delimiter=",", names=True
    )
    # S waves are its sharpest mark. The column hrv_sdnn_ecg seems to run over 15 intervals, of which the file holds 14:
    # with one of 677 ms before them (88.6 bpm, near its heart rate there) theirs is the column's last value, see below.
    by_heart, by_pulse = (find_beats(wave, 30) for wave in (-columns["ecg"], columns["ppg"]))
    assert len(by_heart) == 15
    assert len(by_pulse) == 14  # the last one's rise goes on beyond the end
    assert 60 / np.diff(by_pulse).mean() == pytest.approx(60 / np.diff(by_heart).mean(), abs=1)
    assert np.diff(by_pulse).std() == pytest.approx(np.diff(by_heart).std(), rel=0.15)
    with_the_one_before = np.r_[677, 1e3 * np.diff(by_heart)]
    assert with_the_one_before.std(ddof=1) == pytest.approx(columns["hrv_sdnn_ecg"][-1], rel=0.01)


def test_contact_pulse_of_59_bpm(shared_data):
    wave = np.loadtxt(shared_data / "pulse_references" / "heartpy_data1_58.9bpm_100hz.csv")
    beats = find_beats(wave, 100)
    assert 60 / np.diff(beats).mean() == pytest.approx(58.90, abs=0.1)
    assert len(beats) == 24


def test_the_page_names_what_each_needs(repository):
    lines = (repository / "docs" / "predict.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    needs = {name: row[1:3] for row in rows if len(row) == 3 for name in row[0].split(", ")}
    titles = {"mean interval": "mean_interval_ms", "SDNN": "sdnn_ms", "RMSSD": "rmssd_ms", "pNN50": "pnn50_percent",
              "LF": "lf_ms2", "HF": "hf_ms2", "LF/HF": "lf_hf"}  # fmt: skip
    for title, name in titles.items():
        assert [float(cell) for cell in needs[title]] == [LEAST_SECONDS[name], LEAST_QUALITY[name]], title
