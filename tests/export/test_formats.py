"""Files of every format: any number of clips, the description inside, and nothing else."""

import io
import json
import sys
from pathlib import Path

import onnx
import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.export.formats import DESCRIPTION, FORMATS, Description
from rppg_graph.graph.constructors import GRAPHS


def described_onnx(content: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}


def described_exported(content: bytes) -> dict[str, object]:
    extra = {DESCRIPTION: ""}
    torch.export.load(io.BytesIO(content), extra_files=extra)
    return json.loads(extra[DESCRIPTION])


DESCRIBED = {"onnx": described_onnx, "exported": described_exported}


def description(name: str, model: torch.nn.Module) -> Description:
    return Description(name, 32, 32, 29.5, model.label)


def assert_runs(file_format: str, model: torch.nn.Module, name: str, clips: torch.Tensor) -> bytes:
    content = FORMATS[file_format].to_bytes(model, description(name, model))
    run = FORMATS[file_format].runner(content)
    with torch.no_grad():
        wave = model(clips)
    for count in (1, 2, 3):
        ours = run(clips[:count])
        assert ours.shape == (count, 32)
        assert ((ours - wave[:count]).abs().amax(1) / wave[:count].std(1)).max() < 1e-3
    return content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_format", "name"),  # ts_can as exported: a full one, in test_command_line.py
    [("onnx", "stgnet_released"), ("onnx", "stream_net"), ("onnx", "ts_can"),
     ("exported", "stgnet_released"), ("exported", "stream_net")],
)  # fmt: skip
def test_a_file_says_what_the_network_says(file_format, name, tiny_network, clips):
    model = tiny_network(name)
    content = assert_runs(file_format, model, name, clips)
    told = DESCRIBED[file_format](content)
    assert told.keys() == set(Description._fields)
    assert (told["model"], float(told["fps"]), told["label"]) == (name, 29.5, model.label)
    assert (int(told["clip_frames"]), int(told["size"])) == (32, 32)
    assert str(Path(__file__).parents[2]).encode() not in content
    weights = sum(value.nbytes for value in model.state_dict().values())
    assert len(content) < weights + 500_000  # no example clip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_format", "graph"), [*(("onnx", graph) for graph in GRAPHS if graph != "knn"), ("exported", "windowed")]
)
def test_every_graph(file_format, graph, tiny_network, clips):
    model = tiny_network("stgnet_small", graph=graph, conv="max_relative", stages=[(1, 4, 1)])
    assert_runs(file_format, model, "stgnet_small", clips)


@pytest.mark.slow
def test_masks_that_are_nearly_closed_stay_masks(tiny_network, clips):
    model = tiny_network("stgnet_small", stages=[(1, 4, 1)])
    with torch.no_grad():
        model.stem[2].gate.bias.fill_(-25.0)  # where ONNX Runtime's own sigmoid is zero, and the mask 0 / 0
    assert_runs("onnx", model, "stgnet_small", clips)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(package, tiny_network, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # what an import sees where it is not installed
    model = tiny_network("deep_phys")
    with pytest.raises(InputError, match=rf"needs {package}.*pip install .rppg-graph\[export\]"):
        FORMATS["onnx"].to_bytes(model, description("deep_phys", model))
