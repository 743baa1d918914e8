"""DropPath drops whole clips, keeps the expectation and rests in evaluation."""

import pytest
import torch

from rppg_graph.nn.drop_path import DropPath


def test_clips_are_dropped_whole_and_the_others_scaled():
    torch.manual_seed(0)
    y = DropPath(0.25)(torch.ones(4000, 3, 2))
    clips = y.view(4000, -1)
    assert torch.equal(clips.min(1).values, clips.max(1).values)
    assert clips.unique().tolist() == pytest.approx([0, 4 / 3])
    dropped = (clips[:, 0] == 0).double().mean().item()
    assert dropped == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4000) ** 0.5)


def test_gradient_passes_where_the_clip_does():
    x = torch.ones(50, 4, requires_grad=True)
    y = DropPath(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("layer", [DropPath(0.25).eval(), DropPath(0.0)])
def test_nothing_is_dropped_in_evaluation_or_at_rate_0(layer):
    x = torch.randn(5, 3)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.0, 3])
def test_impossible_rate(p):
    with pytest.raises(ValueError, match=f"drop_path = {p}"):
        DropPath(p)
