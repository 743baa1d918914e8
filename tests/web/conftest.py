from pathlib import Path

import numpy as np
import pytest
from live_page import Browser, person, write_y4m


@pytest.fixture(scope="session")
def face_frames() -> list[np.ndarray]:
    """A generated face of 72 bpm: 20 s, 30 frames a second."""
    return person(5, 72.0, 20.0, 30.0)


@pytest.fixture(scope="session")
def face_y4m(face_frames, tmp_path_factory) -> Path:
    return write_y4m(tmp_path_factory.mktemp("camera") / "face.y4m", face_frames)


@pytest.fixture
def browser(tmp_path):
    """Start a browser with arguments of ``Browser``; it ends with the test."""
    open_ones = []

    def start(**options) -> Browser:
        open_ones.append(Browser(tmp_path / f"browser{len(open_ones)}", **options))
        return open_ones[-1]

    yield start
    for each in open_ones:
        each.close()
