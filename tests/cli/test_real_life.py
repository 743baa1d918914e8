"""``run.py predict`` and ``live`` on videos as people have them, whose truth is known."""

import json

import pytest

from rppg_graph import cli
from rppg_graph.data.video_writer import write_video
from rppg_graph.synthetic import generate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lost"),
    [("one_green_frame.mp4", 1), ("three_white_frames.mp4", 3), ("fades_out.mp4", 17), ("cover_picture_first.mp4", 0)],
)
def test_what_is_no_face_is_left_out_and_the_rest_is_read(shared_data, tmp_path, name, lost):
    result = tmp_path / "result.json"
    assert cli.main(["predict", str(shared_data / "disturbed" / name), "--method", "pos", "--json", str(result)]) == 0
    found = json.loads(result.read_text())
    assert found["bpm"] == pytest.approx(72, abs=1.5)
    assert found["frames"] - found["frames_with_face"] == pytest.approx(lost, abs=6 if lost > 3 else 0)


@pytest.mark.slow
def test_live_goes_on_through_a_flash(shared_data, capsys):
    video = shared_data / "disturbed" / "three_white_frames.mp4"
    assert cli.main(["live", "--video", str(video), "--fast", "--method", "pos"]) == 0
    assert "heart rate 71 bpm" in capsys.readouterr().out.splitlines()[-1]


@pytest.fixture(scope="module")
def slow_clock(tmp_path_factory):
    """A generated face of 9 s, filmed at 20 fps and written as of 15; its heart rate."""
    path, recording = tmp_path_factory.mktemp("clock") / "face.mp4", generate("easy", seed=5, seconds=9, fps=20)
    write_video(path, recording.camera_frames(), 15, crf=8)
    return path, float(recording.bpm.mean())


@pytest.mark.slow
def test_a_wrong_header_is_corrected_by_fps(slow_clock, tmp_path):
    path, bpm = slow_clock
    for options, expected in (([], bpm * 15 / 20), (["--fps", "20"], bpm)):
        result = tmp_path / "result.json"
        assert cli.main(["predict", str(path), "--method", "pos", "--json", str(result), *options]) == 0
        assert json.loads(result.read_text())["bpm"] == pytest.approx(expected, abs=1.5)


@pytest.mark.slow
def test_remarks_are_shown_and_written(slow_clock, tmp_path, capsys):
    result = tmp_path / "result.json"
    arguments = ["predict", str(slow_clock[0]), "--method", "pos", "--fps", "7", "--json", str(result)]
    assert cli.main(arguments) == 0
    end = "7 frames a second show heart rates up to 189 bpm; a faster heart is read wrongly"
    assert f"  remark: {end}\n" in capsys.readouterr().out
    assert json.loads(result.read_text())["remarks"] == [end]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["predict", "VIDEO", "--fps", "0"], "fps is 0"),
        (["predict", "VIDEO", "--face", "0"], "from 1 on"),
        (["live", "--fps", "20"], "--video FILE names"),
        (["predict", "rtsp://host/stream"], "an address, and videos are read from files"),
    ],
)
def test_mistakes_are_named(slow_clock, options, words, capsys):
    assert cli.main([*(word.replace("VIDEO", str(slow_clock[0])) for word in options), "--method", "pos"]) == 2
    assert words in capsys.readouterr().err
