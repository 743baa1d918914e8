"""What docs/inside.md promises: a member of every family is added from outside of the package, and used."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from beating import Green, noisy_faces

import rppg_graph as rg
from rppg_graph.config import load_config
from rppg_graph.data.face import FaceFrame
from rppg_graph.data.masks import MASKS, MaskedMean
from rppg_graph.data.recordings import RECORDINGS, Layout, Recording, find_recordings
from rppg_graph.export.check import check
from rppg_graph.export.formats import FORMATS, Format
from rppg_graph.graph.constructors import GRAPHS
from rppg_graph.graph.knn import BACKENDS, reference
from rppg_graph.inference.ensemble import Ensemble
from rppg_graph.inference.methods import ClassicalMethod, NetworkMethod
from rppg_graph.models.checkpoint import Checkpoint, save
from rppg_graph.models.stgnet import stgnet_small
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.metrics import METRICS, Metric, Sample, summarise
from rppg_graph.training.losses import LOSSES
from rppg_graph.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]
FPS, BPM, FRAMES, SIZE = 30.0, 72.0, 320, 16


def minus_green(rgb: np.ndarray, fps: float) -> np.ndarray:
    return -np.asarray(rgb)[:, 1] / np.mean(rgb, axis=0)[1]


@pytest.fixture(scope="module")
def faces() -> list[FaceFrame]:
    return noisy_faces(FRAMES / FPS, BPM, size=SIZE)


def bpm_of(method, faces) -> float:
    raw = method.wave(faces, FPS)
    return rg.heart_rate(raw.bvp[np.isfinite(raw.bvp)], FPS).bpm


def test_a_model_is_saved_loaded_and_read(monkeypatch, tmp_path, faces):
    monkeypatch.setitem(rg.MODELS, "toy", Green)
    config = {"model": {"name": "toy", "options": {}}, "data": {"clip_frames": 160, "crop": {"size": SIZE}}}
    save(tmp_path / "toy.pt", Checkpoint(Green(), config, FPS, BPM, {}))
    method = rg.named_method(tmp_path / "toy.pt")
    assert isinstance(method, NetworkMethod)
    assert bpm_of(method, faces) == pytest.approx(BPM, abs=1)


def test_a_layout_is_recognised(monkeypatch, tmp_path):
    def collect(folders) -> list[Recording]:
        files = [path for folder in folders for path in folder.matching(r".+\.toy")]
        return [Recording(path.stem, path.stem, "toy", (path,), iter, lambda: None) for path in files]

    monkeypatch.setitem(RECORDINGS, "toy", Layout("NAME.toy", collect))
    (tmp_path / "anna.toy").write_bytes(b"")
    assert [recording.name for recording in find_recordings(tmp_path)] == ["anna"]


def test_a_backend_searches(monkeypatch):
    monkeypatch.setitem(BACKENDS, "toy", lambda x, k, loop: reference(x, k, loop))
    x = torch.randn(30, 8)
    assert torch.equal(rg.knn(x, 4, backend="toy"), rg.knn(x, 4, backend="reference"))


def test_a_graph_is_a_network_s(monkeypatch):
    def before(x, k, grid, *, loop=True, backend="auto"):
        """Every node's neighbour is the one before it."""
        return torch.roll(torch.arange(x.shape[1]), 1)[:, None].expand(len(x), -1, 1)

    monkeypatch.setitem(GRAPHS, "toy", before)
    network = stgnet_small(graph="toy", clip_frames=32, stages=[[1, 4, 1]]).eval()
    assert network(torch.rand(2, 3, 32, 32, 32)).shape == (2, 32)


def test_a_loss_is_a_trainer_s(monkeypatch):
    monkeypatch.setitem(LOSSES, "toy", lambda wave, reference: (wave - reference).abs().mean())
    config = load_config(ROOT / "configs" / "demo.yaml", ["train.loss=toy"])
    options = config.train.model_dump(exclude={"augment", "loss"}) | {"steps": 0}
    trainer = Trainer(Green(), config.train.loss, [0] * 8, [0] * 8, seed=0, device="cpu", **options)
    assert trainer.loss is LOSSES["toy"]


def test_a_metric_is_a_column(monkeypatch):
    worst = lambda samples: Metric(max(sample.bpm - sample.reference_bpm for sample in samples))  # noqa: E731
    monkeypatch.setitem(METRICS, "worst", ("bpm", worst))
    found = summarise([Sample("a", 60.0, 61.0), Sample("b", 60.0, 63.0), Sample("c", 60.0, 60.0)])
    assert found["worst"].value == 3
    assert found["MAE"].value == pytest.approx(4 / 3)


def test_a_formula_reads_faces(monkeypatch, faces):
    monkeypatch.setitem(CLASSICAL, "toy", minus_green)
    assert bpm_of(ClassicalMethod("toy"), faces) == pytest.approx(BPM, abs=1)


def test_a_mask_is_a_member_s(monkeypatch, faces):
    monkeypatch.setitem(MASKS, "toy", lambda: MaskedMean(1.0))
    assert bpm_of(Ensemble((("green", "toy"), ("pos", "skin"))), faces) == pytest.approx(BPM, abs=1)


def test_a_format_is_written_and_checked(monkeypatch, faces):
    def run(content: bytes):
        scale = json.loads(content)
        return lambda video: scale * video[:, 1].mean((-2, -1))

    monkeypatch.setitem(FORMATS, "toy", Format(".toy", lambda network, about: json.dumps(network.scale.item()), run))
    network, made = Green().eval(), FORMATS["toy"]
    clip = torch.from_numpy(np.stack([face.crop for face in faces])).permute(3, 0, 1, 2).float() / 255
    checked = check(made.runner(made.to_bytes(network, None)), network, torch.stack((clip, clip.flip(-1))), FPS)
    assert max(checked.close) < 1e-4


def test_the_page_names_files_and_tests_that_are_there():
    page = (ROOT / "docs" / "inside.md").read_text(encoding="utf-8")
    for place in re.findall(r"`((?:rppg_graph|tests|benchmarks)/[\w/.]+)`", page):
        assert (ROOT / place).exists(), place
    rooms = {path.name for path in (ROOT / "rppg_graph").iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE))
