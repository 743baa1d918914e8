"""The field's figures, by an independent formula and on real outputs; evaluation of good and bad recordings."""

import json

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from rppg_graph.errors import InputError
from rppg_graph.pulse.evaluation import compare, evaluate_waves
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.protocols import PROTOCOLS, macc
from rppg_graph.pulse.score import score

BANDS = {"toolbox-2023": (0.75, 2.5), "toolbox-2025": (0.6, 3.3)}


def plain_toolbox(prediction, label, fps, band, peaks):
    """One recording by the protocol's text: dense detrending, (b, a) filter, a sum for each frequency, rolled r."""
    waves = []
    for wave in (prediction, label):
        wave = np.cumsum(wave.astype(np.float64))
        second = np.diff(np.eye(len(wave)), n=2, axis=0)
        wave = wave - np.linalg.solve(np.eye(len(wave)) + 100**2 * second.T @ second, wave)
        waves.append(filtfilt(*butter(1, [2 * band[0] / fps, 2 * band[1] / fps], "bandpass"), wave))
    size = 1
    while size < len(label):
        size *= 2
    frequencies = np.arange(size // 2 + 1) * fps / size
    clock = np.arange(len(label))
    power = [
        [abs(np.sum(wave * np.exp(-2j * np.pi * f / fps * clock))) ** 2 if f <= 7 else 0.0 for f in frequencies]
        for wave in waves
    ]
    inside = (frequencies >= band[0]) & (frequencies <= band[1])
    if peaks:
        at = [[i for i in range(1, len(w) - 1) if w[i - 1] < w[i] > w[i + 1]] for w in waves]
        bpm = [60 * fps * (len(a) - 1) / (a[-1] - a[0]) for a in at]
    else:
        bpm = [60 * frequencies[np.argmax(np.where(inside, p, 0))] for p in power]
    spectrum = np.array(power[0])
    near = [np.abs(frequencies - k * bpm[1] / 60) <= 0.1 for k in (1, 2)]
    snr = 10 * np.log10(spectrum[near[0] | near[1]].sum() / spectrum[inside & ~near[0] & ~near[1]].sum())
    largest = max(abs(np.corrcoef(waves[0], np.roll(waves[1], lag))[0, 1]) for lag in range(len(label) - 1))
    return bpm[1], bpm[0], snr, largest


@pytest.mark.parametrize("protocol", BANDS)
@pytest.mark.parametrize("method", ["fft", "peak"])
@pytest.mark.parametrize("window_seconds", [None, 9])
def test_toolbox_protocols_follow_an_independent_formula(synthetic_outputs, protocol, method, window_seconds):
    rows = []
    with np.load(synthetic_outputs) as arrays:
        for name in [key[:-5] for key in arrays.files if key.endswith("_pred")]:
            prediction, label = arrays[f"{name}_pred"].ravel(), arrays[f"{name}_label"].ravel()
            step = len(label) if window_seconds is None else window_seconds * 30
            for start in range(0, len(label), step):
                piece = slice(start, start + step)
                rows.append(plain_toolbox(prediction[piece], label[piece], 30, BANDS[protocol], method == "peak"))
    true, found, snr, largest = np.array(rows).T
    error = found - true
    expected = {
        "MAE": np.abs(error).mean(),
        "RMSE": np.sqrt((error**2).mean()),
        "MAPE": 100 * np.abs(error / true).mean(),
        "r": np.corrcoef(true, found)[0, 1],
        "SNR": snr.mean(),
        "MACC": largest.mean(),
    }
    result = score(synthetic_outputs, protocol, window_seconds, method)
    metrics = result.metrics if window_seconds is None else result.window_metrics
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, rel=1e-5), name


FIELD_FIGURES = [
    (None, "fft", {"MAE": 2.6576, "RMSE": 11.1677, "MAPE": 2.6253, "r": 0.83135, "SNR": 0.32569, "MACC": 0.81534}),
    (None, "peak", {"MAE": 4.9835, "RMSE": 10.0072, "MAPE": 5.1486, "r": 0.83263}),
    (10, "fft", {"MAE": 1.6633, "RMSE": 7.5654, "MAPE": 1.7211, "r": 0.91432, "SNR": 1.9392, "MACC": 0.83755}),
]


