"""``run.py predict`` on a folder, on pictures and on raw frames; a video that fails does not stop the rest."""

import csv
import io
import json

import cv2
import numpy as np
import pytest

from rppg_graph import cli
from rppg_graph.data.source import found_in, opened_source
from rppg_graph.data.video_writer import write_video
from rppg_graph.errors import InputError
from rppg_graph.synthetic import generate

FPS = 15


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    options = {"bpm": 72.0, "drift_bpm": 0.0, "face_size": 0.3, "face_x": 0.5, "face_y": 0.5}
    return list(generate("easy", 5, seconds=11, fps=FPS, size=(120, 160), **options).camera_frames())


@pytest.fixture(scope="module")
def folder(frames, tmp_path_factory):
    """Two good videos, one of them in a subfolder, and one that is text."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    for name in ("a.mp4", "more/b.mkv"):
        write_video(folder / name, frames, FPS, crf=8)
    (folder / "broken.mp4").write_text("not a video")
    (folder / "notes.txt").write_text("left out")
    return folder


def test_a_folder_is_a_row_a_video(folder, tmp_path, capsys):
    files = [tmp_path / "all.csv", tmp_path / "all.json"]
    arguments = [str(folder), "--method", "pos", "--summary", str(files[0]), "--json", str(files[1])]
    assert cli.main(["predict", *arguments]) == 1  # one of them failed
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.mp4", "broken.mp4", "b.mkv"]
    assert "72 beats a minute" in lines[0]
    assert "not a readable video" in lines[1]
    rows = list(csv.DictReader(files[0].open(encoding="utf-8")))
    assert [row["video"] for row in rows] == ["a.mp4", "broken.mp4", "b.mkv"]
    assert [float(row["bpm"] or "nan") for row in rows] == pytest.approx([72, np.nan, 72], abs=2, nan_ok=True)
    assert (rows[0]["error"], "not a readable video" in rows[1]["error"]) == ("", True)
    assert [one["video"] for one in json.loads(files[1].read_text())] == ["a.mp4", "broken.mp4", "b.mkv"]


def test_what_is_about_one_video_is_refused_for_many(folder, tmp_path, capsys):
    assert cli.main(["predict", str(folder), "--method", "pos", "--plot", str(tmp_path / "a.png")]) == 2
    assert "--summary FILE tells of all 3" in capsys.readouterr().err


def test_pictures_and_raw_frames_are_read_as_the_video(frames, tmp_path, monkeypatch, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, rgb in enumerate(frames):
        cv2.imwrite(str(pictures / f"face{number}.png"), rgb[..., ::-1])
    found = []
    for source, flags in ((str(pictures), []), ("-", ["--size", "160x120"])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"".join(rgb.tobytes() for rgb in frames))))
        told = tmp_path / "told.json"
        assert cli.main(["predict", source, *flags, "--fps", str(FPS), "--method", "pos", "--json", str(told)]) == 0
        found.append({**json.loads(told.read_text()), "video": ""})
        told.unlink()
    assert found[0] == found[1]
    assert found[0]["bpm"] == pytest.approx(72, abs=2)
    assert found[0]["beat_to_beat"]["mean_interval_ms"] == pytest.approx(60_000 / 72, rel=0.03)
    assert "needs 60 s" in found[0]["beat_to_beat"]["reasons"]["rmssd_ms"]
    assert "beat to beat" in capsys.readouterr().out


def test_bad_sources_are_said(tmp_path, monkeypatch, capsys):
    with pytest.raises(InputError, match="a folder without a video or a picture"):
        found_in([tmp_path])
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 4, 3), np.uint8))
    assert found_in([tmp_path]) == [tmp_path]
    with pytest.raises(InputError, match="1 pictures do not say when they were taken; add --fps"):
        opened_source(tmp_path)
    for arguments, said in (
        (["-"], "raw frames need --size WIDTHxHEIGHT and --fps RATE"),
        (["-", str(tmp_path)], "standard input is one video"),
        (["-", "--size", "4x4", "--fps", "30"], "frame 0 is cut off (7 of 48 bytes)"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"7 bytes")))
        assert cli.main(["predict", *arguments, "--method", "pos"]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["predict", "-", "--size", "big"])
    assert "such as 640x480" in capsys.readouterr().err


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 100):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.full((4, 4, 3), number, np.uint8))
    found = [(seconds, rgb[0, 0, 0]) for seconds, rgb in opened_source(tmp_path, 2.0).frames]
    assert found == [(0.0, 9), (0.5, 10), (1.0, 100)]
