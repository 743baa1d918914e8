"""The ways from face frames to a pulse wave: classical formulas, and networks with or without Monte-Carlo dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rppg_graph.data.clips import ClipCutter, clip_tensor
from rppg_graph.data.face import FaceFrame
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.errors import InputError
from rppg_graph.inference.crop_views import VIEWS, seen
from rppg_graph.inference.ensemble import default_ensemble
from rppg_graph.inference.wave_stream import (
    LEAST_SECONDS,
    ClassicalStream,
    JoinedStream,
    NetworkStream,
    RawWave,
    WaveStream,
    joined,
    whole_wave,
)
from rppg_graph.nn.mc_dropout import check_rate, check_samples, dropout_alone, sample
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import detrend
from rppg_graph.pulse.overlap_add import unit_deviation
from rppg_graph.registry import choose

if TYPE_CHECKING:
    from rppg_graph.models.checkpoint import Checkpoint

SAME_RATE = 0.1  # a video whose frame rate is within this of the network's is not resampled
MOST_FPS = 120.0  # of a formula's wave: a header may say 1,000, and a pulse has nothing above 20 Hz


class Method(Protocol):
    """A way from face frames to a pulse wave: a classical formula or a network.

    A method knows the frames that it reads: whoever cuts faces out of a video for it asks for ``crop_size``.
    """

    name: str

    @property
    def crop_size(self) -> int:
        """Side of the face crops in pixels."""

    @property
    def least_seconds(self) -> float:
        """How long an unbroken stretch of face must be for a wave."""

    def stream(self, video_fps: float, step_seconds: float | None = None) -> WaveStream:
        """A wave to be fed frame by frame.

        Args:
            video_fps: frame rate of the video.
            step_seconds: how often new samples are wanted; None: once, at the end, in the cheapest way.
        """

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        """The wave of a stream of face frames."""


@dataclass(frozen=True)
class ClassicalMethod:
    """A formula on the mean colour of the face's skin, without training.

    Args:
        name: of ``pulse.classical.CLASSICAL``.
        skin: take the crop's skin pixels alone, not the whole crop.
    """

    name: str = "pos"
    skin: bool = True

    @property
    def crop_size(self) -> int:
        return SKIN_CROP

    @property
    def least_seconds(self) -> float:
        return LEAST_SECONDS

    def stream(self, video_fps: float, step_seconds: float | None = None) -> ClassicalStream:
        return ClassicalStream(CLASSICAL[self.name], self.skin, min(video_fps, MOST_FPS), step_seconds)

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        return whole_wave(self.stream(video_fps), face_frames)


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
        views: a name of ``views.VIEWS``: the windows of a clip whose waves are averaged, one pass for each.

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
    views: str = "whole"

    def __post_init__(self) -> None:
        choose("views", VIEWS, self.views)
        if self.mc is not None:
            with dropout_alone(self.model, self.mc.rate):
                pass  # refused here, before a video is read

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, mc: MonteCarlo | None = None, views: str = "whole"
    ) -> NetworkMethod:
        """The network of a checkpoint, with the clips and the frame rate it was trained with."""
        from rppg_graph.nn.folding import folded  # brings PyG, three seconds that a formula need not wait

        name, data = checkpoint.config["model"]["name"], checkpoint.config["data"]
        shape = data["clip_frames"], checkpoint.fps, data["crop"]["size"]
        return cls(folded(checkpoint.model), name, *shape, mc=mc, views=views)

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

    @torch.inference_mode()
    def _waves(self, clips: np.ndarray, number: int) -> np.ndarray:
        """Waves (S, B, T) of clips (B, T, H, W, 3); S = 1 without Monte-Carlo dropout. ``number`` counts the calls."""
        height, width = clips.shape[2:4]
        if (height, width) != (self.crop_size, self.crop_size):
            wanted = f"{self.name} was trained on {self.crop_size}: cut the faces at the method's crop_size"
            raise ValueError(f"face crops of {width} × {height} pixels; {wanted}")
        video = clip_tensor(clips).to(next(self.model.parameters()).device)  # (B, 3, T, H, W)
        waves = [self._waves_of(view, number) for view in seen(video, self.views)]
        return waves[0] if len(waves) == 1 else np.mean([unit_deviation(wave) for wave in waves], axis=0)

    def _waves_of(self, video: Tensor, number: int) -> np.ndarray:
        """Waves (S, B, T) of the video (B, 3, T, H, W)."""
        if self.mc is None:
            waves = self.model(video)[None]
        else:
            waves = sample(self.model, video, self.mc.samples, self.mc.rate, 1_000_003 * self.mc.seed + number)
        waves = waves.double().cpu().numpy()
        if self.model.label == "differenced":
            waves = np.apply_along_axis(detrend, 2, np.cumsum(waves, axis=2))
        return waves


@dataclass(frozen=True)
class JoinedMethod:
    """The weighted mean of a network's wave and a formula's of the same crops; the cleaner wave has more weight.

    Their disturbances differ: a network that has learnt weak pulses may be lost in motion where a formula is not, and
    the other way round. See ``pulse.combine.weights``. The network's wave must be in step with the face's colour, as
    that of one trained on generated people is; a finger's pulse comes later.
    """

    network: NetworkMethod
    classical: ClassicalMethod

    @property
    def name(self) -> str:
        return f"{self.network.name} and {self.classical.name}"

    @property
    def crop_size(self) -> int:
        return self.network.crop_size

    @property
    def least_seconds(self) -> float:
        return max(self.network.least_seconds, self.classical.least_seconds)

    def stream(self, video_fps: float, step_seconds: float | None = None) -> JoinedStream:
        """Steps are the network's."""
        network = self.network.stream(video_fps, step_seconds)
        return JoinedStream(network, self.classical.stream(self.network.wave_fps(video_fps)))

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        return whole_wave(self.stream(video_fps), face_frames)

    def with_network_wave(self, raw: RawWave, face_frames: Iterable[FaceFrame]) -> RawWave:
        """`wave` where the network's is known already."""
        return joined(raw, whole_wave(self.classical.stream(raw.fps), face_frames))


