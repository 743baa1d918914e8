"""A network as a way from face frames to a pulse wave, with or without Monte-Carlo dropout.

Torch is imported where a network is at hand: whoever reads by a formula need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rppg_graph.data.clips import ClipCutter
from rppg_graph.data.face import FaceFrame
from rppg_graph.errors import InputError
from rppg_graph.inference.crop_views import VIEWS, seen
from rppg_graph.inference.wave_stream import NetworkStream, RawWave, whole_wave
from rppg_graph.nn.dropout_rates import check_rate, check_samples
from rppg_graph.pulse.filters import detrend
from rppg_graph.pulse.overlap_add import unit_deviation
from rppg_graph.registry import choose

if TYPE_CHECKING:
    from torch import nn

    from rppg_graph.models.checkpoint import Checkpoint

SAME_RATE = 0.1  # a video whose frame rate is within this of the network's is not resampled


@dataclass(frozen=True)
class MonteCarlo:
    """Monte-Carlo dropout, see ``nn.mc_dropout.sample``: the mean of the samples is the prediction.

    Args:
        samples: S ≥ 2.
        rate: p for every dropout layer, or ``half`` or ``third`` of the rates that the network trained with.
        seed: same seed, same samples.

    Raises:
        InputError: a number of samples, a rate or a seed that is not to be had.
    """

    samples: int = 30
    rate: float | str = "half"
    seed: int = 0

    def __post_init__(self) -> None:
        check_samples(self.samples)
        check_rate(self.rate)
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed={self.seed}: must be a whole number from 0 to {2**32 - 1}")


@dataclass(frozen=True)
class NetworkMethod:
    """A network that maps clips to pulse waves; overlapping clips are added up without a seam.

    Args:
        model: video (B, 3, T, H, W) to (B, T), in eval mode; its ``label`` says whether the output is differenced.
        name: for the result.
        clip_frames: T.
        fps: frame rate that the network was trained at; a video of another one is resampled.
        crop_size: S, the H and W of the clips that the network was trained on.
        batch: clips that run together.
        mc: Monte-Carlo dropout, None for one pass without.
        crop_views: a name of ``views.VIEWS``: the windows of a clip whose waves are averaged, one pass for each.

    Raises:
        InputError: Monte-Carlo dropout for a network that drops nothing, or unknown views.
    """

    model: nn.Module
    name: str
    clip_frames: int
    fps: float
    crop_size: int
    batch: int = 4
    mc: MonteCarlo | None = None
    crop_views: str = "whole"

    def __post_init__(self) -> None:
        choose("views", VIEWS, self.crop_views)
        if self.mc is not None:
            from rppg_graph.nn.mc_dropout import dropout_alone

            with dropout_alone(self.model, self.mc.rate):
                pass  # refused here, before a video is read

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, mc: MonteCarlo | None = None, crop_views: str = "whole"
    ) -> NetworkMethod:
        """The network of a checkpoint, with the clips and the frame rate it was trained with."""
        from rppg_graph.nn.folding import folded

        name, data = checkpoint.config["model"]["name"], checkpoint.config["data"]
        shape = data["clip_frames"], checkpoint.fps, data["crop"]["size"]
        return cls(folded(checkpoint.model), name, *shape, mc=mc, crop_views=crop_views)

    @property
    def least_seconds(self) -> float:
        return self.clip_frames / self.fps

    def wave_fps(self, video_fps: float) -> float:
        """Frame rate of the wave of a video: its own where the network can take it, else the network's."""
        return video_fps if abs(video_fps / self.fps - 1) < SAME_RATE else self.fps

    def stream(self, video_fps: float, step_seconds: float | None = None) -> NetworkStream:
        """Clips overlap by half and run in batches; with ``step_seconds``, one begins, and runs, every so often."""
        fps = self.wave_fps(video_fps)
        live = step_seconds is not None
        stride = max(1, round(step_seconds * fps)) if live else self.clip_frames // 2
        cutter = ClipCutter(fps, self.clip_frames, stride)
        return NetworkStream(self._waves, cutter, 1 if live else self.batch, 0 if self.mc is None else self.mc.samples)

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        return whole_wave(self.stream(video_fps), face_frames)

    def _waves(self, clips: np.ndarray, number: int) -> np.ndarray:
        """Waves (S, B, T) of clips (B, T, H, W, 3); S = 1 without Monte-Carlo dropout. ``number`` counts the calls."""
        height, width = clips.shape[2:4]
        if (height, width) != (self.crop_size, self.crop_size):
            wanted = f"{self.name} was trained on {self.crop_size}: cut the faces at the method's crop_size"
            raise ValueError(f"face crops of {width} × {height} pixels; {wanted}")
        import torch

        from rppg_graph.data.clip_dataset import clip_tensor
        from rppg_graph.nn.mc_dropout import sample

        waves = []
        with torch.inference_mode():
            video = clip_tensor(clips).to(next(self.model.parameters()).device)  # (B, 3, T, H, W)
            for view in seen(video, self.crop_views):
                if self.mc is None:
                    wave = self.model(view)[None]  # (S, B, T)
                else:
                    wave = sample(self.model, view, self.mc.samples, self.mc.rate, 1_000_003 * self.mc.seed + number)
                wave = wave.double().cpu().numpy()
                if self.model.label == "differenced":
                    wave = np.apply_along_axis(detrend, 2, np.cumsum(wave, axis=2))
                waves.append(wave)
        return waves[0] if len(waves) == 1 else np.mean([unit_deviation(wave) for wave in waves], axis=0)
