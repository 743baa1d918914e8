"""The denoise block: every graph constructor and convolution, edges given or built, clips kept apart."""

from __future__ import annotations

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.graph.constructors import GRAPHS
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.graph.feature_map import feature_map_to_graph
from rppg_graph.models.stgnet import GraphStage, Stage
from rppg_graph.nn.denoise_block import DenoiseBlock
from rppg_graph.nn.graph_conv import GRAPH_CONVS

GRID = (5, 3, 4)


def block(k: int = 6, **options) -> DenoiseBlock:
    torch.manual_seed(0)
    made = DenoiseBlock(8, GRID, k, **options).double().eval()
    torch.nn.init.normal_(made.position)
    return made


def graph(clips: int = 2, grid=GRID):
    generator = torch.Generator().manual_seed(clips)
    return feature_map_to_graph(torch.randn(clips, 8, *grid, dtype=torch.float64, generator=generator))


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("loop", [True, False])
def test_every_graph(name, loop):
    made, nodes = block(graph=name, loop=loop), graph()
    out = made(nodes)
    assert out.shape == (120, 8)
    alone = made(feature_map_to_graph(torch.randn(1, 8, *GRID, dtype=torch.float64)))
    assert alone.shape == (60, 8)


@pytest.mark.parametrize("name", GRAPHS)
def test_clips_of_a_batch_do_not_see_each_other(name):
    made, both = block(graph=name), graph(2)
    first = feature_map_to_graph(both.x[:60].view(1, *GRID, 8).permute(0, 4, 1, 2, 3))
    torch.testing.assert_close(made(both)[:60], made(first))


@pytest.mark.parametrize("conv", GRAPH_CONVS)
def test_every_convolution_learns(conv):
    made, nodes = block(conv=conv).train(), graph()
    made(nodes).square().sum().backward()
    missing = [name for name, parameter in made.named_parameters() if parameter.grad is None]
    assert missing == []


def test_neighbours_are_looked_for_with_the_positional_embedding():
    made, nodes = block(k=4), graph(1)
    placed = made.placed(nodes)
    torch.testing.assert_close(placed, nodes.x + made.position)
    edges = made.edges(placed, GRID).as_tensor()[0].view(60, 4).sort(1).values
    unit = torch.nn.functional.normalize(placed, dim=1)
    expected = torch.cdist(unit, unit).topk(4, largest=False).indices.sort(1).values
    assert torch.equal(edges, expected)


def test_edges_that_are_given_are_used():
    made, nodes = block(), graph()
    own = made.edges(made.placed(nodes), GRID)
    torch.testing.assert_close(made(nodes, own), made(nodes))
    assert not torch.allclose(made(nodes, CompleteGraph(2)), made(nodes))


def test_a_clip_smaller_than_k_uses_all_its_nodes():
    made, nodes = block(k=64), graph(1, grid=(2, 3, 4))
    everybody = made.edges(made.placed(nodes), (2, 3, 4)).as_tensor()[0].view(24, 24).sort(1).values
    assert torch.equal(everybody, torch.arange(24).expand(24, -1))


def test_no_gradient_through_the_choice_of_neighbours_but_through_their_features():
    made, nodes = block(), graph()
    nodes.x.requires_grad_()
    made(nodes).sum().backward()
    assert nodes.x.grad.isfinite().all()
    assert made.position.grad.abs().sum() > 0


@pytest.mark.parametrize("reuse", [True, False])
def test_a_stage_can_build_one_graph_for_its_blocks(reuse, monkeypatch):
    built = []
    edges = DenoiseBlock.edges
    monkeypatch.setattr(DenoiseBlock, "edges", lambda *args: built.append(1) or edges(*args))
    stage = GraphStage(Stage(3, 4, 1), (4, 2, 2), "height-width", reuse)
    assert stage(torch.randn(2, 64, 4, 2, 2)).shape == (2, 64, 4, 2, 2)
    assert len(built) == (1 if reuse else 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph": "nearest"}, "unknown graph 'nearest'"),
        ({"graph_options": {"widht": 2}}, "no option 'widht'"),
        ({"graph": "complete", "conv": "gat"}, "no edges for conv='gat'"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        block(**options)
