"""The disturbed set: the truth is what the frames carry, and the last test shares nothing with the rest."""

import csv
import json
from itertools import islice

import av
import cv2
import numpy as np
import pytest
from skin_maps import skin_maps

from rppg_graph import synthetic
from rppg_graph.data.video import read_video
from rppg_graph.errors import InputError
from rppg_graph.synthetic.disturbances import CELLS, LAST_ALONE
from rppg_graph.synthetic.disturbed import APART_BPM, draw_case
from rppg_graph.synthetic.skin import to_linear

SMALL = {"seconds": 10.0, "size": (96, 128)}
QUIET = {"noise_levels": 0.0, "sway": 0.0, "turn_degrees": 0.0, "talking": 0.0, "blinks_per_minute": 0.0,
         "looks_per_minute": 0.0, "expressions_per_minute": 0.0, "saccades_per_minute": 0.0, "ballistic": 0.0,
         "breathing": 0.0, "light_drift": 0.0, "drift_bpm": 0.0, "sinus_arrhythmia_bpm": 0.0, "gloss": 0.0,
         "background_motion": 0.0, "camera_steps_per_minute": 0.0, "auto_exposure": 0.0, "gamma": 2.4,
         "pulse_strength": 0.04, "exposure": 110.0, "head": "procedural", "skin_tone": 3.0, "beard": 0.0,
         "mask": False}  # fmt: skip


def quiet_case(kind: str = "nothing", subject: str = "person", **settings) -> synthetic.Case:
    """A case in which nothing but pulse and disturbance changes from frame to frame."""
    dead = {} if subject == "person" else {"pulse_strength": 0.0}
    own = {"name": "a", "preset": "easy", "seed": 4, "fps": 25.0, "bpm": 66.0, "gloss": 0.0}
    return synthetic.make_case(kind=kind, subject=subject, **own | SMALL | QUIET | dead | settings)


def amplitude(wave: np.ndarray, seconds: np.ndarray, hz: float) -> float:
    window = np.hanning(len(wave))
    wave = wave / wave.mean() - 1
    return 2 * abs((window * (wave - wave.mean())) @ np.exp(-2j * np.pi * hz * seconds)) / window.sum()


def traces(case: synthetic.Case) -> tuple[np.ndarray, np.ndarray]:
    """Mean linear green of the face's middle and of the background beside the head: two (T,)."""
    frames = np.stack([to_linear(frame[..., 1] / 255) for frame in case.camera_frames()])
    x, y, width, height = (int(value) for value in case.recording.boxes[0])
    face = frames[:, y + height // 4 : y + height // 2, x + width // 4 : x + 3 * width // 4]
    beside = frames[:, : y + height // 2, : max(x - width // 3, 4)]
    beside = beside[:, (beside.max(axis=0) < 0.95) & (beside.min(axis=0) > 0.02)]
    return face.mean(axis=(1, 2)), beside.mean(axis=1)


def test_a_case_follows_from_seed_and_index_alone():
    one, same, other = (synthetic.disturbed_case(seed, 4, seconds=0.5, size=(64, 96)) for seed in (3, 3, 4))
    assert json.dumps(one.row()) == json.dumps(same.row()) != json.dumps(other.row())
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one.frames(), same.frames(), strict=True))


def test_the_last_test_is_a_third_and_shares_no_person_number_or_name():
    cases = [draw_case(1, index) for index in range(900)]
    parts = {part: [case for case in cases if case["part"] == part] for part in ("fit", "last")}
    assert {part: len(found) for part, found in parts.items()} == {"fit": 600, "last": 300}
    assert all(case["name"].startswith(case["part"] + "_") for case in cases)
    assert len({case["seed"] for case in cases}) == len({case["name"] for case in cases}) == 900
    assert {case["head"] for case in parts["last"]} == {"procedural"}
    for kind, (_, _, ranges) in synthetic.DISTURBANCES.items():
        for name, choice in ranges.items():
            if not isinstance(choice, tuple):
                continue
            values = [[case[name] for case in found if case["kind"] == kind] for found in parts.values()]
            assert all(choice[0] <= value <= choice[1] for both in values for value in both)
            step = 1 if isinstance(choice[0], int) else (choice[1] - choice[0]) / (2 * CELLS)
            cells = [{int((value - choice[0]) / step) for value in both} for both in values]
            assert not cells[0] & cells[1]


@pytest.mark.parametrize("part", ["fit", "last"])
def test_a_third_of_each_part_and_kind_has_no_pulse_and_rates_lie_apart(part):
    cases = [case for case in (draw_case(1, index) for index in range(900)) if case["part"] == part]
    kinds = set(synthetic.DISTURBANCES) - (set() if part == "last" else set(LAST_ALONE))
    assert {case["kind"] for case in cases} == kinds
    assert {case["subject"] for case in cases} == set(synthetic.SUBJECTS)
    for kind in kinds:
        dead = [case["subject"] != "person" for case in cases if case["kind"] == kind]
        assert np.mean(dead) == pytest.approx(1 / 3, abs=0.05)
    for case in cases:
        hz = synthetic.disturbances.rate_hz(case["kind"], case, case["fps"])
        assert hz is None or abs(60 * hz - case["bpm"]) >= APART_BPM
        if case["kind"] == "mains":
            assert case["flicker_hz"] in (100, 120)
            assert 23.2 <= case["fps"] <= 61.5
            assert 0.7 - 1e-9 <= hz <= 3.0 + 1e-9


