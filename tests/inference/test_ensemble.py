import numpy as np
import pytest
import torch
from beating import noisy_faces as faces

from rppg_graph.data.face import FaceFrame
from rppg_graph.data.traces import face_traces
from rppg_graph.errors import InputError
from rppg_graph.inference.ensemble import Ensemble, default_ensemble
from rppg_graph.inference.methods import BY_NAME
from rppg_graph.inference.predict import Tally, summarise
from rppg_graph.pulse.judgement import shipped

FPS, SIZE = 30.0, 16
QUICK = Ensemble((("green", "steady"), ("pos", "skin"), ("pbv", "whole")))  # ICA takes ten times as long as the others


class Wrong(torch.nn.Module):
    """A map network that is sure of another rate, whatever it sees."""

    def __init__(self, bpm: float):
        super().__init__()
        self.bpm = torch.nn.Parameter(torch.tensor(bpm))

    def from_map(self, colours):
        assert colours.shape[1:] == (3, 300, 64)
        wave = torch.sin(2 * torch.pi * self.bpm / 60 * torch.arange(300) / FPS)
        return wave.expand(len(colours), -1)


def test_the_rate_and_the_wave_are_those_of_the_face():
    raw = BY_NAME["ensemble"]().wave(faces(12), FPS)
    found = summarise("ensemble", raw, Tally(), "test")
    assert found.rate.bpm == pytest.approx(72, abs=0.5)
    assert found.track.bpm == pytest.approx(72, abs=1)
    assert found.rate.quality > 0.5
    expected = np.sin(2 * np.pi * 1.2 * found.seconds)
    assert np.corrcoef(found.bvp[30:-30], expected[30:-30])[0, 1] > 0.95


def test_a_network_that_is_sure_and_wrong_is_outvoted_and_told_of():
    ensemble = Ensemble(QUICK.members, Wrong(125.0))
    window = ensemble.wave(faces(10.5), FPS).windows[0]
    assert window.bpm == pytest.approx(72, abs=1)
    assert window.members["network"] == pytest.approx(125, abs=1)
    assert window.members["pos on skin"] == pytest.approx(72, abs=1)
    assert window.weights["network"] < 0.5 * min(weight for name, weight in window.weights.items() if name != "network")
    assert sum(window.weights.values()) == pytest.approx(1)


def test_a_network_that_is_alone_right_is_heard():
    noise = [FaceFrame(f.seconds, f.crop, None, True) for f in faces(10.5, bpm=0.0)]
    assert Ensemble(QUICK.members, Wrong(96.0)).wave(noise, FPS).windows[0].bpm == pytest.approx(96, abs=1)


def test_a_stream_is_the_whole_and_memory_is_bounded():
    frames, stream = faces(27), QUICK.stream(FPS, 1.0)
    steps = [stream.push(frame) for frame in frames]
    assert sum(steps) == 27
    assert len(stream._reader) < 14 * FPS  # a window, its wait of 2.5 s, and a second
    stream.finish()
    live, whole = stream.result(), QUICK.wave(frames, FPS)
    np.testing.assert_allclose(live.bvp, whole.bvp, atol=1e-9)
    np.testing.assert_allclose(live.spectra.power, whole.spectra.power, atol=1e-12)
    assert live.windows == whole.windows
    read = QUICK.read(face_traces(frames))
    np.testing.assert_allclose(read.bvp, whole.bvp, atol=1e-9)
    assert read.windows == whole.windows
    forgetful = QUICK.stream(FPS, 1.0)
    for frame in frames:
        if forgetful.push(frame):
            forgetful.forget(frame.seconds - 12.0)
            kept = forgetful.result()
    assert len(kept.windows) <= 6
    assert kept.start == int((26 - 12) * FPS)
    assert kept.spectra.heart_rate(16.0, 26.0).bpm == pytest.approx(72, abs=1)


def test_a_gap_begins_anew_and_a_short_stretch_is_one_window():
    lost = [FaceFrame(11 + i / FPS, None, None, False) for i in range(90)]
    raw = QUICK.wave([*faces(11), *lost, *faces(7, bpm=100, start=14.0), *faces(3, start=25.0)], FPS)
    assert [window.start for window in raw.windows] == pytest.approx([0, 1, 14])
    assert [window.bpm for window in raw.windows] == pytest.approx([72, 72, 100], abs=1.5)
    covered = np.isfinite(raw.bvp)
    assert covered[:330].all()
    assert not covered[330:420].any()
    assert covered[420:630].all()


@pytest.mark.parametrize("fps", [20.0, 60.0])
def test_another_rate_of_frames_is_read_at_its_own_times(fps):
    raw = QUICK.wave(faces(10.5, bpm=88, fps=fps), fps)
    assert raw.fps == FPS
    assert raw.windows[0].bpm == pytest.approx(88, abs=1)


@pytest.mark.parametrize("level", [0, 1, 120])
def test_a_picture_that_stands_still_gives_no_number(level):
    still = [FaceFrame(i / FPS, np.full((SIZE, SIZE, 3), level, np.uint8), None, True) for i in range(330)]
    raw = Ensemble(QUICK.members, Wrong(96.0)).wave(still, FPS)
    assert not raw.windows
    with pytest.raises(InputError, match="too short for ensemble"):
        summarise("ensemble", raw, Tally(), "test")


def test_a_black_moment_costs_its_windows_alone():
    frames = faces(22)
    frames[100] = FaceFrame(frames[100].seconds, np.zeros((SIZE, SIZE, 3), np.uint8), None, True)
    starts = [window.start for window in QUICK.wave(frames, FPS).windows]
    assert starts == pytest.approx([s for s in range(13) if s > 100 / FPS])


def test_every_window_is_judged_and_the_likeliest_member_heard():
    raw = Ensemble(QUICK.members, judge=shipped()).wave(faces(16.5), FPS)
    assert all(window.judgement.bpm == window.bpm for window in raw.windows)
    assert "steadiness" in raw.windows[0].judgement.missing
    assert "steadiness" not in raw.windows[-1].judgement.missing
    assert raw.spectra.heart_rate().bpm == pytest.approx(raw.windows[-1].bpm, abs=1.5)


@pytest.mark.parametrize(("trust", "answered"), [(0.0, True), (1.0, False)])
def test_trust_decides_what_is_answered(trust, answered):
    raw = Ensemble(QUICK.members, judge=shipped(), trust=trust).wave(faces(12), FPS)
    found = summarise("ensemble", raw, Tally(), "test")
    assert (found.rate.bpm is not None) is answered
    assert found.verdict.trust == trust
    assert found.verdict.bpm is not None
    assert np.isfinite(found.track.bpm).all() == answered
    if not answered:
        assert "under 1" in found.rate.reason


def test_a_trust_that_is_no_probability_is_refused():
    with pytest.raises(InputError, match="trust 2"):
        default_ensemble(2.0)
