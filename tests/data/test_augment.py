"""Augmentation: each step against what its definition says, the label following, seeds giving the same bytes."""

import math

import pytest
import torch
import torch.nn.functional as F

from rppg_graph.data.augment import (
    Augment,
    add_pixel_noise,
    change_speed,
    crop_and_resize,
    flip_horizontally,
    shift_illumination,
    source_frames,
)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _video(batch: int = 8, frames: int = 6, size: int = 16) -> torch.Tensor:
    return torch.rand(batch, 3, frames, size, size, generator=_generator(9))


def test_flip_mirrors_whole_clips_about_half_of_the_time():
    video = _video(batch=400, frames=1, size=4)
    flipped = flip_horizontally(video, _generator())
    mirrored = (flipped == video.flip(-1)).flatten(1).all(1)
    assert (mirrored | (flipped == video).flatten(1).all(1)).all()
    assert 160 <= mirrored.sum() <= 240
    assert torch.equal(flip_horizontally(video, _generator(), probability=0.0), video)
    assert torch.equal(flip_horizontally(video, _generator(), probability=1.0), video.flip(-1))


def test_illumination_is_one_offset_a_clip_of_the_right_spread():
    video = _video(batch=2000, frames=1, size=2)
    offsets = (shift_illumination(video, _generator()) - video).flatten(1)
    torch.testing.assert_close(offsets, offsets[:, :1].expand_as(offsets), atol=1e-6, rtol=0)
    assert offsets[:, 0].std().item() * 255 == pytest.approx(10, rel=0.08)
    assert abs(offsets[:, 0].mean().item() * 255) < 1


def test_pixel_noise_is_independent_of_the_right_spread():
    video = _video(batch=4, frames=20, size=32)
    noise = (add_pixel_noise(video, _generator()) - video) * 255
    assert noise.std().item() == pytest.approx(2, rel=0.02)
    assert abs(noise.mean().item()) < 0.02
    for shift in [(1, 0), (1, 2), (1, 4)]:  # next clip, frame, column
        other = noise.roll(shift[0], shift[1])
        assert abs((noise * other).mean().item()) < 0.05


def test_crop_of_the_whole_frame_changes_nothing():
    video = _video()
    torch.testing.assert_close(crop_and_resize(video, _generator(), area=(1.0, 1.0)), video)


def test_crop_samples_a_square_window_of_the_asked_area():
    size = 32
    ramp = torch.linspace(0, 1, size)
    video = torch.stack([ramp.expand(size, size), ramp.unsqueeze(1).expand(size, size), torch.ones(size, size)])
    video = video.unsqueeze(1).expand(500, 3, 2, size, size).contiguous()
    out = crop_and_resize(video, _generator())
    assert torch.equal(out[:, :, 0], out[:, :, 1])  # the same window in all frames
    torch.testing.assert_close(out[:, 2], video[:, 2])  # weights of a pixel add up to one
    # The slope of the ramp is the side of the window.
    width = (out[:, 0, 0, 0, -2] - out[:, 0, 0, 0, 1]) * (size - 1) / (size - 3)
    height = (out[:, 1, 0, -2, 0] - out[:, 1, 0, 1, 0]) * (size - 1) / (size - 3)
    torch.testing.assert_close(width, height, atol=2e-2, rtol=0)
    assert (width**2).min() > 0.47
    assert (width**2).max() < 1.03
    assert (width**2).mean().item() == pytest.approx(0.75, abs=0.03)


def test_crop_agrees_with_grid_sample():
    video, size = _video(batch=1, frames=3, size=24), 24
    out = crop_and_resize(video, _generator(4))
    # The same draws as crop_and_resize makes.
    generator = _generator(4)
    side = torch.empty(1).uniform_(0.5, 1.0, generator=generator).sqrt()
    top, left = (torch.rand(2, 1, generator=generator) * (1 - side)).flatten()
    theta = torch.tensor([[side, 0, 2 * left + side - 1], [0, side, 2 * top + side - 1]])
    grid = F.affine_grid(theta.unsqueeze(0).expand(3, 2, 3), (3, 3, size, size), align_corners=False)
    expected = F.grid_sample(video[0].movedim(1, 0), grid, padding_mode="border", align_corners=False).movedim(0, 1)
    torch.testing.assert_close(out[0], expected, atol=1e-5, rtol=0)