@pytest.mark.parametrize("subject", synthetic.SUBJECTS)
def test_the_truth_is_what_the_skin_carries(subject):
    case = quiet_case(subject=subject, seconds=8.0)
    face, beside = traces(case)
    at = amplitude(face, case.seconds, 66 / 60)
    assert amplitude(beside, case.seconds, 66 / 60) < 3e-4
    if subject == "person":
        assert case.bpm == pytest.approx(66, abs=0.01)
        assert 0.005 < at < 0.03  # of a peak to peak of 4 % on the strongest skin
        assert next(skin_maps(case.recording)).max() > 0.5
    else:
        assert case.bpm is None
        assert at < 6e-4


@pytest.mark.parametrize(
    ("kind", "settings", "hz"),
    [
        ("lamp", {"flicker": 0.02, "flicker_hz": 1.6}, 1.6),
        ("coloured lamp", {"flicker": 0.02, "flicker_hz": 1.6, "flicker_red": 0.0}, 1.6),
        ("mains", {"flicker": 0.02, "flicker_hz": 120.0, "fps": 29.6}, 1.6),
        ("mains", {"flicker": 0.02, "flicker_hz": 100.0, "fps": 25.4}, 1.6),
    ],
)
@pytest.mark.parametrize("subject", ["person", "photograph"])
def test_a_lamp_is_in_face_and_background_at_its_aliased_rate(kind, settings, hz, subject):
    case = quiet_case(kind, subject, **settings)
    assert case.rate_hz == pytest.approx(hz)
    assert case.strength == 0.02
    for trace in traces(case):
        assert amplitude(trace, case.seconds, hz) == pytest.approx(0.02, rel=0.15)


def test_a_lamp_on_the_face_is_not_in_the_background():
    case = quiet_case("lamp on the face", spot=0.02, spot_hz=1.6)
    face, beside = traces(case)
    assert amplitude(face, case.seconds, 1.6) == pytest.approx(0.02, rel=0.1)
    assert amplitude(beside, case.seconds, 1.6) < 3e-4


@pytest.mark.parametrize(
    ("kind", "settings", "axis", "hz"),
    [
        ("jogging", {"rhythm": 0.1, "rhythm_hz": 1.5}, 1, 1.5),
        ("car", {"shake": 0.1, "shake_hz": 1.5}, 1, 1.5),
        ("breathing", {"breathing": 0.15, "breaths_per_minute": 30.0}, 1, 0.5),
    ],
)
def test_the_face_moves_at_the_rate(kind, settings, axis, hz):
    case = quiet_case(kind, "mask", **settings)
    assert case.rate_hz == pytest.approx(hz)
    track = case.recording.boxes[:, axis] - case.recording.boxes[:, axis].mean()
    power = np.abs(np.fft.rfft(track * np.hanning(len(track)), 4096)) ** 2
    assert np.fft.rfftfreq(4096, 1 / 25)[power.argmax()] == pytest.approx(hz, abs=0.2)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "mpeg4"])
def test_a_file_has_key_frames_where_the_case_says_and_its_frames(codec, tmp_path):
    coded = {"codec": codec, "key_frame_every": 20, "kbit_per_second": 200.0}
    case = quiet_case("key frames", "photograph", **coded, seconds=2.5, noise_levels=2.0)
    path = case.write(tmp_path)
    with av.open(str(path)) as container:
        assert [bool(frame.key_frame) for frame in container.decode(video=0)] == case.key_frames.tolist()
    assert case.rate_hz == 25 / 20
    for (at, frame), (seconds, own) in zip(read_video(path), case.frames(), strict=True):
        assert at == pytest.approx(seconds, abs=1e-3)
        assert np.abs(frame.astype(float) - own).mean() < 3.0  # containers start encoders with other tolerances


def test_frames_in_no_order_are_the_same_frames_and_one_frame_is_one():
    own = {"seconds": 1.0, "noise_levels": 2.0, "sway": 0.1}
    filmed = list(quiet_case(**own).camera_frames())
    shuffled = list(quiet_case(subject="frames in no order", **own | {"pulse_strength": 0.04}).camera_frames())
    assert sorted(frame.tobytes() for frame in shuffled) == sorted(frame.tobytes() for frame in filmed)
    assert not np.array_equal(shuffled, filmed)
    still = list(quiet_case(subject="one frame", **own).camera_frames())
    assert len(still) == 25
    assert all(np.array_equal(frame, still[0]) for frame in still)