@pytest.mark.parametrize(("window_seconds", "method", "figures"), FIELD_FIGURES)
def test_the_fields_own_figures(shared_data, window_seconds, method, figures):
    path = shared_data / "toolbox_outputs" / "deepphys_PURE_to_UBFC_outputs.npz"
    result = score(path, "toolbox-2025", window_seconds, method)
    metrics = result.metrics if window_seconds is None else result.window_metrics
    for name, value in figures.items():
        assert metrics[name].value == pytest.approx(value, rel=2e-5), name


def test_native_beats_the_field_on_its_own_outputs(shared_data):
    path = shared_data / "toolbox_outputs" / "deepphys_PURE_to_UBFC_outputs.npz"
    native = score(path, "native", 10)
    assert native.metrics["MAE"].value < 0.5 < score(path, "toolbox-2025").metrics["MAE"].value
    assert native.window_metrics["MAE"].value < 1.6633


@pytest.fixture
def waves(sine):
    """Five recordings of 30 s with a pulse at their label's rate."""
    return [Wave(f"r{i}", f"s{i}", sine(60 + 11 * i, 30, 30, 1.0), sine(60 + 11 * i, 30, 30), 30.0) for i in range(5)]


@pytest.mark.parametrize("method", ["fft", "peak"])
def test_a_clean_pulse_has_no_error(waves, method):
    result = evaluate_waves(waves, window_seconds=10, method=method)
    assert result.metrics["MAE"].value < (0.05 if method == "fft" else 1)
    assert len(result.recordings) == 5
    assert len(result.windows) == 15
    assert [row.start_seconds for row in result.windows[:3]] == [0, 10, 20]
    assert result.metrics["r"].value > 0.999
    assert result.metrics["MACC"].value > 0.9
    assert not result.failed


def test_results_are_stamped_and_go_into_json(waves):
    for name in PROTOCOLS:
        stored = json.loads(json.dumps(evaluate_waves(waves, name, 10).to_dict(), allow_nan=False))
        assert stored["protocol"]["name"] == name
        assert stored["protocol"]["band_hz"] == list(PROTOCOLS[name].band_hz)
        assert stored["heart_rate_method"] == "fft"
        assert stored["recordings"][0]["error_bpm"] == pytest.approx(0, abs=1.8)
        assert set(stored["metrics"]) == {"MAE", "RMSE", "MAPE", "r", "SNR", "MACC"}


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        (np.full(900, 2.0), "constant"),
        (np.where(np.arange(900) == 5, np.nan, 1.0), "frame 5"),
        (np.full(900, np.inf), "frame 0"),
    ],
)
def test_a_bad_recording_does_not_stop_the_others(waves, sine, name, prediction, reason):
    bad = Wave("bad", "bad", prediction, sine(70, 30, 30), 30.0)
    result = evaluate_waves([*waves, bad], name, 10)
    assert [row.name for row in result.failed] == ["bad"]
    assert reason in result.failed[0].reason
    assert result.failed[0].reference_bpm == pytest.approx(70, abs=1)
    assert result.metrics["MAE"].n == 5
    assert result.metrics["MAE"].value < 1


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("samples", [0, 1, 5, 12])
def test_short_recordings_and_all_failing(name, samples):
    wave = Wave("short", "s", np.arange(samples) % 3.0, np.arange(samples) % 2.0, 30.0)
    result = evaluate_waves([wave], name, 10)
    json.dumps(result.to_dict(), allow_nan=False)
    if name == "native" or samples < 9:
        assert result.metrics["MAE"].value is None
        assert result.metrics["MAE"].reason
        assert result.failed[0].reason


