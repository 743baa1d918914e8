"""``run.py live``: a generated face replayed, its lines, its JSON, and words for every mistake."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rppg_graph import cli
from rppg_graph.inference.predict import Update
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, save
from rppg_graph.report.screen import Screen, line

KEYS = {"seconds", "bpm", "reason", "at_band_edge", "quality", "interval_bpm", "probability",
        "face_share", "lag_seconds", "speed",
        "skipped_steps", "beat_to_beat"}  # fmt: skip
RUN = Path(__file__).parents[2] / "run.py"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A network of 16 px with fresh weights."""
    options = {"size": 16, "stages": [[1, 4, 2]]}
    data = {"clip_frames": 32, "crop": {"size": 16, "detector": "ultra-light", "policy": "fail"}}
    config = {"model": {"name": "stgnet_small", "options": options}, "data": data}
    path = tmp_path_factory.mktemp("checkpoint") / "fresh.pt"
    save(path, Checkpoint(MODELS["stgnet_small"](**options), config, 30.0, 72.0, {}))
    return path


@pytest.mark.slow
def test_a_video_is_followed_line_by_line(face_video, tmp_path, capsys):
    path, bpm = face_video
    lines = tmp_path / "pulse.jsonl"
    assert cli.main(["live", "--video", str(path), "--fast", "--method", "pos", "--json", str(lines)]) == 0
    head, *shown, last = capsys.readouterr().out.splitlines()
    assert head == "face.mp4: classical method pos, no training; Ctrl-C ends"
    updates = [json.loads(text) for text in lines.read_text().splitlines()]
    assert all(update.keys() == KEYS for update in updates)
    assert len(updates) == len(shown) == pytest.approx(13, abs=2)
    assert [update["seconds"] for update in updates] == sorted(update["seconds"] for update in updates)
    waiting, found = updates[:8], [update for update in updates if update["bpm"]]
    assert all(re.search(r"a face for \d+\.\d of 10 s so far", update["reason"]) for update in waiting)
    assert found[0]["seconds"] <= 12
    assert [update["bpm"] for update in found] == pytest.approx([bpm] * len(found), abs=2)
    assert re.search(rf"no number: {re.escape(waiting[0]['reason'])}  face 100%  \d+\.\d× real time", shown[0])
    assert f"{found[-1]['bpm']:.1f} bpm  quality {found[-1]['quality']:.2f}  face 100%" in shown[-1]
    assert re.fullmatch(rf"1[23] s: heart rate \d+ bpm, \d+ to \d+, in {len(found)} of {len(shown)} updates", last)


def test_json_lines_have_standard_output_to_themselves(face_video, capsys):
    options = ["--fast", "--method", "pos", "--seconds", "3", "--json", "-"]
    assert cli.main(["live", "--video", str(face_video[0]), *options]) == 0
    shown = capsys.readouterr()
    updates = [json.loads(text) for text in shown.out.splitlines()]
    assert [round(update["seconds"]) for update in updates] == [0, 1, 2]
    assert shown.err.splitlines()[-1] == "2 s: no heart rate of fair quality"


