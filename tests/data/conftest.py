"""Real files with a face in them, made from the portrait that scikit-image ships (public domain)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """RGB uint8 (240, 320, 3); the face is about 60 pixels wide, its nose at about x = 139, y = 78."""
    return cv2.resize(skimage.data.astronaut()[:384], (320, 240), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def faceless() -> np.ndarray:
    """RGB uint8 (240, 320, 3) without a face: a photograph of a rocket."""
    return cv2.resize(skimage.data.rocket(), (320, 240), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def moving_portrait(portrait) -> Callable[..., Iterator[np.ndarray]]:
    """Frames in which the portrait sways by up to `reach` pixels, differently for each seed."""

    def frames(count: int, seed: int = 0, reach: float = 6.0) -> Iterator[np.ndarray]:
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
        for number in range(count):
            x, y = reach * np.sin(2 * np.pi * number / 50 + phase)
            shift = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
            yield cv2.warpAffine(portrait, shift, (320, 240), borderMode=cv2.BORDER_REPLICATE)

    return frames
