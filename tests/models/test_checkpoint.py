"""Checkpoints: round trip, released files, and files that are none."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load, load_released, save
from rppg_graph.models.stgnet import stgnet_released
from rppg_graph.models.stream_net import stream_net

OPTIONS = {"size": 32, "clip_frames": 24}


@pytest.fixture
def checkpoint() -> Checkpoint:
    config = {"model": {"name": "stgnet_small", "options": OPTIONS}}
    calibration = {"quality": {"temperature": 8.5, "threshold": None}}
    return Checkpoint(MODELS["stgnet_small"](**OPTIONS), config, 29.5, 72.0, {"step": 3}, calibration)


def test_round_trip(checkpoint, tmp_path):
    path = tmp_path / "run.safetensors"
    save(path, checkpoint)
    loaded = load(path)
    assert not loaded.model.training
    assert loaded[1:] == checkpoint[1:]
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.promise("the disk is full while a checkpoint is written", "the old one stays")
def test_a_failed_write_keeps_the_old_file(checkpoint, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    save(path, checkpoint)
    before = path.read_bytes()

    def full(file, content):
        with file.open("wb") as half:
            half.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        save(path, checkpoint)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def write(path, content: str, checkpoint):
    if content == "text":
        path.write_text("this is no checkpoint")
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "cut off":
        save(path, checkpoint)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif content == "pickled object":
        torch.save({"format": "x", "model": torch.nn.Linear(2, 2)}, path)
    elif content == "a list":
        torch.save([1, 2], path)
    elif content == "other weights":
        other = MODELS["stgnet_small"](size=32, clip_frames=48)
        save(path, checkpoint._replace(model=other))
    elif content == "unknown network":
        save(path, checkpoint._replace(config={"model": {"name": "resnet", "options": {}}}))
    return path


CONTENTS = ["none", "text", "empty", "cut off", "pickled object", "a list", "other weights", "unknown network"]


@pytest.mark.promise("a file is no checkpoint, or holds objects", "refused with its name")
@pytest.mark.parametrize(
    ("read", "content"), [*((load, each) for each in CONTENTS), *((load_released, each) for each in CONTENTS[:-2])]
)
def test_files_that_are_no_checkpoint(read, content, checkpoint, tmp_path):
    path = write(tmp_path / "bad.safetensors", content, checkpoint)
    with pytest.raises(InputError, match=r"bad\.safetensors"):
        read(path)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("name", "build", "bias", "released"),
    [("stgnet_released", stgnet_released, "head.out.bias", "BPM.upsample.10.bias"),
     ("stream_net", stream_net, "out.bias", "final_dense_2.bias")],
)  # fmt: skip
def test_released_files(name, build, bias, released, prefix, released_state, tmp_path):
    state = released_state(name)
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "released.pth")
    model = load_released(tmp_path / "released.pth")
    assert not model.training
    shapes, expected = ({key: value.shape for key, value in m.state_dict().items()} for m in (model, build()))
    assert shapes == expected
    assert torch.equal(model.state_dict()[bias], state[released])


def test_released_names_of_another_network(tmp_path):
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"conv\.weight"):
        load_released(tmp_path / "other.pth")
