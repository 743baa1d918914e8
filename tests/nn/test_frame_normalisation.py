"""Normalisation of clips against numpy, and where a careless form divides by zero."""

import numpy as np
import pytest
import torch

from rppg_graph.nn.frame_normalisation import normalise_frames


def test_against_numpy():
    video = np.random.default_rng(0).uniform(0.1, 1, (2, 3, 5, 4, 6))
    difference, standardised = normalise_frames(torch.tensor(video))
    for clip, d, s in zip(video, difference.numpy(), standardised.numpy(), strict=True):
        frames = clip.transpose(1, 0, 2, 3)  # (T, 3, H, W)
        expected = (frames[1:] - frames[:-1]) / (frames[1:] + frames[:-1])
        np.testing.assert_allclose(d[:-1], expected / expected.std(), rtol=1e-10)
        assert not d[-1].any()
        np.testing.assert_allclose(s, (frames - frames.mean()) / frames.std(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_clip_without_change_gives_zeros_and_finite_gradients(level):
    video = torch.full((1, 3, 4, 5, 5), level, requires_grad=True)
    difference, standardised = normalise_frames(video)
    assert difference.abs().max() == 0
    assert standardised.abs().max() < 0.1  # the rounding of the mean
    (difference.sum() + standardised.sum()).backward()
    assert video.grad.isfinite().all()


def test_black_pixels_and_a_flash():
    video = torch.zeros(1, 3, 4, 5, 5)
    video[:, :, 2] = 1
    difference, standardised = normalise_frames(video)
    assert difference.isfinite().all()
    assert standardised.isfinite().all()


def test_brightness_of_the_lamp_does_not_matter():
    video = torch.rand(1, 3, 6, 8, 8, dtype=torch.float64) * 0.5 + 0.5
    for bright, dim in zip(normalise_frames(video), normalise_frames(video / 4), strict=True):
        torch.testing.assert_close(bright, dim)


def test_clips_do_not_touch_each_other():
    video = torch.rand(3, 3, 4, 5, 5, dtype=torch.float64)
    for batch, *single in zip(normalise_frames(video), *(normalise_frames(clip[None]) for clip in video), strict=True):
        torch.testing.assert_close(batch, torch.cat(single))
