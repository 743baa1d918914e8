"""Clips: the time grid, the gaps, the labels."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from rppg_graph.data.augment import Augment
from rppg_graph.data.clip_dataset import ClipDataset, clip_tensor
from rppg_graph.data.clips import MAX_GAP_SECONDS, cut_clips, frames_at
from rppg_graph.data.face import FaceFrame

SIZE = 4


def frame(seconds: float, value: float) -> FaceFrame:
    """A face frame whose every pixel has one value, so that a clip shows which times it holds."""
    return FaceFrame(seconds, np.full((SIZE, SIZE, 3), round(value), np.uint8), (0, 0, 1, 1), True)


def ramp(seconds: np.ndarray) -> list[FaceFrame]:
    return [frame(t, 10 * t) for t in seconds]


def times(clip) -> np.ndarray:
    return clip.video[:, 0, 0, 0] / 10


def test_a_steady_video_is_cut_without_blending():
    fps = 29.97
    frames = [frame(i / fps, i) for i in range(200)]
    clips = list(cut_clips(frames, fps, clip_frames=64, stride=32))
    assert [clip.start for clip in clips] == [0, 32, 64, 96, 128, 136]  # the last one ends with the video
    for clip in clips:
        assert clip.video.shape == (64, SIZE, SIZE, 3)
        assert (clip.video[:, 0, 0, 0] == np.arange(clip.start, clip.start + 64)).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([15.0, 25.0, 30.0]))
@settings(max_examples=25, deadline=None)
def test_a_variable_rate_is_interpolated_at_its_timestamps(seed, fps):
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.uniform(0.01, 0.09, 300))
    clips = list(cut_clips(ramp(seconds - seconds[0]), fps, clip_frames=40, stride=20))
    assert clips
    for clip in clips:
        expected = (clip.start + np.arange(40)) / fps
        # within the rounding to 8 bit, of both the frames and the blend, and a tenth of a frame period of snapping
        assert np.abs(times(clip) - expected).max() <= 0.1 + 0.01


def test_a_gap_separates_segments():
    seconds = np.concatenate((np.arange(90), np.arange(90) + 90 + 30 * (MAX_GAP_SECONDS + 0.2))) / 30
    starts = [clip.start for clip in cut_clips(ramp(seconds), 30.0, clip_frames=60, stride=30)]
    assert starts == [0, 30, 111, 141]
    for start in starts:
        covered = (start + np.arange(60)) / 30
        assert not ((covered > 89.5 / 30) & (covered < seconds[90] - 0.5 / 30)).any()


def test_frames_without_a_face_make_a_gap():
    frames = ramp(np.arange(300) / 30)
    frames[100:200] = [FaceFrame(f.seconds, None, None, False) for f in frames[100:200]]
    assert [clip.start for clip in cut_clips(frames, 30.0, clip_frames=60, stride=30)] == [0, 30, 40, 200, 230, 240]


@pytest.mark.parametrize("length", [0, 1, 59])
def test_too_short_gives_none(length):
    assert list(cut_clips(ramp(np.arange(length) / 30), 30.0, clip_frames=60, stride=30)) == []


def test_exactly_one_clip():
    assert [clip.start for clip in cut_clips(ramp(np.arange(60) / 30), 30.0, clip_frames=60, stride=30)] == [0]


def test_memory_is_bounded():
    alive = 0
    most = 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream():
        nonlocal alive, most
        for i in range(2000):
            crop = np.zeros((SIZE, SIZE, 3), np.uint8).view(Counted)
            alive += 1
            most = max(most, alive)
            yield FaceFrame(i / 30, crop, (0, 0, 1, 1), True)
            del crop

    assert sum(1 for _ in cut_clips(stream(), 30.0, clip_frames=60, stride=30)) > 60
    # Frames handed out by stacking are views of the subclass too, so count generously; a leak would reach 2,000.
    assert most < 4 * 60


def test_frames_at_hits_frames_and_midpoints():
    frames = np.stack([frame(t, 100 * t).crop for t in (0.0, 1.0, 2.0)])
    out = frames_at(frames, np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.05, 0.5, 1.0, 1.95, 2.0]))
    assert out[:, 0, 0, 0].tolist() == [0, 0, 50, 100, 200, 200]


def recording(length: int = 300) -> SimpleNamespace:
    frames = (np.arange(length) % 251).astype(np.uint8)[:, None, None, None] * np.ones((1, SIZE, SIZE, 3), np.uint8)
    return SimpleNamespace(
        frames=frames,
        seconds=np.arange(length) / 30,
        face=np.ones(length, bool),
        pulse=np.sin(2 * np.pi * 1.2 * np.arange(length) / 30),
        fps=30.0,
    )


def test_dataset_leaves_out_what_has_no_face_no_label_or_a_gap():
    faceless, unlabelled, gap = recording(), recording(), recording()
    faceless.face[70:90] = False
    unlabelled.pulse[70:90] = np.nan
    gap.seconds[71:] += 1
    for bad in (faceless, unlabelled, gap):
        dataset = ClipDataset([recording(), bad], clip_frames=60, stride=60)
        assert [clip[:2] for clip in dataset.clips if clip[0] == 0] == [(0, s) for s in (0, 60, 120, 180, 240)]
        assert (1, 60) not in [clip[:2] for clip in dataset.clips]
        assert dataset.left_out == 1


def test_dataset_gives_frames_and_z_scored_label():
    source = recording()
    video, pulse = ClipDataset([source], clip_frames=60, stride=60)[(2, 0)]
    assert video.shape == (3, 60, SIZE, SIZE)
    assert torch.equal(video, clip_tensor(source.frames[120:180]))
    assert float(pulse.mean()) == pytest.approx(0, abs=1e-6)
    assert float(pulse.std()) == pytest.approx(1, abs=1e-5)
    assert np.corrcoef(pulse.numpy(), source.pulse[120:180])[0, 1] > 0.999999


def beating(fps: float, bpm: float = 72) -> SimpleNamespace:
    """Twelve seconds of a pulse, in the colour of the frames and in the reference."""
    seconds = np.arange(int(12 * fps)) / fps
    pulse = np.sin(2 * np.pi * bpm / 60 * seconds)
    frames = np.rint(120 + 100 * pulse).astype(np.uint8)[:, None, None, None] * np.ones((1, SIZE, SIZE, 3), np.uint8)
    return SimpleNamespace(frames=frames, seconds=seconds, face=np.ones(len(seconds), bool), pulse=pulse, fps=fps)


def rates_of(dataset: ClipDataset) -> np.ndarray:
    """Heart rates (clips, 2) in bpm of the video's mean colour and of the label, by the zeros of the waves."""
    found = []
    for index in range(len(dataset)):
        video, pulse = dataset[(index, 0)]
        for wave in (video.mean((0, 2, 3)).double(), pulse.double()):
            wave = wave - (wave.max() + wave.min()) / 2
            rising = np.flatnonzero((wave[:-1] < 0) & (wave[1:] >= 0))
            zeros = rising + (-wave[rising] / (wave[rising + 1] - wave[rising])).numpy()
            found.append(60 * dataset.fps * (len(zeros) - 1) / (zeros[-1] - zeros[0]))
    return np.reshape(found, (-1, 2))