@pytest.mark.slow
def test_a_network_follows_too(face_video, checkpoint, capsys):
    options = ["--fast", "--checkpoint", str(checkpoint), "--json", "-"]
    assert cli.main(["live", "--video", str(face_video[0]), *options]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith(f"face.mp4: network stgnet_small from {checkpoint}")
    updates = [json.loads(text) for text in shown.out.splitlines()]
    assert "of 10 s so far" in updates[3]["reason"]
    last = updates[-1]  # of fresh weights: some number, or none where noise would do
    assert last["bpm"] is not None or "noise alone reaches" in last["reason"]
    assert updates[-1]["lag_seconds"] < 2


@pytest.mark.slow
def test_without_a_method_the_ensemble_follows_and_is_judged(face_video, capsys):
    path, bpm = face_video
    assert cli.main(["live", "--video", str(path), "--fast", "--json", "-"]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("face.mp4: ensemble of formulas and a graph network, judged by all evidence")
    updates = [json.loads(text) for text in shown.out.splitlines()]
    assert len(updates) == pytest.approx(13, abs=3)
    found = [update for update in updates if update["bpm"]]
    assert found[0]["seconds"] <= 13
    assert [update["bpm"] for update in found] == pytest.approx([bpm] * len(found), abs=2)
    assert all(update["interval_bpm"] > 0 and update["probability"] > 0.9 for update in found)


def update(**changes) -> Update:
    made = Update(12.0, 72.0, 0.8, None, False, None, None, np.zeros(300), np.arange(300) / 30, 0.1, 1.0, 4.0, 0)
    return replace(made, **changes)


def test_lines_say_what_is_doubtful():
    assert line(update()) == "  12.0 s   72.0 bpm  quality 0.80  face 100%  4.0× real time"
    assert "72.0 ± 5 bpm" in line(update(interval_bpm=5.2))
    assert "quality 0.29 (poor)" in line(update(quality=0.29))
    assert "72.0 bpm (at the edge of the band)" in line(update(at_band_edge=True))
    assert "0.7× real time, 3 steps left out" in line(update(speed=0.7, skipped_steps=3))
    assert "no number: no face for 2 s  face 50%" in line(update(bpm=None, reason="no face for 2 s", face_share=0.5))


def test_the_summary_is_of_the_numbers_that_are_not_poor():
    screen = Screen(io.StringIO(), "face.mp4")
    rates = [(70.2, 0.8), (75.0, 0.5), (73.4, 0.9), (120.0, 0.1), (None, 0.0)]
    for bpm, quality in rates:
        screen.show(update(bpm=bpm, quality=quality))
    screen.summary([])
    assert screen.out.getvalue().splitlines()[-1] == "12 s: heart rate 73 bpm, 70 to 75, in 3 of 5 updates"


def start(*arguments: str, **streams) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(RUN), "live", *arguments], text=True, **streams)


@pytest.mark.slow
def test_ctrl_c_ends_with_a_summary(face_video):
    """At its own rate, so that it is still running when the interrupt comes."""
    run = start("--video", str(face_video[0]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = [run.stdout.readline() for _ in range(3)]
    run.send_signal(signal.SIGINT)
    rest, errors = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "real time" in first[-1]
    assert re.fullmatch(r"\d+ s: no heart rate of fair quality", rest.splitlines()[-1])
    assert errors == ""


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_it(face_video):
    run = start("--video", str(face_video[0]), "--fast", "--json", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.readline()
    run.stdout.close()
    assert run.wait(60) == 0
    assert "Error" not in run.stderr.read()


def test_a_terminal_has_one_line_written_over(face_video, monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert cli.main(["live", "--video", str(face_video[0]), "--fast", "--method", "pos", "--seconds", "3"]) == 0
        monkeypatch.undo()
    shown = ""
    with suppress(OSError):  # of Linux, where all is read and nobody writes any more
        while part := os.read(ours, 10_000):
            shown += part.decode()
    os.close(ours)
    assert shown.count("\r\x1b[K") == 3
    assert shown.count("\n") == 3  # head, the line, summary
    assert all(len(part) < 80 for part in shown.split("\r\x1b[K")[1:-1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--camera", "63", "--json", "JSON"], ["camera 63 was not found", "take a video file"]),
        (["--video", "nowhere.mp4"], ["nowhere.mp4", "no such file"]),
        (["--video", "TEXT"], ["notes.mp4", "not a"]),
        (["--video", "VIDEO", "--method", "poss"], ["poss", "did you mean pos"]),
        (["--video", "VIDEO", "--checkpoint", "none.pt"], ["none.pt"]),
        (["--video", "VIDEO", "--seconds", "0"], ["--seconds 0", "above zero"]),
        (["--video", "VIDEO", "--json", "nowhere/x.jsonl"], ["nowhere", "does not exist"]),
        (["--fast"], ["--fast", "--video FILE"]),
    ],
)
def test_mistakes_are_named(arguments, words, face_video, tmp_path, capsys):
    (tmp_path / "notes.mp4").write_text("not a video")
    places = {"VIDEO": face_video[0], "TEXT": tmp_path / "notes.mp4", "JSON": tmp_path / "x.jsonl"}
    assert cli.main(["live", *(str(places.get(word, word)) for word in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    for word in words:
        assert word in shown.err
    assert "Traceback" not in shown.err
    assert not (tmp_path / "x.jsonl").exists()


def test_a_camera_and_a_video_at_once_are_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main(["live", "--camera", "1", "--video", "face.mp4"])
    assert "not allowed with" in capsys.readouterr().err
