"""A network of one weight that Monte-Carlo dropout can sample."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rppg_graph.nn.drop_path import DropPath


class Sampled(nn.Module):
    """``weight · read(video)`` (B, T); a sample adds 0 or twice that to it."""

    label = "wave"

    def __init__(self, weight: float, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.read, self.drop = nn.Parameter(torch.tensor(weight)), read, DropPath(0.5)

    def forward(self, video: Tensor) -> Tensor:
        return self.after_dropout(self.before_dropout(video), frames=video.shape[2])

    def before_dropout(self, video: Tensor) -> Tensor:
        return self.weight * self.read(video)

    def after_dropout(self, wave: Tensor, frames: int) -> Tensor:
        return wave + self.drop(wave)
