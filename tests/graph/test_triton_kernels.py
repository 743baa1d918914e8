"""The Triton kernels against their references: on the GPU where there is one, else in Triton's interpreter.

The interpreter must be asked for before Triton is imported, so without a GPU this file runs itself once more in a
process of its own. A build for Hopper shows what the interpreter cannot: registers that spill to memory.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from finite import first_not_finite

from rppg_graph.graph import aggregate, choices, comparable, knn
from rppg_graph.models.stgnet import STGNet

triton = pytest.importorskip("triton")
kernels = pytest.importorskip("rppg_graph.graph.triton_kernels")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RUNS = kernels.INTERPRETED or DEVICE == "cuda"
needs_triton_to_run = pytest.mark.skipif(not RUNS, reason="run by the first test of this file, in the interpreter")


@pytest.mark.slow
@pytest.mark.skipif(RUNS, reason="the tests below run here")
def test_the_tests_below_in_the_interpreter():
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]


def features(clips: int, nodes: int, channels: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(clips, nodes, channels, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@needs_triton_to_run
@pytest.mark.parametrize("metric", comparable.METRICS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("clips", "nodes", "channels"), [(2, 70, 5), (1, 300, 48), (0, 9, 4), (1, 1, 3)])
def test_comparable_features(clips, nodes, channels, dtype, metric):
    x = (features(clips, nodes, channels) + 3).to(dtype)
    found, fine = kernels.comparable(x, metric == "cosine", comparable.SHORTEST)
    torch.testing.assert_close(found.double(), comparable._comparable(x.double(), metric), rtol=1e-5, atol=1e-6)
    assert fine.item() == 1


@needs_triton_to_run
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_features_that_are_not_finite_are_marked(bad, monkeypatch):
    monkeypatch.setattr(kernels, "MARKS", 2)
    x = features(3, 9, 5)
    x[2, 8, 4] = bad
    assert kernels.comparable(x, True, comparable.SHORTEST)[1].item() == 0


@needs_triton_to_run
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize(
    ("clips", "nodes", "channels", "k"), [(2, 9, 5, 4), (1, 66, 40, 33), (1, 17, 3, 16), (0, 5, 2, 1)]
)
def test_the_nearest(clips, nodes, channels, k, loop):
    x = comparable._centred(features(clips, nodes, channels))
    found = kernels.nearest(x, k, loop, 2**26)
    assert found.shape == (clips, nodes, k)
    assert not clips or torch.equal(found.sort(2).values, knn.reference(x.double(), k, loop).sort(2).values)


@needs_triton_to_run
def test_everybody_is_a_neighbour_where_k_is_the_number_of_nodes():
    found = kernels.nearest(features(2, 12, 4), 12, True, 2**26)
    assert torch.equal(found, torch.arange(12, device=DEVICE).expand(2, 12, -1))


@needs_triton_to_run
def test_of_equal_distances_the_lower_index_and_in_rising_order():
    x = features(1, 5, 4).repeat(1, 5, 1)  # every place five times: rows of ties
    found = kernels.nearest(x, 3, True, 2**26)[0]
    expected = (torch.arange(25) % 5)[:, None] + torch.tensor([0, 5, 10])
    assert torch.equal(found.cpu(), expected)


@needs_triton_to_run
@pytest.mark.parametrize("most_values", [2**26, 40 * 15])
def test_long_rows_are_selected_from_in_segments(most_values, monkeypatch):
    monkeypatch.setattr(kernels, "SEGMENT", 16)
    x = comparable._centred(features(1, 40, 8))
    assert kernels.fits(x, 5)
    expected = knn.reference(x.double(), 5, True).sort(2).values
    assert torch.equal(kernels.nearest(x, 5, True, most_values).sort(2).values, expected)
    assert not kernels.fits(x, 15)  # more than a segment has: left to `dense`
    assert torch.equal(knn.triton(x, 15, True).sort(2).values, knn.reference(x.double(), 15, True).sort(2).values)


@needs_triton_to_run
@pytest.mark.parametrize(("clips", "nodes", "channels", "k"), [(2, 30, 5, 4), (1, 70, 64, 13), (1, 1, 1, 1)])
def test_the_mean(clips, nodes, channels, k):
    x = features(clips, nodes, channels)
    neighbours = torch.randint(nodes, (clips, nodes, k), generator=torch.Generator().manual_seed(1)).to(DEVICE)
    expected = aggregate.gathered(x.double(), neighbours).mean(2)
    torch.testing.assert_close(kernels.gathered_mean(x, neighbours).double(), expected, rtol=1e-6, atol=1e-6)


@needs_triton_to_run
def test_three_terms_of_bfloat16_are_the_number_itself():
    x = features(2, 40, 6) * 10.0 ** torch.arange(-9, 3, 2, device=DEVICE)
    assert torch.equal(kernels.bfloat16_terms(x).double().unflatten(2, (3, -1)).sum(2), x.double())


@pytest.fixture
def forms_of_cuda(monkeypatch):
    """The forms that CUDA takes, here."""

    def form(operator: str, x: torch.Tensor) -> str:
        return choices.fastest(operator, x, device="cuda")

    for module in (aggregate, knn):
        monkeypatch.setattr(module, "fastest", form)


@pytest.fixture
def poisoned_memory():
    """What is not written is NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@needs_triton_to_run
