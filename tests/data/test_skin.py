"""Skin pixels of a face crop."""

import cv2
import numpy as np
import pytest

from rppg_graph.data.skin import mean_rgb, skin_mask

LIGHT, BROWN, DARK, DIM_DARK = (220, 175, 150), (150, 100, 75), (85, 55, 42), (44, 30, 25)


def drawn_face(skin, background) -> np.ndarray:
    """RGB uint8 (64, 64, 3): an oval of skin with hair above and two eyes, before a background, with sensor noise."""
    hair = tuple(int(0.2 * max(skin)) for _ in range(3))
    picture = np.full((64, 64, 3), background, np.uint8)
    cv2.ellipse(picture, (32, 34), (22, 28), 0, 0, 360, skin, -1)
    picture[:12] = hair
    for x in (23, 41):
        cv2.circle(picture, (x, 28), 3, hair, -1)
    noisy = picture + np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(noisy, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("skin", [LIGHT, BROWN, DARK, DIM_DARK])
@pytest.mark.parametrize("background", [(60, 160, 150), (240, 240, 245), (30, 40, 90)])
def test_mean_is_that_of_the_skin_for_every_tone(skin, background):
    np.testing.assert_allclose(mean_rgb(drawn_face(skin, background)), skin, atol=2.5)


@pytest.mark.parametrize("skin", [LIGHT, BROWN, DARK])
def test_mask_is_the_skin(skin):
    clean = np.zeros((64, 64, 3), np.uint8)
    cv2.ellipse(clean, (32, 34), (22, 28), 0, 0, 360, (1, 1, 1), -1)
    clean[:12] = 0
    truth, found = clean[..., 0] > 0, skin_mask(drawn_face(skin, (60, 160, 150))) > 0
    assert (truth & found).sum() / (truth | found).sum() > 0.85


def test_all_pixels_on_request():
    crop = drawn_face(LIGHT, (60, 160, 150))
    np.testing.assert_allclose(mean_rgb(crop, skin=False), crop.reshape(-1, 3).mean(axis=0))


def test_all_pixels_where_too_few_are_skin():
    crop = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)  # no colour is that of its middle
    np.testing.assert_allclose(mean_rgb(crop), crop.reshape(-1, 3).mean(axis=0))


def test_a_change_of_the_skin_shows_in_full():
    crop = drawn_face(BROWN, (60, 160, 150))
    mask = skin_mask(crop) > 0
    pulsed = crop.copy()
    pulsed[mask] += np.array([1, 2, 1], np.uint8)
    np.testing.assert_allclose(mean_rgb(pulsed) - mean_rgb(crop), (1, 2, 1), atol=0.3)


@pytest.mark.parametrize("size", [16, 36, 64, 72, 128])
def test_any_size(size):
    crop = cv2.resize(drawn_face(LIGHT, (60, 160, 150)), (size, size), interpolation=cv2.INTER_AREA)
    mean = mean_rgb(crop)
    assert mean.dtype == np.float64
    np.testing.assert_allclose(mean, LIGHT, atol=8)