def test_frame_rates_that_a_protocol_cannot_carry_are_reasons(sine):
    slow = Wave("slow", "s", sine(70, 5, 60), sine(70, 5, 60), 5.0)
    assert "fps" in evaluate_waves([slow], "toolbox-2025").failed[0].reason
    assert evaluate_waves([slow], "native").metrics["MAE"].value < 0.1
    fast = Wave("fast", "s", sine(70, 1000, 20), sine(70, 1000, 20), 1000.0)
    assert evaluate_waves([fast], "native").metrics["MAE"].value < 0.1


def test_a_reference_outside_the_band_is_flagged(sine):
    row = evaluate_waves([Wave("r", "s", sine(100, 30, 30), sine(230, 30, 30), 30.0)]).recordings[0]
    assert row.reference_at_band_edge or row.reference_bpm is None
    assert row.bpm == pytest.approx(100, abs=0.1)
    assert not row.at_band_edge


def test_recordings_without_a_pulse_reference(sine):
    device = np.full(900, 75.0)
    device[:300] = np.nan
    given = Wave("device", "a", sine(76, 30, 30), None, 30.0, label_bpm=device)
    without = Wave("none", "b", sine(76, 30, 30), None, 30.0)
    result = evaluate_waves([given, without], window_seconds=10)
    assert result.recordings[0].error_bpm == pytest.approx(1, abs=0.1)
    assert result.recordings[0].macc is None
    assert [row.error_bpm is None for row in result.windows[:3]] == [True, False, False]
    assert result.recordings[1].bpm == pytest.approx(76, abs=0.1)
    assert "there is no label" in result.recordings[1].reason


def test_a_differenced_wave_is_integrated(waves):
    differenced = [Wave(w.name, w.subject, np.diff(w.prediction), np.diff(w.label), 30.0, True) for w in waves]
    result = evaluate_waves(differenced)
    assert result.metrics["MAE"].value < 0.05
    assert result.metrics["MACC"].value > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: evaluate_waves([]), "no recording"),
        (lambda w: evaluate_waves([w, w]), "two recordings are named 'r0'"),
        (lambda w: evaluate_waves([w], "mine"), "unknown protocol 'mine'; valid: native"),
        (lambda w: evaluate_waves([w], method="guess"), "unknown heart-rate method 'guess'; valid: fft, peak"),
        (lambda w: evaluate_waves([w], window_seconds=0), "windows of 0 s"),
        (lambda w: evaluate_waves([w], window_seconds=float("nan")), "windows of nan s"),
        (lambda w: Wave("a", "s", np.zeros(10), np.zeros(11), 30.0), r"10 samples .* \(11,\)"),
        (lambda w: Wave("a", "s", np.zeros(10), None, 30.0, label_bpm=np.zeros(3)), "heart-rate reference"),
        (lambda w: Wave("a", "s", np.zeros((2, 5)), None, 30.0), "one wave"),
        (lambda w: Wave("a", "s", np.zeros(10), None, 0.0), "fps is 0"),
    ],
)
def test_mistakes_are_named(waves, call, message):
    with pytest.raises(InputError, match=message):
        call(waves[0])


def test_compare_is_paired(waves, sine):
    worse = [Wave(w.name, w.subject, sine(62 + 11 * i, 30, 30), w.label, 30.0) for i, w in enumerate(waves)]
    difference = compare(evaluate_waves(waves, window_seconds=10), evaluate_waves(worse, window_seconds=10))
    assert difference["recordings"].value == pytest.approx(2, abs=0.05)
    assert difference["windows"].n == 15
    assert difference["windows"].low <= difference["windows"].value <= difference["windows"].high
    with pytest.raises(InputError, match="same recordings"):
        compare(evaluate_waves(waves), evaluate_waves(waves[:-1]))
    with pytest.raises(InputError, match="same protocol"):
        compare(evaluate_waves(waves), evaluate_waves(waves, "toolbox-2025"))


def test_macc_is_the_largest_rolled_correlation():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 57))
    rolled = max(abs(np.corrcoef(first, np.roll(second, lag))[0, 1]) for lag in range(56))
    assert macc(first, second) == pytest.approx(rolled, abs=1e-12)
    assert macc(first, -3 * np.roll(first, 9) + 5) == pytest.approx(1)
    assert macc(first, np.ones(57)) is None
