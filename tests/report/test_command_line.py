"""The reports as the command line writes them, from a generated face."""

import pytest

from rppg_graph import cli


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--show-face",)], ids=["plain", "face"])
def test_predict_shows_a_face_only_on_request(face_video, tmp_path, browse, flags):
    video, report = tmp_path / "face & co.mp4", tmp_path / "report.html"
    video.symlink_to(face_video[0])
    assert cli.main(["predict", str(video), "--report", str(report), *flags]) == 0
    page = report.read_text(encoding="utf-8")
    assert "<h1>face &amp; co.mp4</h1>" in page
    assert ("data:image" in page) == bool(flags)
    found, console = browse(report)
    assert (found["hidden"], found["empty"], console) == ([], 0, [])


def test_show_face_without_a_report_is_a_mistake(face_video, capsys):
    assert cli.main(["predict", str(face_video[0]), "--show-face"]) == 2
    assert "--report FILE" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_first(face_video, tmp_path, capsys):
    assert cli.main(["predict", str(face_video[0]), "--report", str(tmp_path / "none" / "report.html")]) == 2
    assert "does not exist" in capsys.readouterr().err
