"""The options of Monte-Carlo dropout: what is refused, and how."""

import json

import pytest
import torch

from rppg_graph.cli import main
from rppg_graph.data.video_writer import write_video
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, save
from rppg_graph.synthetic import generate


def saved(path, calibration=None, **changes) -> str:
    """The path of an untrained network."""
    options = {"size": 16, "clip_frames": 16, "stages": [[1, 4, 2]]} | changes
    torch.manual_seed(0)
    data = {"root": "nowhere", "crop": {"size": 16}, "clip_frames": 16}
    config = {"model": {"name": "stgnet_small", "options": options}, "data": data}
    save(path, Checkpoint(MODELS["stgnet_small"](**options), config, 30.0, 70.0, {}, calibration))
    return str(path)


@pytest.fixture
def checkpoint(tmp_path):
    """A network that has dropout layers, all of rate 0."""
    return saved(tmp_path / "best.safetensors", drop_path=0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "a.mp4", "--method", "pos", "--mc", "30"], "--mc 30: pos is a formula without dropout"),
        (["predict", "a.mp4", "--method", "chrom", "--mc", "30"], "chrom is a formula without dropout"),
        (["eval", "--method", "pos", "--data", "nowhere", "--mc", "30"], "formulas without dropout"),
        (["predict", "a.mp4", "--mc", "1"], "samples=1: a variance needs at least 2"),
        (["predict", "a.mp4", "--mc", "8", "--mc-rate", "quarter"], "rate='quarter': must be a number above 0"),
        (["predict", "a.mp4", "--mc", "8", "--mc-rate", "1.5"], "rate=1.5: must be a number above 0"),
        (["predict", "a.mp4", "--mc", "8", "--seed", "-1"], "seed=-1: must be a whole number from 0"),
        (["predict", "a.mp4", "--mc-rate", "half"], "ask for it with --mc 30"),
        (["predict", "a.mp4", "--seed", "1"], "ask for it with --mc 30"),
        (["predict", "a.mp4", "--method", "pos", "--crop-views", "corners"], "--crop-views corners: pos is a formula"),
        (["eval", "--method", "pos", "--data", "nowhere", "--crop-views", "corners"], "corners: classical methods"),
        (["predict", "a.mp4", "--method", "pos", "--ensemble-with", "chrom"], "--ensemble-with chrom: a formula"),
        (["eval", "--method", "pos", "--data", "nowhere", "--ensemble-with", "pos"], "pos: a formula goes"),
        (["predict", "a.mp4", "--weights", "stgnet-synth", "--ensemble-with", "poss"], "did you mean pos"),
        (["live", "--video", "a.mp4", "--weights", "stgnet-synth", "--ensemble-with", "poss"], "did you mean pos"),
    ],
)
def test_bad_options(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new"), [("--views", "--crop-views"), ("--beside", "--ensemble-with")])
def test_an_option_s_old_name_is_taken_with_a_warning(old, new, capsys):
    assert main(["predict", "a.mp4", "--weights", "stgnet-synth", old, "nothing"]) == 2
    said = capsys.readouterr().err
    assert f"warning: {old} is called {new} now" in said
    assert "'nothing'" in said  # it arrived where the new one does
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert f" {old} " not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["predict", "a.mp4", "--checkpoint"], ["eval"]])
def test_a_network_that_drops_nothing(command, checkpoint, capsys):
    assert main([*command, checkpoint, "--mc", "8"]) == 2
    assert "STGNet has dropout layers of rate 0 alone" in capsys.readouterr().err


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    write_video(path, generate("easy", seed=5, seconds=11, fps=30).camera_frames(), 30)
    return str(path)


def known(**changes):
    common = {"temperature": 2.0, "threshold": None, "windows": 40, "recordings": 40}
    return {
        "quality": {"source": "quality", "rate": None} | common | changes,
        "quality of corners": {"source": "quality", "rate": None} | common | {"temperature": 3.0} | changes,
        "quality of corners and pos": {"source": "quality", "rate": None} | common | {"temperature": 4.0} | changes,
        "mc": {"source": "mc", "rate": "half"} | common | changes,
    }


@pytest.mark.parametrize("options", [[], ["--mc", "3", "--mc-rate", "half", "--seed", "4"]])
def test_a_guess_is_refused_with_exit_code_0(video, options, tmp_path, capsys):
    network, result = saved(tmp_path / "best.safetensors", known(threshold=0.0)), tmp_path / "out.json"
    assert main(["predict", video, "--checkpoint", network, "--json", str(result), *options]) == 0
    found = json.loads(result.read_text())
    assert found["bpm"] is None
    assert found["reason"].startswith("it would be a guess: ")
    assert set(found["track"]["bpm"]) == {None}
    assert f"heart rate      none: {found['reason']}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "temperature"),
    [([], 2), (["--crop-views", "corners"], 3), (["--crop-views", "corners", "--ensemble-with", "pos"], 4)],
)
def test_a_calibrated_network_says_how_sure_it_is(video, options, temperature, tmp_path, capsys):
    network, result = saved(tmp_path / "best.safetensors", known()), tmp_path / "out.json"
    assert main(["predict", video, "--checkpoint", network, "--json", str(result), *options]) == 0
    found = json.loads(result.read_text())
    assert found["interval_bpm"] == pytest.approx(1.96 * temperature * (1 - found["quality"]))
    assert f"{found['bpm']:.1f} bpm ± {found['interval_bpm']:.1f} bpm (95 %, empirical)" in capsys.readouterr().out


def test_nothing_is_said_without_a_calibration(video, tmp_path, capsys):
    network, result = saved(tmp_path / "best.safetensors"), tmp_path / "out.json"
    options = ["--mc", "3", "--mc-rate", "third"]
    assert main(["predict", video, "--checkpoint", network, "--json", str(result), *options]) == 0
    found = json.loads(result.read_text())
    assert found["bpm"] is not None
    assert found["interval_bpm"] is None
    assert "interval_bpm" not in found["track"]
    assert "±" not in capsys.readouterr().out
