"""A network's wave as the mean over several windows of its crop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sampled import Sampled

from rppg_graph.data.face import FaceFrame
from rppg_graph.errors import InputError
from rppg_graph.inference.crop_views import CORNER, VIEWS, seen
from rppg_graph.inference.methods import MonteCarlo, NetworkMethod

FPS, FRAMES, SIZE = 30.0, 60, 16


def first_green(video: torch.Tensor) -> torch.Tensor:
    return video[:, 1, :, 0, 0]


@pytest.fixture(scope="module")
def faces() -> list[FaceFrame]:
    """A pulse on every pixel, under noise that is each pixel's own."""
    rng, seconds = np.random.default_rng(0), np.arange(300) / FPS
    pulse = 20 * np.sin(2 * np.pi * 1.2 * seconds)[:, None, None, None]
    crops = np.clip(128 + pulse + 20 * rng.standard_normal((300, SIZE, SIZE, 3)), 0, 255).round().astype(np.uint8)
    return [FaceFrame(float(t), crop, (0, 0, SIZE, SIZE), True) for t, crop in zip(seconds, crops, strict=True)]


def method(views: str, mc: MonteCarlo | None = None) -> NetworkMethod:
    return NetworkMethod(Sampled(3.0, first_green).eval(), "first", FRAMES, FPS, SIZE, crop_views=views, mc=mc)


def test_windows_are_what_interpolation_makes_of_the_corners():
    video = torch.rand(2, 3, 5, 50, 50)
    found = list(seen(video, "corners"))
    assert found[0] is video
    assert len(found) == len(VIEWS["corners"]) == 5
    places = 2 * (torch.arange(50) + 0.5) / 50 - 1  # of the crop's pixels, from -1 to 1
    for view, (down, across) in zip(found[1:], ((-1, -1), (-1, 1), (1, -1), (1, 1)), strict=True):
        y, x = (CORNER * places + (1 - CORNER) * way for way in (down, across))
        grid = torch.stack(torch.broadcast_tensors(x, y[:, None]), -1).expand(30, -1, -1, -1)
        frames = video.permute(0, 2, 1, 3, 4).reshape(10, 3, 50, 50)
        wanted = F.grid_sample(frames, grid[:10], padding_mode="border", align_corners=False)
        torch.testing.assert_close(view, wanted.reshape(2, 5, 3, 50, 50).permute(0, 2, 1, 3, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [{"device": "meta"}, {"dtype": torch.bfloat16}, {"dtype": torch.float64}])
def test_views_are_made_where_and_as_the_video_is(kind):
    video = torch.zeros(1, 3, 2, 8, 8, **kind)
    for view in seen(video, "corners"):
        assert (view.device, view.dtype, view.shape) == (video.device, video.dtype, video.shape)


def test_noise_that_differs_between_views_averages_out(faces):
    pulse = np.sin(2 * np.pi * 1.2 * np.arange(300) / FPS)
    one, mean = (np.corrcoef(method(views).wave(faces, FPS).bvp, pulse)[0, 1] for views in ("whole", "corners"))
    assert 1 - mean**2 < 0.6 * (1 - one**2)


def test_samples_are_averaged_over_the_views_too(faces):
    raw = method("corners", MonteCarlo(8)).wave(faces, FPS)
    assert raw.samples.shape == (8, 300)
    np.testing.assert_allclose(raw.bvp, method("corners").wave(faces, FPS).bvp, atol=1e-5)  # scale is all that drops


def test_unknown_views_are_named():
    with pytest.raises(InputError, match=r"views.*'edges'.*whole"):
        method("edges")
