"""What runs on a CUDA device gives what the CPU gives; skipped where torch sees none."""

import subprocess
import sys

import pytest
import torch
from finite import first_not_finite

from rppg_graph.graph import mean_gradients
from rppg_graph.graph.aggregate import AGGREGATIONS
from rppg_graph.graph.constructors import GRAPHS, graph_constructor
from rppg_graph.graph.edges import CompleteGraph
from rppg_graph.graph.knn import knn, knn_of_graphs
from rppg_graph.graph.mean_gradients import MEAN_GRADIENTS
from rppg_graph.models import MODELS

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


@pytest.mark.parametrize("nodes", [320, 2560])
@pytest.mark.parametrize("backend", ["auto", "dense"])
def test_of_a_whole_clip_the_nearest_are_found_and_twice_the_same(backend, nodes):
    x = torch.randn(3, nodes, 64, generator=torch.Generator().manual_seed(nodes)).cuda()
    first, second = (knn_of_graphs(x, 64, backend=backend) for _ in range(2))
    assert torch.equal(first.sort(2).values, second.sort(2).values)
    points = torch.nn.functional.normalize(x.double(), dim=-1)
    distances = torch.cdist(points, points)
    last = distances.topk(64, largest=False).values[..., -1:]
    assert (distances.gather(2, first) <= last + 4e-6).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reduce", AGGREGATIONS)
def test_aggregation_and_its_gradient_are_those_of_gathering_in_float64(reduce, dtype):
    neighbours = knn_of_graphs(features().view(2, NODES, 48), K)
    weights = torch.randn(2, NODES, 48, generator=torch.Generator().manual_seed(1)).to(dtype)
    x = features().view(2, NODES, 48).to(dtype)
    exact = x.double().requires_grad_()
    gathered = torch.stack([clip[rows] for clip, rows in zip(exact, neighbours, strict=True)])
    expected = gathered.mean(2) if reduce == "mean" else gathered.amax(2)
    expected.backward(weights.double())
    x = x.cuda().requires_grad_()
    found = AGGREGATIONS[reduce](x, neighbours.cuda())
    found.backward(weights.cuda())
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 1e-2}
    torch.testing.assert_close(found.cpu().double(), expected, **close)
    if reduce == "mean" or dtype == torch.float32:  # amax shares a gradient among equals, of which bfloat16 has many
        torch.testing.assert_close(x.grad.cpu().double(), exact.grad, **close)


@pytest.mark.parametrize("form", [form for form in MEAN_GRADIENTS if form != "counting"])
def test_every_form_of_the_gradient_of_the_mean(form, monkeypatch):
    monkeypatch.setattr(mean_gradients, "ADJACENCY_VALUES", 2 * NODES**2)  # three clips in two parts
    neighbours = knn_of_graphs(features(3).view(3, NODES, 48), K)
    grad = torch.randn(3, NODES, 48, generator=torch.Generator().manual_seed(1))
    expected = MEAN_GRADIENTS["counting"](grad.double(), neighbours)
    found = [MEAN_GRADIENTS[form](grad.cuda(), neighbours.cuda()) for _ in range(2)]
    torch.testing.assert_close(found[0].cpu().double(), expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(*found)


@pytest.mark.parametrize("operator", ["nearest", "neighbour_mean", "neighbour_max"])
def test_operators_on_the_device(operator):
    x = features().view(2, NODES, 48)[:, :40, :8].contiguous().cuda()
    arguments = {"nearest": (x, 5, "cosine", True, "auto")}
    neighbours = torch.ops.rppg_graph.nearest(*arguments["nearest"])
    more = arguments.get(operator, (x.requires_grad_(), neighbours))
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(getattr(torch.ops.rppg_graph, operator).default, more, test_utils=tests)


@pytest.mark.parametrize("name", ["stgnet_small", "stgnet_released"])
def test_neither_pass_of_a_network_waits_for_the_device(name):
    size = 32 if name == "stgnet_small" else 64
    model, video = MODELS[name]().cuda(), torch.rand(2, 3, 160, size, size, device="cuda")
    model(video).square().sum().backward()  # what is made once may be copied
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autocast("cuda", torch.bfloat16):
            wave = model(video)
        wave.float().square().sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_features_that_are_not_finite_stop_the_device(tmp_path):
    code = "import torch; from rppg_graph.graph.knn import knn; x = torch.randn(99, 8); x[7, 1] = float('nan')\n"
    code += "knn(x.cuda(), 4); torch.cuda.synchronize()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "assert" in done.stderr.lower()


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
@pytest.mark.parametrize("batch", [2, 32])
def test_training_steps_are_finite_whatever_the_memory_held(batch, precision, monkeypatch):
    monkeypatch.setattr(torch, "_assert_async", lambda *_: None)  # it would end the process before the culprit is named
    torch.manual_seed(0)
    model = MODELS["stgnet_released"]().cuda()
    assert first_not_finite(model, torch.rand(batch, 3, 160, 64, 64, device="cuda"), precision, steps=3) is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_falls_and_its_checkpoint_goes_on_on_a_cpu(precision, tmp_path):
    for package in ("av", "pydantic"):  # a machine that is lent for minutes may lack what reads videos and configs
        pytest.importorskip(package)
    from rppg_graph.data.augment import Augment
    from rppg_graph.data.clip_dataset import ClipDataset
    from rppg_graph.models.checkpoint import load
    from rppg_graph.models.stgnet import STGNet
    from rppg_graph.synthetic import render_people
    from rppg_graph.training.trainer import Trainer, read_metrics

    easy = {"preset": "easy", "subjects": 4, "seed": 1, "seconds": 4.0}
    people = render_people(tmp_path / "people", [easy], crop=32, workers=1)
    clips = ClipDataset(people, 64, 16, Augment(64, speed=(1, 1)), seed=1), ClipDataset(people[:1], 64, 16)
    options = {"stages": [[1, 8, 4]], "clip_frames": 64, "size": 32}
    torch.manual_seed(0)
    settings = {"batch": 4, "learning_rate": 3e-3, "validate_every": 20, "precision": precision, "workers": 2}
    trainer = Trainer(STGNet(**options), "neg_pearson", *clips, steps=120, device="cuda", **settings)
    trainer.run(tmp_path, {"model": {"name": "stgnet_small", "options": options}}, 70.0)
    losses = [row["loss"] for row in read_metrics(tmp_path)]
    assert losses[-1] < losses[0] - 0.1
    last = load(tmp_path / "last.safetensors")
    assert all(not tensor.is_cuda for tensor in last.model.state_dict().values())
    further = Trainer(last.model, "neg_pearson", *clips, steps=121, **settings)
    further.resume(last.training)
    further.run(tmp_path, {"model": {"name": "stgnet_small", "options": options}}, 70.0)
    assert read_metrics(tmp_path)[-1]["step"] == 121