@pytest.mark.filterwarnings("ignore:.*deterministic")
def test_a_training_step_is_finite_whatever_the_memory_held(forms_of_cuda, poisoned_memory):
    torch.manual_seed(0)
    model = STGNet(stages=[[1, 5, 2]], clip_frames=8, size=32).to(DEVICE)
    assert torch.empty(3).isnan().all()
    assert first_not_finite(model, torch.rand(2, 3, 8, 32, 32, device=DEVICE), "float32", steps=1) is None


F, N, L = "*fp32", "i32", "*i64"  # of a kernel's arguments
BUILDS = {
    "comparable": (
        (F, F, F, "*i32", N, "fp32", "fp32"), {"CHANNELS": 64, "WIDE": 64, "TILES": 1, "ROWS": 64, "COSINE": True}, 4,
    ),
    "centre": (
        (F, F, "*i32", "*i32", N, N),
        {"CHANNELS": 64, "WIDE": 64, "ROWS": 64, "PARTS": 64, "STEPS": 5, "MARKS": 256}, 4,
    ),
    "closeness": (
        (F, F, N, N, N), {"CHANNELS": 64, "WIDE": 64, "ROWS": 64, "COLUMNS": 64, "STEP": 32, "LOOP": False}, 4,
    ),
    "select": ((F, "*i32", L, N, N, N), {"WIDTH": 4096, "AMONG": False}, 8),
    "select again": ((F, "*i32", L, N, N, N), {"WIDTH": 512, "AMONG": True}, 1),
    "mean": ((F, L, F, N), {"K": 64, "CHANNELS": 64, "WIDE": 64, "ROWS": 4, "STEP": 8}, 4),
    "terms": ((F, "*bf16", N), {"CHANNELS": 64, "BLOCK": 1024}, 4),
}  # fmt: skip


def cuobjdump() -> str:
    """NVIDIA's tools, which Triton brings along; skips where it does not."""
    try:
        assert triton.knobs.nvidia.ptxas.path
        return triton.knobs.nvidia.cuobjdump.path
    except RuntimeError as error:  # Triton: cannot find it
        pytest.skip(f"this Triton cannot build for a GPU: {error}")


@pytest.mark.skipif(kernels.INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("name", BUILDS)
def test_a_build_for_hopper_spills_no_register(name):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    cuobjdump()
    types, constants, warps = BUILDS[name]
    function = getattr(kernels.programs, f"{name.split()[0]}_kernel")
    arguments = [argument for argument in function.arg_names if argument not in constants]
    signature = dict(zip(arguments, types, strict=True)) | dict.fromkeys(constants, "constexpr")
    aligned = {(function.arg_names.index(a),): [["tt.divisibility", 16]] for a in arguments if signature[a][0] == "*"}
    places = {(function.arg_names.index(name),): value for name, value in constants.items()}
    source = ASTSource(function, {a: signature[a] for a in function.arg_names}, places, aligned)
    built = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(built.asm["cubin"])
        tool = [cuobjdump(), "--dump-resource-usage", file.name]
        told = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
    assert re.search(r"REG:\d+ STACK:0 .*LOCAL:0", told), told