@pytest.mark.slow
def test_the_set_is_written_with_its_truth_whatever_the_number_of_workers(tmp_path):
    settings = {"seconds": 0.5, "size": (64, 96)}
    rows = synthetic.write_disturbed(tmp_path / "one", count=4, seed=2, workers=1, **settings)
    synthetic.write_disturbed(tmp_path / "two", count=4, seed=2, workers=2, **settings)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    truth = dict(line.split("\t") for line in (tmp_path / "one" / "truth.tsv").read_text().splitlines())
    with (tmp_path / "one" / "cases.csv").open() as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    assert set(truth) == set(table) == set(one) - {"truth.tsv", "cases.csv"}
    assert 0 < sum(value == "none" for value in truth.values()) < 4
    for row in rows:
        case = synthetic.disturbed_case(2, row["index"], **settings)
        bpm = truth[row["file"]]
        assert (bpm == "none") == (case.bpm is None)
        assert case.bpm is None or float(bpm) == pytest.approx(case.bpm, abs=0.01)
        assert float(table[row["file"]]["flicker_hz"]) == case.recording.parameters["flicker_hz"]
        assert len(list(read_video(tmp_path / "one" / row["file"]))) == len(case.seconds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count = 0"),
        ({"count": 3, "seconds": -1.0}, "seconds = -1"),
        ({"count": 3, "size": (97, 128)}, "size"),
    ],
)
def test_an_impossible_set_is_refused_and_leaves_nothing(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        synthetic.write_disturbed(tmp_path / "set", **arguments)
    assert list(tmp_path.iterdir()) == []


# --- laid over a video


@pytest.fixture(scope="module")
def film() -> list[tuple[float, np.ndarray]]:
    """Five seconds of a still picture with detail, as a camera at 30 frames a second has it."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(30, 220, (96, 128, 3)).astype(np.float32), (0, 0), 1.0)
    picture = np.clip(128 + 2 * (picture - picture.mean()), 20, 235).astype(np.uint8)
    return [(number / 30, picture) for number in range(150)]


def test_light_multiplies_in_linear_light(film):
    row, frames = synthetic.lay_over(film, 30.0, "lamp", 1, flicker=0.02, flicker_hz=1.6, flicker_harmonic=0.0)
    assert (row["kind"], row["strength"], row["rate_hz"]) == ("lamp", 0.02, pytest.approx(1.6))
    seconds, frames = zip(*frames, strict=True)
    assert list(seconds) == [at for at, _ in film]
    linear = np.stack([to_linear(frame / 255) for frame in frames])
    for channel in range(3):
        for part in (linear[:, :40], linear[:, 40:]):
            trace = part[..., channel].mean(axis=(1, 2))
            assert amplitude(trace, np.array(seconds), 1.6) == pytest.approx(0.02, rel=0.1)


def test_motion_moves_the_frame(film):
    row, frames = synthetic.lay_over(film, 30.0, "jogging", 1, rhythm=0.1, rhythm_hz=1.5)
    start = film[0][1][..., 1].astype(np.float64) - 128
    inner = np.hanning(96)[:, None] * np.hanning(128)
    greens = [frame[..., 1].astype(np.float64) - 128 for _, frame in frames]
    ways = np.array([cv2.phaseCorrelate(start.copy(), green, inner)[0] for green in greens])  # it writes into both
    assert row["rate_hz"] == 1.5
    assert ways[:, 1].std() == pytest.approx(0.1 * 0.18 * 96, rel=0.15)
    power = np.abs(np.fft.rfft((ways[:, 1] - ways[:, 1].mean()) * np.hanning(150), 4096)) ** 2
    assert np.fft.rfftfreq(4096, 1 / 30)[power.argmax()] == pytest.approx(1.5, abs=0.2)


def test_a_codec_codes_again_and_the_same_seed_gives_the_same(film):
    one, two = (list(synthetic.lay_over(film[:60], 30.0, "key frames", 5)[1]) for _ in range(2))
    assert len(one) == 60
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, two, strict=True))
    assert np.abs(one[-1][1].astype(float) - film[0][1]).max() > 0


def test_mains_alias_to_a_pulse_at_any_frame_rate(film):
    for fps in (24.0, 29.97, 50.0):
        row, _ = synthetic.lay_over(film, fps, "mains", 2)
        assert 0.7 <= row["rate_hz"] <= 3.0
        assert 80 < row["flicker_hz"] < 125


def test_a_disturbance_that_cannot_be_laid_over_is_refused(film):
    with pytest.raises(InputError, match="did you mean jogging"):
        synthetic.lay_over(film, 30.0, "joging", 1)
    with pytest.raises(InputError, match="chewing"):
        synthetic.lay_over(film, 30.0, "chewing", 1)
    assert list(islice(synthetic.lay_over([], 30.0, "lamp", 1)[1], 1)) == []
