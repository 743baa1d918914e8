"""Face frames of one colour whose pulse is known, and a network that reads it."""

import time

import numpy as np
import torch

from rppg_graph.data.face import FaceFrame

FPS = 30.0


class Green(torch.nn.Module):
    """A network of one weight: ``scale`` times the mean green of every frame; it takes ``seconds`` for it."""

    label = "wave"

    def __init__(self, scale: float = -1.0, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds, self.scale = seconds, torch.nn.Parameter(torch.tensor(scale))

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return self.scale * video[:, 1].mean(dim=(2, 3))


def faces_of(colours: np.ndarray, fps: float = FPS, hole: slice = slice(0)) -> list[FaceFrame]:
    """Crops of 8 × 8 pixels, each of one colour of (T, 3), without a face in the hole."""
    crops = np.broadcast_to(colours.round().clip(1, 255).astype(np.uint8)[:, None, None], (len(colours), 8, 8, 3))
    lost = set(range(*hole.indices(len(colours))))
    return [FaceFrame(i / fps, *((None, None, False) if i in lost else (crop, (0, 0, 8, 8), True)))
            for i, crop in enumerate(crops)]  # fmt: skip


def noisy_faces(
    seconds: float, bpm: float = 72.0, fps: float = FPS, start: float = 0.0, size: int = 16
) -> list[FaceFrame]:
    """Crops of skin that darkens with each beat, and a camera's noise."""
    rng, made = np.random.default_rng(0), []
    for t in start + np.arange(round(seconds * fps)) / fps:
        colour = np.array([150, 110, 90]) * (1 - np.array([0.005, 0.015, 0.008]) * np.sin(2 * np.pi * bpm / 60 * t))
        crop = np.clip(colour + rng.normal(0, 3, (size, size, 3)), 1, 255).round().astype(np.uint8)
        made.append(FaceFrame(float(t), crop, None, True))
    return made
