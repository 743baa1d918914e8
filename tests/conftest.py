"""Fixtures that every part of the suite shares."""

import functools
import json
import math
import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# The suite draws the same examples each time; HYPOTHESIS_PROFILE=default searches among others.
settings.register_profile("same", derandomize=True, deadline=None)  # a loaded machine is no failure
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the checkout; tests that need it are skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real recordings (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def disturbed_row(tmp_path_factory):
    """Function from a name of `disturbed_rows.ROWS` to its video and heart rate, None where nothing pulses."""
    from disturbed_rows import write_row  # needs av, which a machine that is lent for its GPU may lack

    folder = tmp_path_factory.mktemp("disturbed")
    return functools.cache(lambda name: write_row(name, folder))


@pytest.fixture(scope="session")
def face_video(tmp_path_factory) -> tuple[Path, float]:
    """A generated face of 13 s at 30 frames a second, little compressed, and its heart rate."""
    from rppg_graph.data.video_writer import write_video
    from rppg_graph.synthetic import generate

    path, recording = tmp_path_factory.mktemp("video") / "face.mp4", generate("easy", seed=5, seconds=13, fps=30)
    write_video(path, recording.camera_frames(), 30, crf=8)
    return path, float(recording.bpm.mean())


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Function from a folder to the bytes of every file in it but an empty claim, by relative path."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".claim")
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


GOLDEN = Path(__file__).resolve().parent / "golden"


def released_parameter(name: str, shape: list[int]) -> torch.Tensor:
    a = np.random.default_rng([1, zlib.crc32(name.encode())]).standard_normal(shape).astype(np.float32)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    if name.endswith("running_var"):
        return torch.tensor(1 + 0.1 * np.abs(a))
    if name.endswith("running_mean"):
        return torch.tensor(0.1 * a)
    if name.endswith("pos_embed"):
        return torch.tensor(0.02 * a)
    if len(shape) == 1:
        return torch.tensor(1 + 0.1 * a if name.endswith("weight") else 0.1 * a)
    scaled = a.astype(np.float64) * math.sqrt(2 / math.prod(shape[1:]))  # rounded to float32 once, after the product
    return torch.tensor(scaled.astype(np.float32))


@pytest.fixture(scope="session")
def released_state():
    """Function from a golden file's name to a released ``state_dict``, float32."""

    def make(name: str) -> dict[str, torch.Tensor]:
        shapes = json.loads((GOLDEN / f"{name}_state_dict_shapes.json").read_text())
        return {key: released_parameter(key, shape) for key, shape in shapes.items()}

    return make


@pytest.fixture(scope="session")
def golden():
    """Function from a golden file's name to its arrays."""
    return lambda name: np.load(GOLDEN / f"{name}.npz")


@pytest.fixture(scope="session")
def golden_clip() -> np.ndarray:
    """The input (2, 3, 160, 64, 64) float32 that the golden numbers of STGNet belong to."""
    rng = np.random.default_rng([1, 777])
    base = rng.uniform(0.2, 0.8, (2, 3, 1, 64, 64))
    pulse = 0.01 * np.sin(2 * np.pi * 1.3 * np.arange(160) / 30).reshape(1, 1, 160, 1, 1)
    pulse = pulse * rng.uniform(0.5, 1.5, (2, 3, 1, 1, 1))
    return (base + pulse + 0.01 * rng.standard_normal((2, 3, 160, 64, 64))).astype(np.float32)
