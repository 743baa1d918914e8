import numpy as np
import pytest

from rppg_graph import synthetic
from rppg_graph.synthetic.codec import LOSSY, through_codec


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(synthetic.generate("office", 3, seconds=2, codec="none", talking=0.5).frames())


def error(frames, coded) -> float:
    return float(np.mean([np.square(a.astype(float) - b).mean() for a, b in zip(frames, coded, strict=True)]))


@pytest.mark.slow
@pytest.mark.parametrize("codec", LOSSY)
def test_every_frame_comes_back_and_fewer_bits_cost_quality(frames, codec):
    fine, middle, coarse = (error(frames, through_codec(frames, 30, codec, rate)) for rate in (None, 800.0, 120.0))
    assert 0 < fine <= middle < coarse


def test_no_codec_changes_nothing(frames):
    assert error(frames, through_codec(frames, 30, "none", None)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("codec", LOSSY)
def test_the_same_frames_give_the_same_frames(frames, codec):
    one, two = (list(through_codec(frames, 29.97, codec, 200.0)) for _ in range(2))
    assert np.array_equal(one, two)


def test_no_frames_give_no_frames():
    assert list(through_codec([], 30, "h264", None)) == []
