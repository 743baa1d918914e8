"""The ways from face frames to a pulse wave: classical formulas, and networks with or without Monte-Carlo dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rppg_graph.data.face import FaceFrame
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.inference.crop_views import VIEWS
from rppg_graph.inference.ensemble import default_ensemble
from rppg_graph.inference.network_method import MonteCarlo, NetworkMethod
from rppg_graph.inference.raw_wave import LEAST_SECONDS, RawWave, joined
from rppg_graph.inference.wave_stream import ClassicalStream, JoinedStream, WaveStream, whole_wave
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.registry import choose

if TYPE_CHECKING:
    from rppg_graph.models.checkpoint import Checkpoint

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
class InferenceOptions:
    """How a trained network is read.

    Args:
        crop_views: a name of ``views.VIEWS``.
        ensemble_with: classical method whose wave is mixed with the network's; None for the network alone.
        mc: Monte-Carlo dropout; None for one pass without.

    Raises:
        InputError: unknown views or method.
    """

    crop_views: str = "whole"
    ensemble_with: str | None = None
    mc: MonteCarlo | None = None

    def __post_init__(self) -> None:
        choose("views", VIEWS, self.crop_views)
        if self.ensemble_with is not None:
            choose("classical method", CLASSICAL, self.ensemble_with)

    @property
    def dropout_rate(self) -> float | str | None:
        """Of Monte-Carlo dropout; None without."""
        return None if self.mc is None else self.mc.rate

    def of(self, checkpoint: Checkpoint) -> NetworkMethod | JoinedMethod:
        """The method that reads a checkpoint's network so."""
        return self.around(NetworkMethod.from_checkpoint(checkpoint, self.mc, self.crop_views))

    def around(self, network: NetworkMethod) -> NetworkMethod | JoinedMethod:
        """The same of a network that is read with these views and samples."""
        return network if self.ensemble_with is None else JoinedMethod(network, ClassicalMethod(self.ensemble_with))


DEFAULT = "ensemble"  # of BY_NAME, where nothing is named
BY_NAME: dict[str, Callable[[], Method]] = {
    **{name: partial(ClassicalMethod, name) for name in CLASSICAL},
    "ensemble": default_ensemble,
}
"""Name → method that needs no checkpoint; crops of ``SKIN_CROP`` pixels."""


def network_of(method: Method) -> NetworkMethod | None:
    """The network in a method, to look inside; None if the method has no network."""
    return method.network if isinstance(method, JoinedMethod) else method if isinstance(method, NetworkMethod) else None
