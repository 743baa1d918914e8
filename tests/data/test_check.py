"""check_data on folders whose faults are known."""

import json

import numpy as np
import pytest
import skimage.data

from rppg_graph.data.check import check_data
from rppg_graph.data.check_report import printable, report_lines, write_json
from rppg_graph.data.recordings import Reference, pure, ubfc_rppg
from rppg_graph.data.video import write_video
from rppg_graph.errors import InputError

FPS = 30.0


def _pulse(seconds: np.ndarray) -> np.ndarray:
    """A pulse that quickens from 60 to 94 bpm in 14 s, so that a lag is not known up to a beat only."""
    return np.cos(2 * np.pi * (seconds + 0.02 * seconds**2))


def _face_frames(seconds: np.ndarray):
    """A public-domain portrait whose colour follows _pulse."""
    portrait = skimage.data.astronaut()[0:240, 100:340].astype(np.float32)
    for pulse in _pulse(seconds):
        yield np.clip(np.rint(portrait * (1 - 0.03 * pulse * np.array([0.33, 0.77, 0.53]))), 0, 255).astype(np.uint8)


def _write_ubfc(root, name="subject1", length=14.0, label_shift=0.0, device=77.0):
    seconds = np.arange(0, length, 1 / FPS)
    label = np.arange(-3, length + 3, 1 / FPS)
    reference = Reference(label, _pulse(label - label_shift), np.full(len(label), device))
    ubfc_rppg.write(root, name, _face_frames(seconds), seconds, reference, codec="mjpeg")


def _write_pure(root, name="01-01", count=40):
    seconds = np.arange(count) / FPS
    label = np.arange(0, 3, 1 / 60)
    frames = np.zeros((count, 8, 8, 3), np.uint8)
    pure.write(root, name, frames, seconds, Reference(label, _pulse(label), np.full(len(label), 72.0)))


def _found(check, name):
    [recording] = [recording for recording in check.recordings if recording.name == name]
    return recording


@pytest.mark.slow
def test_sound_recordings_pass_with_their_figures(tmp_path):
    for i in (1, 2):
        _write_ubfc(tmp_path, f"subject{i}")
    check = check_data(tmp_path)
    assert check.complete
    assert "subject<n>/vid.avi" in check.why
    recording = _found(check, "subject2")
    assert (recording.subject, recording.layout, recording.split) == ("2", "ubfc-rppg", "test")
    assert recording.frames == 14 * FPS
    assert recording.fps == pytest.approx(FPS)
    assert recording.seconds == pytest.approx(14 - 1 / FPS)
    assert recording.face_share == 1
    assert recording.pulse_hz == pytest.approx(FPS, abs=0.01)
    assert 66 < recording.heart_rate_bpm[0] < recording.heart_rate_bpm[1] < 88
    assert abs(recording.lag_seconds) < 0.15
    assert recording.problems == recording.remarks == []


@pytest.mark.slow
def test_late_label_and_contradicting_device_are_remarked(tmp_path):
    _write_ubfc(tmp_path, label_shift=0.75, device=110.0)
    check = check_data(tmp_path)
    assert check.complete
    [recording] = check.recordings
    assert recording.lag_seconds == pytest.approx(0.75, abs=0.15)
    assert any("the label beats 0." in remark and "behind the face" in remark for remark in recording.remarks)
    assert any("own heart rate differs from that of its pulse trace by" in remark for remark in recording.remarks)
    assert recording.split is None  # one subject cannot be split


def test_every_fault_is_named_and_the_rest_is_still_checked(tmp_path):
    _write_pure(tmp_path, "01-01")
    for name in ("02-01", "03-01", "04-01", "07-02"):
        _write_pure(tmp_path, name)
    images = sorted((tmp_path / "02-01" / "02-01").iterdir())
    images[20].unlink()
    (tmp_path / "03-01" / "03-01.json").write_text('{"/FullPackage": [')
    content = json.loads((tmp_path / "04-01" / "04-01.json").read_text())
    content["/FullPackage"] = content["/FullPackage"][:30]
    (tmp_path / "04-01" / "04-01.json").write_text(json.dumps(content))
    check = check_data(tmp_path, decode=False)
    assert not check.complete
    assert len(check.recordings) == 5
    assert _found(check, "01-01").problems == []
    assert "the label goes on for 1.7 s" in _found(check, "01-01").remarks[0]
    assert "video: 1 gap in the timestamps, the longest of 0.067 s after 0.63 s" in _found(check, "02-01").remarks
    assert "not JSON, or cut off" in _found(check, "03-01").problems[0]
    assert "0.8 s of the video have no label and would be left out" in _found(check, "04-01").problems[0]
    assert "STGNet's authors left this recording out" in _found(check, "07-02").remarks[0]


