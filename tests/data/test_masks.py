import numpy as np
import pytest

from rppg_graph.data.masks import MASKS, STEADY_SECONDS, MaskedMean
from rppg_graph.data.skin import mean_rgb, skin_or_all

SIZE = 16


def film(frames: int, fps: float = 16.0, seed: int = 0) -> list[tuple[float, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    crops = rng.integers(1, 255, (frames, SIZE, SIZE, 3), dtype=np.uint8)
    skin = np.where(rng.random((frames, SIZE, SIZE)) < 0.4, 255, 0).astype(np.uint8)
    return [(i / fps, crop, mask) for i, (crop, mask) in enumerate(zip(crops, skin, strict=True))]


def streamed(name: str, frames) -> np.ndarray:
    mask = MASKS[name]()
    certain = [colour for frame in frames for colour in mask.push(*frame)]
    return np.array(certain + mask.finish())


def by_hand(reach: float, frames) -> np.ndarray:
    seconds = np.array([at for at, _, _ in frames])
    masks = np.array([mask > 0 for *_, mask in frames], np.float64)
    colours = []
    for at, crop, _ in frames:
        share = masks[np.abs(seconds - at) <= reach].mean(axis=0)
        colours.append((share[..., None] * crop).sum(axis=(0, 1)) / share.sum())
    return np.array(colours)


@pytest.mark.parametrize(("name", "reach"), [("skin", 0.0), ("steady", STEADY_SECONDS)])
def test_the_colour_is_the_mean_of_pixels_weighted_by_how_often_they_were_skin(name, reach):
    frames = film(160)
    np.testing.assert_allclose(streamed(name, frames), by_hand(reach, frames), rtol=2e-6)


def test_the_whole_crop_counts_every_pixel_alike():
    frames = film(5)
    means = [crop.reshape(-1, 3).mean(axis=0) for _, crop, _ in frames]
    np.testing.assert_allclose(streamed("whole", frames), means, rtol=1e-6)


def test_a_steady_mask_does_not_flicker_where_the_frames_own_does():
    """Half of a still picture is bright; each frame's mask takes another part of it, as a codec's noise makes it do."""
    picture = np.full((SIZE, SIZE, 3), 80, np.uint8)
    picture[:, SIZE // 2 :] = 160
    frames = [(at, picture, mask) for at, _, mask in film(200)]
    own, steady = streamed("skin", frames)[50:150], streamed("steady", frames)[50:150]
    assert steady.std() < 0.1 * own.std()


def test_a_colour_is_certain_once_a_later_frame_is_out_of_reach_and_waits_until_then():
    mask, frames = MASKS["steady"](), film(42)
    given = [len(mask.push(*frame)) for frame in frames]
    assert given == [0] * 41 + [1]  # 2.5 s at 16 fps are 40 frames, and the one at their end still counts
    assert len(mask.waiting()) == 41
    np.testing.assert_allclose(mask.waiting(), by_hand(STEADY_SECONDS, frames)[1:], rtol=2e-6)
    assert len(mask.waiting()) == 41  # asking changes nothing
    assert len(mask.finish()) == 41
    assert not mask.waiting()


def test_memory_does_not_grow_with_the_film():
    mask = MaskedMean(STEADY_SECONDS)
    for frame in film(400):
        mask.push(*frame)
    assert len(mask._crops) == 41
    assert len(mask._masks) <= 82


def test_too_little_skin_is_the_whole_crop():
    crop = np.random.default_rng(1).integers(1, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    assert skin_or_all(crop).all()
    np.testing.assert_allclose(mean_rgb(crop), crop.reshape(-1, 3).mean(axis=0))
