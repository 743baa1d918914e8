"""Waves that the tests of the pulse part share."""

from pathlib import Path

import numpy as np
import pytest

from rppg_graph.data.traces import GRID, FaceTraces


@pytest.fixture(scope="session")
def sine():
    """Make a sine: sine(bpm, fps, seconds, phase) → (T,)."""

    def make(bpm: float, fps: float, seconds: float, phase: float = 0.3) -> np.ndarray:
        return np.sin(2 * np.pi * bpm / 60 * np.arange(round(seconds * fps)) / fps + phase)

    return make


@pytest.fixture(scope="session")
def synthetic_outputs() -> Path:
    """Six synthetic recordings, whole or in chunks of 90 frames, frame-differenced, as other projects save theirs."""
    return Path(__file__).with_name("synthetic_outputs.npz")


@pytest.fixture(scope="session")
def face():
    """Make traces whose truth is known: a pulse in blood's colour, a lamp, a head that swings, key frames, noise."""

    def make(
        bpm: float | None = 72.0,
        *,
        seconds: float = 20.0,
        fps: float = 30.0,
        pulse: float = 0.004,
        lamp: float = 0.0,
        lamp_bpm: float = 96.0,
        lamp_delay: float = 0.0,
        lit_wall: bool = True,
        swing: float = 0.0,
        swing_bpm: float = 90.0,
        period: int | None = None,
        jump: float = 0.0,
        noise: float = 0.05,
        brightness: float = 1.0,
        seed: int = 0,
    ) -> FaceTraces:
        rng = np.random.default_rng(seed)
        at = np.arange(round(seconds * fps)) / fps
        patches, wall = np.ones((len(at), GRID**2, 3)), np.ones((len(at), 20, 3))
        if bpm is not None:
            depth = pulse * np.sin(2 * np.pi * bpm / 60 * at)
            patches -= depth[:, None, None] * (np.array([0.33, 0.78, 0.53]) / 0.78)
        patches += lamp * np.sin(2 * np.pi * lamp_bpm / 60 * (at - lamp_delay))[:, None, None]
        if lit_wall:
            wall += lamp * np.sin(2 * np.pi * lamp_bpm / 60 * at)[:, None, None]
        moved = swing * np.sin(2 * np.pi * swing_bpm / 60 * at)  # shares of the box
        slopes = rng.standard_normal(GRID**2)  # of the brightness over the face: both signs
        patches += (moved[:, None] * slopes)[:, :, None] * (1 + 0.2 * rng.standard_normal((GRID**2, 3)))
        keys = np.zeros(len(at), dtype=bool)
        keys[:: period or len(at)] = True
        fall = np.exp(-(np.arange(len(at)) % (period or len(at))) / 3)
        patches += jump * fall[:, None, None] * rng.standard_normal((GRID**2, 3))
        patches += jump * fall[:, None, None] * np.array([1.0, 0.2, -0.5])
        colours = np.array([170.0, 120.0, 100.0]) * patches + noise * rng.standard_normal(patches.shape)
        walls = np.array([90.0, 100.0, 110.0]) * wall + noise * rng.standard_normal(wall.shape)
        boxes = np.full((len(at), 4), 100.0)
        boxes[:, 1] += 100 * moved
        boxes[:, :2] += 0.02 * rng.standard_normal((len(at), 2))
        skin = colours.mean(axis=1)
        scaled = (brightness * values.astype(np.float64) for values in (skin, colours, walls))
        skin, colours, walls = scaled
        return FaceTraces(at, {"skin": skin}, colours, walls, boxes, keys)

    return make
