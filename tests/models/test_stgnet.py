"""STGNet's arguments: other sizes, stages, neighbours, convolutions."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.models.stgnet import PAPER_STAGES, Stage, STGNet, stgnet_paper, stgnet_released
from rppg_graph.nn.graph_conv import GRAPH_CONVS


def video(frames: int = 24, size: int = 32, clips: int = 2) -> torch.Tensor:
    return torch.rand(clips, 3, frames, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("frames", "size"), [(24, 32), (40, 48), (33, 36), (16, 64), (7, 20)])
def test_other_clip_lengths_and_crops_than_built_for(frames, size):
    model = STGNet(clip_frames=24, size=32).eval()
    with torch.no_grad():
        for stage in model.stages:
            for block in stage.denoise:
                block.position.normal_()
        assert model(video(frames, size)).shape == (2, frames)


def test_positional_embedding_is_interpolated_in_time_and_space():
    model = STGNet(clip_frames=32, size=32)
    block = model.stages[0].denoise[0]
    with torch.no_grad():
        block.position.copy_(torch.arange(8.0).repeat_interleave(16)[:, None].expand_as(block.position))
    stretched = block.positions((16, 4, 4)).view(16, 16, -1)
    assert torch.allclose(stretched[:, :1], stretched)  # no change in space
    assert (stretched[1:, 0, 0] >= stretched[:-1, 0, 0]).all()
    assert stretched[0, 0, 0].item() == 0
    assert stretched[-1, 0, 0].item() == 7


@pytest.mark.parametrize("conv", GRAPH_CONVS)
@pytest.mark.parametrize("loop", [True, False])
def test_every_graph_convolution_trains(conv, loop):
    model = STGNet(clip_frames=24, size=32, conv=conv, loop=loop, k=4)
    model(video()).square().sum().backward()
    gradients = [p.grad for p in model.stages.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert any(float(g.abs().max()) > 0 for g in gradients)


def test_presets():
    released, paper = stgnet_released(), stgnet_paper()
    assert [len(stage.denoise) for stage in released.stages] == [2, 3, 2]
    assert [len(stage.denoise) for stage in paper.stages] == [2, 3, 2, 1]
    assert [stage.denoise[0].k for stage in paper.stages] == [64, 32, 16, 16]
    assert released.stem[2].axes == (2, 3)
    assert paper.stem[2].axes == (3, 4)


def test_neighbours_for_all_stages_or_for_each():
    assert [stage.denoise[0].k for stage in STGNet(k=5).stages] == [5] * 4
    assert [stage.denoise[0].k for stage in STGNet(k=[9, 7, 5, 3]).stages] == [9, 7, 5, 3]
    for wrong in ([1, 2], 0, [4, 4, 4, 0]):
        with pytest.raises(InputError, match="k="):
            STGNet(k=wrong)


def test_stages_are_arguments():
    model = STGNet(stages=[(1, 8, 2), Stage(2, 4, 1)], clip_frames=24, size=32)
    assert model(video()).shape == (2, 24)
    assert len(PAPER_STAGES) == 4


def test_drop_path_drops_whole_clips_in_training_alone():
    model = STGNet(clip_frames=24, size=32, drop_path=0.5)
    clip = video(clips=1)
    with torch.no_grad():
        torch.manual_seed(0)
        trained = {float(model.train()(clip).std()) for _ in range(4)}
        quiet = {float(model.eval()(clip).std()) for _ in range(4)}
    assert len(trained) > 1
    assert len(quiet) == 1