def test_heart_rates_once_a_second_are_a_whole_label_and_impossible_ones_a_wrong_one(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    for name, bpm in (("right", 72), ("wrong", 12)):
        write_video(tmp_path / f"{name}.avi", frames, FPS, codec="mjpeg")
        rows = [f"{second},{bpm}" for second in range(10)]  # the video ends at 9.97 s
        (tmp_path / f"{name}.csv").write_text("\n".join(["seconds,bpm", *rows]))
    check = check_data(tmp_path, decode=False)
    assert _found(check, "right").problems == _found(check, "right").remarks == []
    assert _found(check, "wrong").problems == ["label: a heart rate of 12 bpm (median), which no heart has (30 to 240)"]


def test_a_video_without_a_reference_is_told_what_lies_beside_it(tmp_path):
    write_video(tmp_path / "a.avi", np.zeros((5, 16, 16, 3), np.uint8), FPS, codec="mjpeg")
    (tmp_path / "oximeter.csv").write_text("1,2")
    [recording] = check_data(tmp_path, decode=False).recordings
    assert "no reference beside the video (oximeter.csv beside it: not known here)" in recording.remarks[0]


def test_unreadable_frames_and_missing_faces_are_problems(tmp_path):
    _write_pure(tmp_path, "01-01")
    _write_pure(tmp_path, "02-01")
    broken = sorted((tmp_path / "02-01" / "02-01").iterdir())[20]
    broken.write_bytes(b"")
    check = check_data(tmp_path)
    assert "no face in any" in _found(check, "01-01").problems[0]
    [problem] = _found(check, "02-01").problems
    assert str(broken) in problem
    assert "frame 20 (0 bytes)" in problem


def test_mixed_layouts_are_a_problem_and_all_are_checked(tmp_path):
    _write_pure(tmp_path / "PURE")
    _write_ubfc(tmp_path / "UBFC", length=1.0)
    check = check_data(tmp_path, decode=False)
    assert {recording.layout for recording in check.recordings} == {"pure", "ubfc-rppg"}
    assert not check.complete
    assert "different layouts are mixed" in check.problems[0]
    assert check_data(tmp_path, "pure", decode=False).complete


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no recordings found"):
        check_data(tmp_path)


def test_table_and_json_say_the_same(tmp_path):
    _write_pure(tmp_path, "01-01")
    _write_pure(tmp_path, "02-01")
    (tmp_path / "02-01" / "02-01.json").unlink()
    check = check_data(tmp_path, decode=False)
    lines = list(report_lines(check))
    heads = " ".join(lines[1].split())
    assert heads == "recording subject split frames fps seconds face pulse Hz bpm lag s"
    assert lines[2].split()[:6] == ["01-01", "01", "train", "40", "30.00", "1.3"]
    assert any(line.startswith("  ! ") and "02-01.json is missing" in line for line in lines)
    assert lines[-1] == "2 recordings of 2 subjects; something would be left out of 1."
    write_json(check, tmp_path / "check.json")
    content = json.loads((tmp_path / "check.json").read_text())
    assert content["complete"] is False
    assert [recording["name"] for recording in content["recordings"]] == ["01-01", "02-01"]
    assert content["recordings"][0]["frames"] == 40
    assert "02-01.json is missing" in content["recordings"][1]["problems"][0]


def test_odd_names_stay_on_their_line():
    assert printable("Jörg – 1\n2\x1b[31m") == "Jörg – 1\\n2\\x1b[31m"


def test_real_clip_shorter_than_its_label(shared_data):
    [recording] = check_data(shared_data / "ubfc_subject1_clip").recordings
    assert recording.frames == 74
    assert recording.problems == []
    assert any(
        remark.startswith("the label goes on for 50.2 s after the video of 2.5 s") for remark in recording.remarks
    )
