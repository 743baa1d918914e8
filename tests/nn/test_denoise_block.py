"""The denoise block: every graph constructor and convolution, edges given or built, clips kept apart."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.graph.constructors import GRAPHS
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.models.stgnet import GraphStage, Stage
from rppg_graph.nn.denoise_block import DenoiseBlock
from rppg_graph.nn.graph_conv import GRAPH_CONVS

GRID = (5, 3, 4)


def block(k: int = 6, **options) -> DenoiseBlock:
    torch.manual_seed(0)
    made = DenoiseBlock(8, GRID, k, **options).double().eval()
    torch.nn.init.normal_(made.position)
    return made


def nodes(clips: int = 2, count: int = 60) -> torch.Tensor:
    return torch.randn(clips, count, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(clips))


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("loop", [True, False])
def test_every_graph(name, loop):
    made = block(graph=name, loop=loop)
    for clips in (2, 1):
        assert made(nodes(clips), GRID).shape == (clips, 60, 8)


@pytest.mark.parametrize("name", GRAPHS)
def test_clips_of_a_batch_do_not_see_each_other(name):
    made, both = block(graph=name), nodes()
    torch.testing.assert_close(made(both, GRID)[:1], made(both[:1], GRID))


@pytest.mark.parametrize("conv", GRAPH_CONVS)
def test_every_convolution_learns(conv):
    made = block(conv=conv).train()
    made(nodes(), GRID).square().sum().backward()
    missing = [name for name, parameter in made.named_parameters() if parameter.grad is None]
    assert missing == []


def test_neighbours_are_looked_for_with_the_positional_embedding(monkeypatch):
    made, x, found = block(k=4), nodes(1), []
    look = made.constructor
    monkeypatch.setattr(made, "constructor", lambda *args: found.append(look(*args)) or found[0])
    made(x, GRID)
    unit = torch.nn.functional.normalize(x[0] + made.position, dim=1)
    expected = torch.cdist(unit, unit).topk(4, largest=False).indices.sort(1).values
    assert torch.equal(found[0][0].sort(1).values, expected)


def test_neighbours_that_are_given_are_used():
    made, x = block(), nodes()
    own = made.neighbours(x + made.position, GRID)
    torch.testing.assert_close(made(x, GRID, own), made(x, GRID))
    assert not torch.allclose(made(x, GRID, CompleteGraph(2)), made(x, GRID))


def test_a_clip_smaller_than_k_uses_all_its_nodes():
    made = block(k=64)
    everybody = made.neighbours(nodes(1, 24), (2, 3, 4)).sort(2).values
    assert torch.equal(everybody, torch.arange(24).expand(1, 24, -1))
    assert made(nodes(1, 24), (2, 3, 4)).shape == (1, 24, 8)


def test_no_gradient_through_the_choice_of_neighbours_but_through_their_features():
    made, x = block(), nodes().requires_grad_()
    made(x, GRID).sum().backward()
    assert x.grad.isfinite().all()
    assert made.position.grad.abs().sum() > 0


@pytest.mark.parametrize("reuse", [True, False])
def test_a_stage_can_build_one_graph_for_its_blocks(reuse, monkeypatch):
    built = []
    look = DenoiseBlock.neighbours
    monkeypatch.setattr(DenoiseBlock, "neighbours", lambda *args: built.append(1) or look(*args))
    stage = GraphStage(Stage(3, 4, 1), (4, 2, 2), "height-width", reuse)
    assert stage(torch.randn(2, 64, 4, 2, 2)).shape == (2, 64, 4, 2, 2)
    assert len(built) == (1 if reuse else 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph": "nearest"}, "unknown graph 'nearest'"),
        ({"graph_options": {"widht": 2}}, "unknown option of graph knn 'widht'"),
        ({"graph": "complete", "conv": "gat"}, "no edges for conv='gat'"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        block(**options)
