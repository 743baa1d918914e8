"""What has no pulse gets no number: pictures that stand still, by every method, and noise."""

import numpy as np
import pytest
import torch
from sampled import Sampled

from rppg_graph.data.face import FaceFrame
from rppg_graph.data.video_writer import write_video
from rppg_graph.inference.heart_rate_of import NOTHING_MOVES
from rppg_graph.inference.methods import ClassicalMethod, JoinedMethod, MonteCarlo, NetworkMethod
from rppg_graph.inference.predict import Tally, predict_video, summarise
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import noise_quality, signal_quality
from rppg_graph.synthetic import generate

FPS, SIZE = 30.0, 8


def edges(video: torch.Tensor) -> torch.Tensor:
    """A wave of anything: it answers the edges of a clip, as convolutions with padding do."""
    return video.mean((1, 3, 4)) + torch.sin(2 * np.pi * 1.13 * torch.arange(video.shape[2]) / FPS)


def network(mc: MonteCarlo | None = None, size: int = SIZE) -> NetworkMethod:
    return NetworkMethod(Sampled(1.0, edges).eval(), "edge", 160, FPS, size, mc=mc)


METHODS = {name: ClassicalMethod(name) for name in CLASSICAL}
METHODS |= {"network": network(), "samples": network(MonteCarlo(3))}
METHODS |= {"joined": JoinedMethod(network(), METHODS["pos"])}


def read(method, crops):
    faces = [FaceFrame(i / FPS, crop, None, True) for i, crop in enumerate(crops)]
    return summarise(method.name, method.wave(faces, FPS), Tally(), "test")


def picture(rng: np.random.Generator) -> np.ndarray:
    return (np.array([150, 110, 90]) + rng.integers(-20, 20, (SIZE, SIZE, 3))).astype(np.uint8)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("every", [450, 30])  # frames after which the same picture is coded anew, a little otherwise
def test_a_picture_that_stands_still_has_no_pulse(name, every):
    rng = np.random.default_rng(0)
    still, noise = picture(rng), rng.integers(0, 2, (450 // every, SIZE, SIZE, 3)).astype(np.uint8)
    found = read(METHODS[name], [still + noise[i // every] for i in range(450)])
    assert (found.rate.bpm, found.rate.quality) == (None, 0)
    assert found.rate.reason == NOTHING_MOVES
    assert np.isnan(found.track.bpm).all()


def test_a_slow_pulse_that_rounding_nearly_hides_is_no_still_picture():
    """48 bpm in one colour of three levels, without noise: four of a beat's 37 frames differ from the one before."""
    levels = np.rint(1.2 * np.sin(2 * np.pi * 0.8 * np.arange(900) / FPS)).astype(int)
    assert np.count_nonzero(np.diff(levels)) == 4 * 24
    crops = [np.full((SIZE, SIZE, 3), (150, 110 - level, 90), np.uint8) for level in levels]
    found = read(ClassicalMethod("green", skin=False), crops)
    assert found.rate.bpm == pytest.approx(48, abs=1)


@pytest.mark.parametrize("method", [ClassicalMethod("pos"), network(size=32)])
def test_a_video_of_one_picture_has_no_pulse(method, tmp_path):
    frame = next(iter(generate("easy", seed=5, seconds=1, fps=FPS).camera_frames()))
    write_video(tmp_path / "still.mp4", [frame] * 180, FPS, crf=0)  # as it is, again and again
    found = predict_video(tmp_path / "still.mp4", method)
    assert found.rate.bpm is None
    assert found.rate.reason == NOTHING_MOVES


@pytest.mark.parametrize("seconds", [10, 20, 40])
def test_noise_exceeds_the_quality_that_means_nothing_once_in_twenty(seconds):
    rng = np.random.default_rng(seconds)
    waves = (prepare_native(rng.standard_normal(int(seconds * FPS)), FPS) for _ in range(200))
    share = np.mean([signal_quality(wave, FPS) > noise_quality(seconds) for wave in waves])
    assert 0.01 <= share <= 0.09


def test_noise_gets_no_number_and_the_reason():
    rng, numbers = np.random.default_rng(1), 0
    for _ in range(20):
        colours = np.array([150, 110, 90]) + rng.normal(0, 2, (450, 3))
        crops = colours.round().astype(np.uint8)[:, None, None] * np.ones((1, SIZE, SIZE, 1), np.uint8)
        found = read(ClassicalMethod("pos", skin=False), crops)
        numbers += found.rate.bpm is not None
        assert found.rate.bpm or "noise alone reaches 0.21 in 15 s" in found.rate.reason
    assert numbers <= 3
