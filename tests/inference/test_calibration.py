"""A network's calibration by validation recordings."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rppg_graph.inference.calibration import calibrate, calibration_for
from rppg_graph.inference.methods import InferenceOptions, MonteCarlo
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load, save
from rppg_graph.pulse.uncertainty import LEAST_SCORES

SIZE, FRAMES, FPS = 16, 40, 30.0


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    config = {
        "model": {"name": "deep_phys", "options": {"size": SIZE}},
        "data": {"clip_frames": FRAMES, "crop": {"size": SIZE}},
    }
    return Checkpoint(MODELS["deep_phys"](size=SIZE).eval(), config, FPS, 70.0, {})


def recording(name: str, seconds: float) -> SimpleNamespace:
    rng = np.random.default_rng(len(name))
    frames = int(seconds * FPS)
    pulse = np.sin(2 * np.pi * rng.uniform(0.9, 2.0) * np.arange(frames) / FPS)
    crops = 120 + 8 * pulse[:, None, None, None] + rng.normal(0, 3, (frames, SIZE, SIZE, 3))
    return SimpleNamespace(
        name=name, subject=name, frames=crops.astype(np.uint8), seconds=np.arange(frames) / FPS, fps=FPS,
        face=np.ones(frames, bool), boxes=np.zeros((frames, 4)), pulse=pulse, bpm=None,
    )  # fmt: skip


@pytest.mark.slow
def test_both_sources_are_calibrated_on_a_window_a_second(checkpoint, tmp_path):
    recordings = [recording("a", 12), recording("bb", 14), recording("short", 1)]
    found = calibrate(checkpoint, recordings)
    assert set(found) == {"quality", "quality of corners", "quality of corners and pos", "mc"}
    for source in found.values():
        assert (source["windows"], source["recordings"]) == (3 + 5, 2)
        assert source["temperature"] is None  # by two recordings
    save(tmp_path / "best.safetensors", checkpoint._replace(calibration=found))
    loaded = load(tmp_path / "best.safetensors")
    assert loaded.calibration == found
    assert calibration_for(loaded, InferenceOptions()).to_dict() == found["quality"]
    assert calibration_for(loaded, InferenceOptions("corners")).to_dict() == found["quality of corners"]
    joined = calibration_for(loaded, InferenceOptions("corners", "pos"))
    assert joined.to_dict() == found["quality of corners and pos"]
    assert calibration_for(loaded, InferenceOptions("whole", "pos")) is None
    assert calibration_for(loaded, InferenceOptions("corners", mc=MonteCarlo())) is None
    assert calibration_for(loaded, InferenceOptions(mc=MonteCarlo(5, "half", 7))).to_dict() == found["mc"]
    assert calibration_for(loaded, InferenceOptions(mc=MonteCarlo(30, "third"))) is None  # never seen at that rate
    assert calibration_for(checkpoint, InferenceOptions()) is None


def test_a_network_that_drops_nothing_has_no_calibration_by_dropout(checkpoint):
    for layer in checkpoint.model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    assert set(calibrate(checkpoint, [], ["quality", "mc"])) == {"quality"}


@pytest.mark.slow
def test_too_few_windows_calibrate_nothing_and_say_so(checkpoint):
    found = calibrate(checkpoint, [recording("a", 12)], ["quality"])
    known = calibration_for(checkpoint._replace(calibration=found), InferenceOptions())
    assert (known.windows, known.temperature, known.threshold) == (3, None, None)
    assert f"no interval, which {LEAST_SCORES} recordings are needed for" in known.summary()
    assert known.interval_bpm(0.1, None) is known.refusal(0.0, None) is None