def test_a_pulse_of_72_bpm_has_72_bpm_from_recordings_at_any_rate():
    dataset = ClipDataset([beating(15), beating(30), beating(60)], clip_frames=160, stride=160)
    assert dataset.fps == 30
    assert [clip[:2] for clip in dataset.clips] == [(0, 0), (0, 160), (1, 0), (1, 160), (2, 0), (2, 160)]
    np.testing.assert_allclose(rates_of(dataset), 72, rtol=0.005)
    at_20 = ClipDataset([beating(15), beating(60)], 160, 160, fps=20)  # as validation clips of a network for 20 fps
    np.testing.assert_allclose(rates_of(at_20), 72, rtol=0.005)


def test_a_changed_speed_is_relative_to_the_true_one():
    still = {"crop_area": (1.0, 1.0), "flip_probability": 0, "illumination": 0, "noise": 0}
    augment = Augment(160, speed=(1.25, 1.25), **still)
    dataset = ClipDataset([beating(15), beating(30), beating(60)], 160, 400, augment)
    np.testing.assert_allclose(rates_of(dataset), 1.25 * 72, rtol=0.005)


def test_a_short_hole_is_interpolated_and_not_spliced():
    whole, holey = beating(30, bpm=6), beating(30, bpm=6)
    kept = np.r_[:100, 113:360]  # 0.47 s are missing
    for name in ("frames", "seconds", "face", "pulse"):
        setattr(holey, name, getattr(holey, name)[kept])
    lost_face, lost_label = beating(30, bpm=6), beating(30, bpm=6)
    lost_face.face[100:113] = False
    lost_label.pulse[100:113] = np.nan
    expected = ClipDataset([whole], 160, 400)[(0, 0)]
    for recording in (holey, lost_face, lost_label):
        video, pulse = ClipDataset([recording], 160, 400)[(0, 0)]
        assert float((video - expected[0]).abs().max()) < 0.02
        assert float((pulse - expected[1]).abs().max()) < 0.05


def test_augmented_clips_depend_on_seed_epoch_and_clip_alone():
    def clip(seed: int, epoch: int) -> torch.Tensor:
        return ClipDataset([recording()], 60, 60, Augment(60), seed)[(1, epoch)][0]

    assert torch.equal(clip(1, 0), clip(1, 0))
    assert not torch.equal(clip(1, 0), clip(1, 1))
    assert not torch.equal(clip(1, 0), clip(2, 0))
    assert clip(1, 0).shape == (3, 60, SIZE, SIZE)


def test_an_ordinary_loader_shuffles_clips_and_augments_them_anew():
    plain = ClipDataset([beating(30, bpm=71.3)], 60, 60)
    clips = {tuple(plain[(i, 0)][1].tolist()) for i in range(len(plain))}
    loaded = [pulse for _, pulses in DataLoader(plain, batch_size=2, shuffle=True) for pulse in pulses]
    assert len(loaded) == len(clips)
    assert {tuple(pulse.tolist()) for pulse in loaded} == clips
    augmented = ClipDataset([beating(30, bpm=71.3)], 60, 60, Augment(60))

    def epochs(workers: int) -> torch.Tensor:
        torch.manual_seed(3)
        loader = DataLoader(augmented, batch_size=len(augmented), num_workers=workers)
        return torch.stack([next(iter(loader))[0] for _ in range(2)])

    for workers in (0, 1):
        first, second = epochs(workers)
        assert not torch.equal(first, second)
        assert torch.equal(epochs(workers), torch.stack((first, second)))  # by torch's seed
