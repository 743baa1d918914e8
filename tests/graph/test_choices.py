"""What is taken where, and what stands in for what is missing: never without a word, never a wrong neighbour."""

import json
import sys

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.graph import choices
from rppg_graph.graph.choices import fastest, triton_kernels
from rppg_graph.graph.knn import BACKENDS, knn


@pytest.fixture
def anew():
    """What was found of Triton is forgotten, before and after."""
    triton_kernels.cache_clear()
    yield
    triton_kernels.cache_clear()


@pytest.fixture(params=["no Triton", "an old Triton", "an old GPU"])
def unfit(request, monkeypatch, anew) -> str:
    """A machine on which the kernels cannot run, and what is said of it."""
    if request.param == "no Triton":
        monkeypatch.setitem(sys.modules, "triton", None)
        return "triton"
    triton = pytest.importorskip("triton")
    if request.param == "an old Triton":
        monkeypatch.setattr(triton, "__version__", "3.1.0")
        return "Triton 3.1.0 is older than 3.2"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    return "Tesla T4 has no tensor cores for float32"


def test_plain_operations_stand_in_and_one_line_says_so(unfit, caplog):
    x = torch.empty(1, 2560, 64, device="meta")
    forms = {operator: fastest(operator, x, device="cuda") for operator in choices.CHOICES}
    assert "triton" not in forms.values()
    assert (forms["knn"], forms["mean"]) == ("dense", "sums")
    (line,) = caplog.messages
    assert line.startswith("no Triton kernels, plain torch operations instead: ")
    assert unfit in line


def test_who_asks_for_the_kernels_by_name_is_told_what_they_need(unfit):
    with pytest.raises(InputError, match=r"'triton' on cpu: it needs a GPU .* use backend='dense'"):
        knn(torch.randn(9, 3), 2, backend="triton")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_without_a_gpu_the_kernels_by_name_are_refused():
    if (kernels := triton_kernels()) is not None and kernels.INTERPRETED:
        pytest.skip("the interpreter runs them here")
    with pytest.raises(InputError, match=r"'triton' on cpu: it needs a GPU .* use backend='dense'"):
        knn(torch.randn(9, 3), 2, backend="triton")


BY = "rppg_graph, gradient by "  # how bench_graph_conv.py calls the forms of the mean's gradient


def measured(results) -> dict[tuple[str, str, int, int], dict[str, dict]]:
    """What result files hold of our own forms: (operator, device, clips, nodes) → form → its row."""
    found: dict[tuple[str, str, int, int], dict[str, dict]] = {}
    for path in sorted((*results.glob("knn_*.json"), *results.glob("graph_conv_*.json"))):
        device = "cuda" if "nvidia" in path.name else "cpu"
        for row in json.loads(path.read_text())["rows"]:
            name, shape = row["provider"], (device, row.get("clips", 1), row["nodes"])
            if name in BACKENDS.keys() - {"reference", "torch_cluster"}:
                found.setdefault(("knn", *shape), {})[name] = row
            elif name.startswith(BY) and row["mode"] == "full":
                found.setdefault(("mean gradient", *shape), {})[name.removeprefix(BY)] = row
    return found


def test_the_table_takes_what_the_result_files_found_fastest(repository):
    shapes = measured(repository / "benchmarks" / "results")
    assert {("knn", "cpu"), ("knn", "cuda")} <= {(operator, device) for operator, device, *_ in shapes}
    for (operator, device, clips, nodes), rows in shapes.items():
        if device == "cuda" and triton_kernels() is None:
            continue
        taken = fastest(operator, torch.empty(clips, nodes, 64, device="meta"), device=device)
        best = min(rows.values(), key=lambda row: row["median_ms"])
        assert rows[taken]["p20_ms"] <= best["p80_ms"], f"{operator}, {nodes} nodes, {device}: {best['provider']}"
