"""Real files with a face in them, made from the portrait that scikit-image ships (public domain)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from rppg_graph.data.video import write_video


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


@pytest.fixture(scope="session")
def frames() -> list[np.ndarray]:
    """Sixty RGB uint8 (48, 64, 3) frames: smooth in space, each of another brightness."""
    rng = np.random.default_rng(5)
    texture = cv2.resize(rng.uniform(0, 40, (6, 8, 3)), (64, 48), interpolation=cv2.INTER_CUBIC)
    return [np.clip(texture + 3 * number + 20, 0, 255).astype(np.uint8) for number in range(60)]


@pytest.fixture
def videos(tmp_path, moving_portrait) -> list[Path]:
    """Three videos of a face, 40 frames at 25 fps each; the names are not the simplest."""
    folder = tmp_path / "raw"
    folder.mkdir()
    names = ("subject 1", "müller/2".replace("/", "-"), "s3")
    return [
        write_video(folder / f"{name}.avi", moving_portrait(40, seed), 25.0, codec="mjpeg")
        for seed, name in enumerate(names)
    ]
