"""Backgrounds: a wall with blurred things on it."""

from __future__ import annotations

import cv2
import numpy as np


def backdrop(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Linear albedo of a wall, a window or shelves, out of focus: (H, W, 3) float32."""
    height, width = size
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    wall = rng.uniform(0.08, 0.6) * (1 + 0.08 * rng.standard_normal(3))
    picture = wall * (1 + 0.3 * rng.uniform(-1, 1) * across + 0.3 * rng.uniform(-1, 1) * down)[..., None]
    for _ in range(rng.integers(0, 14)):
        x, y = int(rng.uniform(-0.2, 1) * width), int(rng.uniform(-0.2, 1) * height)
        w, h = int(rng.uniform(0.05, 0.4) * width), int(rng.uniform(0.1, 0.8) * height)
        colour = np.clip(rng.uniform(0.02, 0.8) * (1 + 0.15 * rng.standard_normal(3)), 0.01, 0.95)
        picture[max(y, 0) : y + h, max(x, 0) : x + w] = colour
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), rng.uniform(0.004, 0.03) * width)
    grain = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.0)
    return np.clip(picture * (1 + 0.06 * grain[..., None]), 0.005, 1).astype(np.float32)
