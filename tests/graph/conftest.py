"""What the tests of neighbours share: which backends run here, and what makes a set of neighbours right."""

import importlib.util
import os

import pytest
import torch


@pytest.fixture
def installed():
    """Function from a backend's name to it, which skips the test where the backend is not installed."""

    def check(name: str) -> str:
        if name == "torch_cluster" and importlib.util.find_spec(name) is None:
            pytest.skip("torch_cluster is not installed")
        if name == "triton" and os.environ.get("TRITON_INTERPRET") != "1":
            pytest.skip("Triton without a GPU runs in its interpreter alone, see test_triton_kernels.py")
        return name

    return check


@pytest.fixture
def assert_nearest():
    """Function that compares neighbours (M, K) with a float64 search by definition, up to nodes equally far away."""

    def check(neighbours: torch.Tensor, x: torch.Tensor, k: int, batch: torch.Tensor, metric: str, loop: bool) -> None:
        assert neighbours.dtype == torch.int64
        assert neighbours.shape == (len(x), k)
        points = x.double()
        if metric == "cosine":
            points = points / points.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        distances = (points[:, None] - points[None]).square().sum(-1)  # (M, M)
        distances[batch[:, None] != batch[None]] = torch.inf
        if not loop:
            distances.fill_diagonal_(torch.inf)
        assert all(len(set(row)) == k for row in neighbours.tolist()), "a neighbour is named twice"
        found = distances.gather(1, neighbours).sort(dim=1).values
        expected = distances.sort(dim=1).values[:, :k]
        wide = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
        rounding = 8 * torch.finfo(wide).eps * float(points.square().sum(-1).max())
        torch.testing.assert_close(found, expected, rtol=0, atol=rounding)

    return check
