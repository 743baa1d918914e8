"""What runs on a CUDA device gives what the CPU gives; skipped where torch sees none."""

from __future__ import annotations

import pytest
import torch

from rppg_graph.data.augment import Augment
from rppg_graph.data.clips import ClipDataset
from rppg_graph.graph.aggregate import AGGREGATIONS
from rppg_graph.graph.constructors import GRAPHS, graph_constructor
from rppg_graph.graph.edges import CompleteGraph, neighbours_to_edge_index
from rppg_graph.graph.knn import knn
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import load
from rppg_graph.models.stgnet import STGNet
from rppg_graph.synthetic import render_people
from rppg_graph.training.trainer import Trainer, read_metrics

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
GRID, NODES, K = (10, 8, 8), 640, 12


def features(clips: int = 2) -> torch.Tensor:
    return torch.randn(clips * NODES, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("loop", [True, False])
def test_neighbours_are_those_of_the_reference_on_the_cpu(metric, loop):
    x, batch = features(), torch.arange(2).repeat_interleave(NODES)
    expected = knn(x.double(), K, batch=batch, metric=metric, loop=loop, backend="reference")
    found = knn(x.cuda(), K, batch=batch.cuda(), metric=metric, loop=loop)
    assert found.is_cuda
    assert torch.equal(found.sort().values.cpu(), expected.sort().values)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_those_of_the_cpu(name):
    build = graph_constructor(name, loop=True, backend="auto")
    x = features().view(2, NODES, 48)
    expected, found = build(x, K, GRID), build(x.cuda(), K, GRID)
    if isinstance(expected, CompleteGraph):
        assert found == expected
    elif name == "grid":  # many places are equally far: their distances must agree
        places = torch.cartesian_prod(*(torch.arange(length) for length in GRID)).double()
        far, near = ((places[lists.cpu()] - places[:, None]).norm(dim=-1).sort().values for lists in (expected, found))
        torch.testing.assert_close(near, far)
    else:
        assert torch.equal(found.sort().values.cpu(), expected.sort().values)


@pytest.mark.parametrize("reduce", AGGREGATIONS)
def test_aggregation_and_its_gradient_are_those_of_gathering_in_float64(reduce):
    neighbours = knn(features(), K)
    weights = torch.randn(2 * NODES, 48, generator=torch.Generator().manual_seed(1))
    exact = features().double().requires_grad_()
    expected = exact[neighbours].mean(1) if reduce == "mean" else exact[neighbours].amax(1)
    (expected * weights).sum().backward()
    x = features().cuda().requires_grad_()
    found = AGGREGATIONS[reduce](x, neighbours_to_edge_index(neighbours.cuda()))
    (found * weights.cuda()).sum().backward()
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x.grad.cpu().double(), exact.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_networks_and_their_gradients_are_those_of_the_cpu(name):
    torch.manual_seed(0)
    options = {"size": 32} if name in ("stream_net", "ts_can", "deep_phys") else {}
    model = MODELS[name](**options).eval()
    size = 32 if options or name in ("stgnet_small", "stgnet_pair") else 64
    video = torch.rand(1, 3, 160, size, size)
    weights = torch.randn(1, 160)

    def run(device: str) -> tuple[torch.Tensor, torch.Tensor]:
        model.to(device).zero_grad()
        wave = model(video.to(device))
        (wave * weights.to(device)).sum().backward()
        slopes = [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
        return wave.detach().cpu(), torch.cat(slopes).cpu()

    (wave, slopes), (expected, expected_slopes) = run("cuda"), run("cpu")
    # A neighbour that rounding exchanges for another that is about as near moves both a little.
    assert (wave - expected).norm() < 1e-2 * expected.norm()
    assert (slopes - expected_slopes).norm() < 3e-2 * expected_slopes.norm()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_falls_and_its_checkpoint_goes_on_on_a_cpu(precision, tmp_path):
    easy = {"preset": "easy", "subjects": 4, "seed": 1, "seconds": 4.0}
    people = render_people(tmp_path / "people", [easy], crop=32, workers=1)
    clips = ClipDataset(people, 64, 16, Augment(64, speed=(1, 1)), seed=1), ClipDataset(people[:1], 64, 16)
    options = {"stages": [[1, 8, 4]], "clip_frames": 64, "size": 32}
    torch.manual_seed(0)
    settings = {"batch": 4, "learning_rate": 3e-3, "validate_every": 20, "precision": precision, "workers": 2}
    trainer = Trainer(STGNet(**options), "neg_pearson", *clips, steps=120, device="cuda", **settings)
    trainer.run(tmp_path, {"model": {"name": "stgnet_small", "options": options}}, 30.0, 70.0)
    losses = [row["loss"] for row in read_metrics(tmp_path)]
    assert losses[-1] < losses[0] - 0.1
    last = load(tmp_path / "last.pt")
    assert all(not tensor.is_cuda for tensor in last.model.state_dict().values())
    further = Trainer(last.model, "neg_pearson", *clips, steps=121, **settings)
    further.resume(last.training)
    further.run(tmp_path, {"model": {"name": "stgnet_small", "options": options}}, 30.0, 70.0)
    assert read_metrics(tmp_path)[-1]["step"] == 121
