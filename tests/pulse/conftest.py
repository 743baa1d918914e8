"""Waves that the tests of the pulse part share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


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
