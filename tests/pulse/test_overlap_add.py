"""Clips cut from a wave come back as that wave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rppg_graph.pulse.overlap_add import OverlapAdd


def merged_of(clips, starts) -> np.ndarray:
    merged = OverlapAdd()
    for clip, start in zip(clips, starts, strict=True):
        merged.add(start, clip)
    return merged.result()


@given(length=st.integers(20, 160), clips=st.integers(1, 8), seed=st.integers(0, 1000))
def test_clips_of_unit_waves_come_back_exactly(length, clips, seed):
    """Weights that sum to 1 leave a wave that all clips agree on as it is."""
    piece = np.random.default_rng(seed).standard_normal(length)
    unit = (piece - piece.mean()) / piece.std()
    np.testing.assert_allclose(merged_of([3 * piece + 7] * clips, [0] * clips), unit, atol=1e-9)


def test_scales_offsets_and_signs_of_clips_leave_no_seam():
    rng = np.random.default_rng(0)
    wave = np.sqrt(2) * np.sin(2 * np.pi * np.arange(1000) / 20)  # whole periods in every clip: unit deviation
    starts = range(0, 841, 60)
    clips = [rng.choice([-1, 1]) * rng.uniform(0.1, 50) * wave[s : s + 160] + rng.uniform(-9, 9) for s in starts]
    clips[0] = wave[:160]  # the first sets the sign
    np.testing.assert_allclose(merged_of(clips, starts), wave, atol=1e-9)


def test_a_clip_that_disagrees_fades_in_and_out():
    zero, other = np.tile([1.0, -1.0], 80), np.tile([1.0, 1.0, -1.0, -1.0], 40)
    merged = merged_of([zero, other], [0, 60])
    np.testing.assert_allclose(merged[:60], zero[:60])
    np.testing.assert_allclose(np.abs(merged[160:]), np.abs(other[100:]))
    share = np.abs(merged[60:160] - zero[60:160]) / np.abs(
        other[:100] * np.sign(merged[160] * other[100]) - zero[60:160] + 1e-300
    )
    differs = np.abs(other[:100] * np.sign(merged[160] * other[100]) - zero[60:160]) > 1
    assert (np.diff(share[differs]) > 0).all()
    assert share[differs][0] < 0.01
    assert share[differs][-1] > 0.99


def test_frames_without_a_clip_are_nan_and_constant_clips_are_zero():
    merged = merged_of([np.arange(4.0), np.full(4, 3.3)], [0, 6])
    assert np.isnan(merged[4:6]).all()
    assert (merged[6:10] == 0).all()
    assert np.isfinite(merged[:4]).all()
    assert len(OverlapAdd().result()) == 0


@pytest.mark.parametrize(
    ("start", "wave", "message"),
    [
        (0, [], "T ≥ 1"),
        (0, [[1.0, 2.0]], "shape"),
        (-1, [1.0, 2.0], "first frame is 0"),
        (30, [1.0, np.nan], "not finite at frame 31"),
    ],
)
def test_bad_clips_are_named(start, wave, message):
    with pytest.raises(ValueError, match=message):
        OverlapAdd().add(start, wave)


def test_what_is_kept_does_not_depend_on_what_was_forgotten():
    rng = np.random.default_rng(1)
    clips = rng.standard_normal((9, 60))
    whole, forgetting = OverlapAdd(), OverlapAdd()
    forgetting.forget(1_000_000)  # a stream that begins late takes no room for what was before
    for number, clip in enumerate(clips):
        whole.add(30 * number, clip)
        forgetting.add(1_000_000 + 30 * number, clip)
        kept = max(0, 30 * number - 45)
        forgetting.forget(1_000_000 + kept)
        np.testing.assert_array_equal(forgetting.result(), whole.result()[kept:])
    forgetting.forget(5)  # is forgotten already
    np.testing.assert_array_equal(forgetting.result(), whole.result()[kept:])
    forgetting.forget(2_000_000)
    assert len(forgetting.result()) == 0
    with pytest.raises(ValueError, match="frame 30 is before the first that is kept, 2000000"):
        forgetting.add(30, clips[0])