@dataclass(frozen=True)
class Reading:
    """How a trained network is read.

    Args:
        views: a name of ``views.VIEWS``.
        beside: classical method whose wave is mixed with the network's; None for the network alone.
        mc: Monte-Carlo dropout; None for one pass without.

    Raises:
        InputError: unknown views or method.
    """

    views: str = "whole"
    beside: str | None = None
    mc: MonteCarlo | None = None

    def __post_init__(self) -> None:
        choose("views", VIEWS, self.views)
        if self.beside is not None:
            choose("classical method", CLASSICAL, self.beside)

    @property
    def dropout_rate(self) -> float | str | None:
        """Of Monte-Carlo dropout; None without."""
        return None if self.mc is None else self.mc.rate

    def of(self, checkpoint: Checkpoint) -> NetworkMethod | JoinedMethod:
        """The method that reads a checkpoint's network so."""
        return self.around(NetworkMethod.from_checkpoint(checkpoint, self.mc, self.views))

    def around(self, network: NetworkMethod) -> NetworkMethod | JoinedMethod:
        """The same of a network that is read with these views and samples."""
        return network if self.beside is None else JoinedMethod(network, ClassicalMethod(self.beside))


DEFAULT = "ensemble"  # of BY_NAME, where nothing is named
BY_NAME: dict[str, Callable[[], Method]] = {
    **{name: partial(ClassicalMethod, name) for name in CLASSICAL},
    "ensemble": default_ensemble,
}
"""Name → method that needs no checkpoint; crops of ``SKIN_CROP`` pixels."""


def network_of(method: Method) -> NetworkMethod | None:
    """The network in a method, to look inside; None if the method has no network."""
    return method.network if isinstance(method, JoinedMethod) else method if isinstance(method, NetworkMethod) else None
