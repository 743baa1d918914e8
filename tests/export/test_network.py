"""The exported form computes what the network computes: in float64, to rounding, for every option that it takes."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.export.network import Decomposed, inference_form
from rppg_graph.graph.constructors import GRAPHS
from rppg_graph.models import MODELS
from rppg_graph.nn.graph_conv import GRAPH_CONVS

RELATIVE = ("average_relative", "max_relative", "attention_relative")


def assert_same(model: torch.nn.Module, video: torch.Tensor) -> None:
    model, video = model.double(), video.double()
    form = inference_form(model)
    with torch.no_grad():
        wave = model(video)
        with Decomposed():
            ours = form(video)
    assert wave.std(1).min() > 0
    assert ((ours - wave).abs().amax(1) / wave.std(1)).max() < 1e-10


@pytest.mark.parametrize("name", MODELS)
def test_every_network(name, tiny_network, clips):
    assert_same(tiny_network(name), clips)


@pytest.mark.parametrize("conv", RELATIVE)
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_graph(graph, conv, tiny_network, clips):
    assert_same(tiny_network("stgnet_small", graph=graph, conv=conv), clips)


@pytest.mark.parametrize(
    "options",
    [
        {"loop": False},
        {"reuse_graph": True},
        {"k": 1000},  # more than there are nodes
        {"graph_options": {"metric": "euclidean"}},
        {"graph_options": {"features": "standardised"}},
        {"graph": "sampled", "graph_options": {"share": 0.3, "seed": 2}, "loop": False},
        {"graph": "dilated", "graph_options": {"dilation": 3}, "loop": False},
        {"graph": "windowed", "graph_options": {"segments": 1, "patches": 1}, "loop": False},
        {"graph": "random", "graph_options": {"seed": 3}},
        {"mask_axes": "time-height", "head_dropout": 0.3},
        {"clip_frames": 16, "size": 16},  # positions are interpolated
    ],
    ids=str,
)
def test_options_of_stgnet(options, tiny_network, clips):
    assert_same(tiny_network("stgnet_paper", **options), clips)


def test_a_clip_length_that_the_head_must_average_to(tiny_network, clips):
    assert_same(tiny_network("stgnet_small", frames=21), clips[:, :, :21])


@pytest.mark.parametrize("frames", [20, 23])
@pytest.mark.parametrize("shift", ["wrap", "zero", "none"])
def test_options_of_stream_net(shift, frames, tiny_network, clips):
    model = tiny_network("stream_net", shift=shift, fifth_convolution=True, dilations=(1, 3), segment=5)
    assert_same(model, clips[:, :, :frames])


def test_the_network_is_left_as_it_was(tiny_network):
    model = tiny_network("stream_net")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    form = inference_form(model)
    with torch.no_grad():
        for parameter in form.parameters():
            parameter.zero_()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("conv", [conv for conv in GRAPH_CONVS if conv not in RELATIVE])
def test_other_convolutions_are_refused(conv, tiny_network):
    with pytest.raises(InputError, match=r"\(option conv\).*average_relative, max_relative and attention_relative"):
        inference_form(tiny_network("stgnet_small", conv=conv))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stgnet_small", "stream_net"])
def test_torch_compile_takes_the_whole_network_and_its_gradient(name, tiny_network, clips):
    model, video = tiny_network(name).double(), clips[:2].double()
    results = []
    for run in (model, torch.compile(model, fullgraph=True, backend="aot_eager")):
        model.zero_grad()
        wave = run(video)
        wave.square().sum().backward()
        results.append((wave, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)
