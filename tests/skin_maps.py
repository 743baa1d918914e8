"""Where the pulse of a synthetic recording is: drawn by its own renderer, with the strength in place of the colours."""

from collections.abc import Iterator

import numpy as np

from rppg_graph.synthetic import SyntheticRecording
from rppg_graph.synthetic.render import ALBEDO, ALPHA, LID, STRENGTH, render

FAINTEST = 0.02  # of pulse strength; the open mouth is drawn with less


def skin_maps(recording: SyntheticRecording) -> Iterator[np.ndarray]:
    """Where the pulse is in each frame, and how strong: (H, W) float32, 0 where there is no bare skin."""
    texture = np.zeros_like(recording._head.texture)
    texture[..., ALPHA], texture[..., LID] = recording._head.texture[..., ALPHA], recording._head.texture[..., LID]
    texture[..., ALBEDO : ALBEDO + 3] = recording._head.texture[..., STRENGTH : STRENGTH + 1]
    dark = np.zeros_like(recording._background)
    out = np.empty((*recording._size, 3), np.float32)
    for frame in range(len(recording.seconds)):
        instant = recording._scene.instant(frame)
        still = instant._replace(ambient=np.ones(3), lights=instant.lights * 0, absorption=instant.absorption * 0)
        still = still._replace(shadow=instant.shadow * (1, 1, 1, 1, 0))
        window = np.array([0.0, 0.0, 1.0, 1.0])
        head, width = recording._head, recording._size[1]
        render(texture, head.depth, head.layout, np.zeros(3), dark, still, window, width, out)
        yield np.where(out[..., 1] < FAINTEST, 0.0, out[..., 1])
