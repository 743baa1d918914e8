"""``run.py export``: a file that others can run without this project, or a message and no file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rppg_graph import cli
from rppg_graph.data.video_writer import write_video
from rppg_graph.export.formats import FORMATS, Format
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import save
from rppg_graph.models.weights import load_weights
from rppg_graph.synthetic import generate

# What a user without this project types: file, clips (.npy), waves (.npy).
USER = {
    "onnx": """
import sys, numpy
sys.modules["torch"] = sys.modules["torch_geometric"] = sys.modules["rppg_graph"] = None
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
told = session.get_modelmeta().custom_metadata_map
assert told["layout"] == "(batch, RGB, frames, height, width)" and told["value_range"] == "0 to 1", told
numpy.save(sys.argv[3], session.run(["wave"], {"video": numpy.load(sys.argv[2])})[0])
""",
    "exported": """
import sys, numpy
sys.modules["torch_geometric"] = sys.modules["rppg_graph"] = None
import torch
extra = {"description.json": ""}
network = torch.export.load(sys.argv[1], extra_files=extra).module()
assert '"value_range": "0 to 1"' in extra["description.json"], extra
numpy.save(sys.argv[3], network(torch.from_numpy(numpy.load(sys.argv[2]))).detach().numpy())
""",
}


def run_as_user(file_format: str, file: Path, video: torch.Tensor) -> torch.Tensor:
    clips, waves = file.with_name("clips.npy"), file.with_name("waves.npy")
    np.save(clips, video.numpy())
    words = [sys.executable, "-c", USER[file_format], str(file), str(clips), str(waves)]
    subprocess.run(words, check=True, cwd=file.parent)
    return torch.from_numpy(np.load(waves))


@pytest.fixture
def checkpoint(tiny_network, as_checkpoint, tmp_path) -> Path:
    """A tiny stgnet_small for clips of 32 frames of 32 px."""
    path = tmp_path / "best.safetensors"
    options = {"clip_frames": 32, "stages": [(2, 6, 2), (1, 4, 1)]}
    save(path, as_checkpoint(tiny_network("stgnet_small"), "stgnet_small", **options))
    return path


def assert_same_waves(ours: torch.Tensor, model: torch.nn.Module, video: torch.Tensor) -> None:
    with torch.no_grad():
        wave = model(video)
    assert ((ours - wave).abs().amax(1) / wave.std(1)).max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_runs_without_the_project(file_format, checkpoint, tiny_network, clips, capsys):
    assert cli.main(["export", str(checkpoint), "--format", file_format]) == 0
    out = checkpoint.with_suffix(FORMATS[file_format].suffix)
    screen = capsys.readouterr().out
    for words in (str(out), "MB", "(batch, 3, 32, 32, 32)", "(batch, 32): label wave, at 29.5 fps", "in float64", "ms"):
        assert words in screen
    assert {path.name for path in out.parent.iterdir()} == {"best.safetensors", out.name}
    assert_same_waves(run_as_user(file_format, out, clips), tiny_network("stgnet_small"), clips)


@pytest.mark.slow
def test_the_check_takes_a_real_video(checkpoint, capsys):
    video = checkpoint.with_name("face.mp4")
    write_video(video, generate("easy", 1, seconds=2).frames(), 30)
    assert cli.main(["export", str(checkpoint), "--format", "exported", "--video", str(video)]) == 0
    assert checkpoint.with_suffix(".pt2").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "file_format"), [("stgnet_paper", 64, "onnx"), ("ts_can", 36, "exported")])
def test_a_full_network(name, size, file_format, as_checkpoint, tmp_path):
    torch.manual_seed(0)
    model = MODELS[name](size=size).eval()
    path, out = tmp_path / "full.pt", tmp_path / "file"
    save(path, as_checkpoint(model, name, (160, size), size=size))
    assert cli.main(["export", str(path), "--format", file_format, "--out", str(out)]) == 0
    video = torch.rand(1, 3, 160, size, size)
    assert_same_waves(run_as_user(file_format, out, video), model, video)


@pytest.mark.slow
def test_a_network_that_comes_trained_is_exported_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "stgnet-small-synth", "--format", "onnx"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["stgnet-small-synth.onnx"]
    assert "(batch, 160): label wave, at 30 fps" in capsys.readouterr().out
    torch.manual_seed(0)
    video = torch.rand(2, 3, 160, 32, 32)  # no face has such contrast: it closes masks to 1e-10
    model = load_weights("stgnet-small-synth").model
    assert_same_waves(run_as_user("onnx", tmp_path / "stgnet-small-synth.onnx", video), model, video)


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "stgnet-smal", "--format", "exported"]) == 2
    assert "did you mean stgnet-small-synth" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def bad_checkpoint(kind: str, path: Path) -> None:
    if kind == "text":
        path.write_text("no checkpoint")
    elif kind == "weights":
        torch.save({"weight": torch.zeros(2)}, path)


@pytest.mark.parametrize("kind", ["missing", "text", "weights"])
def test_files_that_are_no_checkpoint(kind, tmp_path, capsys):
    path = tmp_path / "bad.pt"
    bad_checkpoint(kind, path)
    assert cli.main(["export", str(path), "--format", "exported"]) == 2
    assert "bad.pt" in capsys.readouterr().err
    assert not path.with_suffix(".pt2").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "onx"], ["onx", "did you mean onnx"]),
        (["--format", "exported", "--out", "nowhere/file.pt2"], ["nowhere", "does not exist"]),
        (["--format", "exported", "--out", "best.safetensors"], ["best.safetensors", "is what is read"]),
        (["--format", "exported", "--video", "none.mp4"], ["none.mp4"]),
        (["--format", "exported", "--video", "short.mp4"], ["short.mp4"]),
    ],
)
def test_mistakes_are_named_and_leave_nothing(arguments, words, checkpoint, monkeypatch, capsys):
    monkeypatch.chdir(checkpoint.parent)
    write_video(Path("short.mp4"), [np.full((64, 64, 3), 90, np.uint8)] * 5, 30)
    before, content = sorted(Path().iterdir()), checkpoint.read_bytes()
    assert cli.main(["export", "best.safetensors", *arguments]) == 2
    error = capsys.readouterr().err
    for word in words:
        assert word in error
    assert sorted(Path().iterdir()) == before
    assert checkpoint.read_bytes() == content


def test_an_option_that_cannot_be_exported(tiny_network, as_checkpoint, tmp_path, capsys):
    options = {"clip_frames": 32, "stages": [(1, 4, 1)], "conv": "sage"}
    save(tmp_path / "sage.pt", as_checkpoint(tiny_network("stgnet_small", **options), "stgnet_small", **options))
    assert cli.main(["export", str(tmp_path / "sage.pt"), "--format", "exported"]) == 2
    assert "SAGEConv (option conv) cannot be exported" in capsys.readouterr().err


def not_exported(monkeypatch, run) -> None:
    """Files of format exported hold nothing, and what runs them is this."""
    monkeypatch.setitem(FORMATS, "exported", Format(".pt2", lambda *_: b"nothing", lambda _: run))


def test_a_file_that_deviates_is_not_left_behind(checkpoint, monkeypatch, capsys):
    not_exported(monkeypatch, lambda video: video.mean((1, 3, 4)))
    assert cli.main(["export", str(checkpoint), "--format", "exported"]) == 2
    assert "no file was left" in capsys.readouterr().err
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
