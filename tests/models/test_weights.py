"""Networks in safetensors files: what goes in comes out, and those of the package find a pulse."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rppg_graph.data.video_writer import write_video
from rppg_graph.errors import InputError
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.methods import InferenceOptions
from rppg_graph.inference.predict import predict_video
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.models.weights import FOLDER, SHIPPED, load_weights, write_weights
from rppg_graph.synthetic import generate

OPTIONS = {"size": 16, "clip_frames": 32, "stages": [[1, 4, 2]]}


@pytest.fixture
def checkpoint() -> Checkpoint:
    """A tiny network whose running statistics are not those of the start."""
    torch.manual_seed(0)
    model = MODELS["stgnet_small"](**OPTIONS)
    model.train()(torch.rand(2, 3, 32, 16, 16))
    config = {"model": {"name": "stgnet_small", "options": OPTIONS}}
    calibration = {"quality": {"source": "quality", "rate": None, "temperature": 2.5}}
    return Checkpoint(model.eval(), config, 29.97, 71.5, {"step": 3}, calibration)


def test_what_goes_in_comes_out(checkpoint, tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_weights(path, checkpoint)
    found = load(path)
    assert (found.config, found.fps, found.mean_bpm) == (checkpoint.config, 29.97, 71.5)
    assert (found.calibration, found.training) == (checkpoint.calibration, {})
    assert not found.model.training
    ours, theirs = checkpoint.model.state_dict(), found.model.state_dict()
    for name, _ in checkpoint.model.named_parameters():
        assert torch.equal(theirs[name], ours[name].half().float()), name
    for name, value in checkpoint.model.named_buffers():
        assert torch.equal(theirs[name], value), name
    assert list(tmp_path.iterdir()) == [path]


def test_parameters_that_float16_cannot_hold_are_refused(checkpoint, tmp_path):
    with torch.no_grad():
        next(checkpoint.model.parameters()).mul_(1e9)
    with pytest.raises(InputError, match="not finite in float16"):
        write_weights(tmp_path / "large.safetensors", checkpoint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "foreign", "unfit"])
def test_files_that_are_no_weights_of_ours(kind, checkpoint, tmp_path):
    path = tmp_path / "bad.safetensors"
    if kind == "text":
        path.write_text("no weights at all")
    elif kind == "cut":
        write_weights(path, checkpoint)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    elif kind == "unfit":
        other = OPTIONS | {"stages": [[1, 4, 2], [1, 4, 1]]}
        write_weights(path, checkpoint._replace(config={"model": {"name": "stgnet_small", "options": other}}))
    with pytest.raises(InputError, match=re.escape(str(path))):
        load(path)


def test_a_name_that_does_not_exist_meets_the_nearest():
    with pytest.raises(InputError, match="did you mean stgnet-small-synth"):
        load_weights("stgnet-small-sinth")


def test_the_package_holds_small_files_with_a_card_each():
    assert "stgnet-small-synth" in SHIPPED
    assert sum(path.stat().st_size for path in SHIPPED.values()) < 15e6
    for name in SHIPPED:
        card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for words in (name, "medical device", "run.py train configs/weights/", "UBFC-rPPG", "skin tone", "Limits"):
            assert words in card


@pytest.fixture(scope="module", params=[60.0, 120.0])
def pulsing(request, tmp_path_factory) -> tuple[Path, float]:
    """A video of a generated face, and its heart rate."""
    path = tmp_path_factory.mktemp("pulsing") / "face.mp4"
    recording = generate("easy", seed=77, seconds=12, fps=30, bpm=request.param)
    write_video(path, recording.camera_frames(), 30, crf=18)
    return path, float(np.mean(recording.bpm))


@pytest.mark.slow
@pytest.mark.parametrize("reading", [InferenceOptions(), InferenceOptions(crop_views="corners", ensemble_with="pos")])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_finds_a_generated_pulse(name, reading, pulsing):
    video, bpm = pulsing
    checkpoint = load_weights(name)
    assert calibration_for(checkpoint, reading) or name == "stgnet-map-synth"
    assert predict_video(video, reading.of(checkpoint)).rate.bpm == pytest.approx(bpm, abs=3)
