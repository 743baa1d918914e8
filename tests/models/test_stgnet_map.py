import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rppg_graph.errors import InputError
from rppg_graph.models.stgnet_map import SEGMENT_FRAMES, STGNetMap, relative_colours
from rppg_graph.nn.denoise_block import SegmentDenoise


@pytest.fixture(scope="module")
def colours() -> torch.Tensor:
    """A map (2, 3, 120, 64) float64 of noisy colours."""
    generator = torch.Generator().manual_seed(3)
    level = torch.rand(2, 3, 1, 64, generator=generator, dtype=torch.float64) * 100 + 50
    return level * (1 + 0.01 * torch.randn(2, 3, 120, 64, generator=generator, dtype=torch.float64))


def network(**options: object) -> STGNetMap:
    torch.manual_seed(0)
    return STGNetMap(channels=8, k=(4,), dilations=(1, 2), **options).double().eval()


def test_it_is_a_small_network():
    assert sum(parameter.numel() for parameter in STGNetMap().parameters()) < 1_000_000


def test_a_video_is_read_as_the_map_of_its_patches():
    video = torch.rand(2, 3, 40, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    patches = video.unfold(3, 8, 8).unfold(4, 8, 8).mean((-1, -2)).flatten(3)  # (2, 3, 40, 16)
    model = network()
    assert torch.allclose(model(video), model(patches), atol=1e-9)


def test_neither_brightness_nor_unit_matters(colours):
    model = network()
    gains = torch.rand(2, 3, 1, 64, dtype=torch.float64) + 0.5
    coarse = F.avg_pool2d(gains.view(2, 3, 8, 8), 2).view(2, 3, 1, 16)
    pooled = F.avg_pool2d(colours.view(2, 360, 8, 8), 2).view(2, 3, 120, 16)
    assert torch.allclose(model(pooled), model(pooled * coarse), atol=1e-9)
    assert torch.allclose(model(colours), model(colours / 255), atol=1e-9)


def test_patches_have_no_order(colours):
    pooled = F.avg_pool2d(colours.view(2, 360, 8, 8), 2).view(2, 3, 120, 16)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(5))
    model = network()
    assert torch.allclose(model(pooled), model(pooled[..., order]), atol=1e-9)


def test_relative_colours_against_plain_numpy():
    trace = 100 + np.cumsum(np.random.default_rng(1).standard_normal(90))
    relative = trace / trace.mean() - 1
    slow = relative
    for _ in range(2):
        slow = np.convolve(np.pad(slow, 15, mode="reflect"), np.ones(31) / 31, "valid")
    wanted = relative - slow
    found = relative_colours(torch.from_numpy(trace).view(1, 1, 1, -1).repeat(1, 3, 1, 1))[0, 0, 0]
    median = np.sort(np.abs(wanted))[(len(wanted) * 3 - 1) // 2 // 3]  # torch's median is the lower of the two
    assert np.allclose(found, np.clip(wanted / (1.5 * median), -6, 6), atol=1e-6)


def test_a_picture_that_does_not_move_gives_silence_not_nan():
    assert torch.equal(relative_colours(torch.full((1, 3, 4, 60), 80.0)), torch.zeros(1, 3, 4, 60))
    assert torch.isfinite(STGNetMap()(torch.zeros(1, 3, 60, 16))).all()


def test_the_denoise_block_against_a_loop():
    torch.manual_seed(1)
    block = SegmentDenoise(8, 3, SEGMENT_FRAMES).double().eval()
    x = torch.randn(1, 8, 2, 4 * SEGMENT_FRAMES, dtype=torch.float64)
    nodes = x.view(8, 2, 4, SEGMENT_FRAMES).mean(-1).flatten(1).T  # (8 nodes, C)
    unit = F.normalize(nodes, dim=1)
    out = []
    for i in range(8):
        nearest = sorted(range(8), key=lambda j: -float(unit[i] @ unit[j]))[:3]
        d = nodes[nearest].mean(0) - nodes[i]
        both = torch.stack((nodes[i], d), 1).view(4, -1)  # interleaved, by group
        h = (block.conv.weight @ both[..., None])[..., 0].flatten() + block.conv.bias
        out.append(block.out(block.shrink(F.gelu(block.conv_norm(h[None])))[0]))
    wanted = x + F.interpolate(torch.stack(out).T.view(1, 8, 2, 4), size=(2, 16), mode="bilinear", align_corners=False)
    assert torch.allclose(block(x, grid=(4, 1, 2)), wanted, atol=1e-10)


def test_a_clip_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="at least 31"):
        STGNetMap()(torch.rand(1, 3, 20, 32, 32))
    with pytest.raises(InputError, match="at least 31"):
        STGNetMap()(torch.rand(1, 3, 20, 16))