def test_speed_change_moves_video_and_label_alike_and_raises_the_rate():
    frames, hz, fps = 100, 1.2, 30.0
    time = torch.arange(source_frames(frames, 1.25), dtype=torch.float64) / fps
    label = torch.sin(2 * math.pi * hz * time).expand(16, -1)
    video = (0.5 + 0.1 * label.float()).view(16, 1, -1, 1, 1).expand(-1, 3, -1, 4, 4)
    faster, moved = change_speed(video, label, _generator(), frames)
    assert faster.shape == (16, 3, frames, 4, 4)
    assert moved.shape == (16, frames)
    torch.testing.assert_close(faster[:, 0, :, 0, 0], 0.5 + 0.1 * moved.float(), atol=1e-5, rtol=0)
    rates = _zero_crossing_hz(moved, fps) / hz
    assert 0.78 < rates.min() < 0.95
    assert 1.05 < rates.max() < 1.28


def _zero_crossing_hz(waves: torch.Tensor, fps: float) -> torch.Tensor:
    """Rate of each sine by its first and last rising zero, interpolated."""
    rates = []
    for wave in waves:
        rising = torch.nonzero((wave[:-1] < 0) & (wave[1:] >= 0)).flatten()
        at = rising + wave[rising] / (wave[rising] - wave[rising + 1])
        rates.append((len(at) - 1) / ((at[-1] - at[0]) / fps))
    return torch.stack(rates)


def test_speed_one_cuts_a_stretch_out_of_a_longer_clip():
    video, label = _video(frames=10), torch.arange(10.0).expand(8, -1)
    cut, moved = change_speed(video, label, _generator(), 10, factor=(1.0, 1.0))
    assert torch.equal(cut, video)
    assert torch.equal(moved, label)
    _, moved = change_speed(video, label, _generator(), 4, factor=(1.0, 1.0))
    torch.testing.assert_close(moved.diff(dim=1), torch.ones(8, 3))
    assert moved.min() >= 0
    assert moved.max() <= 9


def test_clip_without_spare_frames_is_only_slowed_down():
    label = torch.arange(60.0).expand(200, -1)
    _, moved = change_speed(torch.zeros(200, 3, 60, 1, 1), label, _generator(), 60)
    speed = moved.diff(dim=1)
    torch.testing.assert_close(speed, speed[:, :1].expand_as(speed), atol=1e-4, rtol=0)
    assert speed.max() <= 1 + 1e-4
    assert speed.min() >= 0.8 - 1e-4
    with pytest.raises(ValueError, match="clips of 60 frames cannot give 61"):
        change_speed(torch.zeros(1, 3, 60, 1, 1), label[:1], _generator(), 61)


def test_chain_is_seeded_stays_in_range_and_takes_clips_and_batches_of_uint8():
    augment = Augment(frames=20)
    assert augment.source_frames == 25
    video = torch.randint(0, 256, (2, 3, augment.source_frames, 16, 16), dtype=torch.uint8, generator=_generator(1))
    label = torch.randn(2, augment.source_frames, generator=_generator(2))
    out, moved = augment(video, label, _generator(5))
    assert out.shape == (2, 3, 20, 16, 16)
    assert out.dtype == torch.float32
    assert 0 <= out.min() <= out.max() <= 1
    again, moved_again = augment(video, label, _generator(5))
    assert torch.equal(out, again)
    assert torch.equal(moved, moved_again)
    assert not torch.equal(out, augment(video, label, _generator(6))[0])
    from_float = augment(video.float() / 255, label, _generator(5))[0]
    torch.testing.assert_close(out, from_float, atol=1e-5, rtol=0)
    clip, wave = augment(video[0].movedim(0, -1).contiguous().movedim(-1, 0), label[0], _generator(7))
    assert clip.shape == (3, 20, 16, 16)
    assert wave.shape == (20,)
    assert torch.equal(clip, augment(video[:1], label[:1], _generator(7))[0][0])


def test_chain_switched_off_is_the_identity_and_leaves_its_input_alone():
    augment = Augment(20, speed=(1, 1), crop_area=(1, 1), flip_probability=0, illumination=0, noise=0)
    video, label = _video(frames=20), torch.randn(8, 20)
    before = video.clone()
    out, moved = augment(video, label, _generator())
    torch.testing.assert_close(out, before)
    assert torch.equal(moved, label)
    Augment(20)(video, label, _generator())
    assert torch.equal(video, before)


def test_impossible_ranges_are_refused():
    with pytest.raises(ValueError, match=r"speed = \[1.2, 0.8\].*such as \[0.8, 1.2\]"):
        Augment(20, speed=(1.2, 0.8))
    with pytest.raises(ValueError, match=r"crop_area = \[0.5, 1.5\].*such as \[0.5, 1.0\]"):
        Augment(20, crop_area=(0.5, 1.5))
