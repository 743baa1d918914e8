"""The ways from face frames to a pulse wave: classical formulas, and networks with or without Monte-Carlo dropout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from rppg_graph.data.clips import MAX_GAP_SECONDS, clip_tensor, cut_clips
from rppg_graph.data.face import FaceFrame
from rppg_graph.data.skin import mean_rgb
from rppg_graph.errors import InputError
from rppg_graph.nn.folding import folded
from rppg_graph.nn.mc_dropout import check_rate, check_samples, dropout_alone, sample
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import detrend, resample
from rppg_graph.pulse.overlap_add import HannMean, OverlapAdd

if TYPE_CHECKING:
    from rppg_graph.checkpoint import Checkpoint

SAME_RATE = 0.1  # a video whose frame rate is within this of the network's is not resampled
SKIN_CROP = 128  # pixels of a classical method's crops: skin is told from hair and beard more finely than at 64
LEAST_SECONDS = 5.0  # of face that a classical method needs for a heart rate


@dataclass(frozen=True)
class RawWave:
    """What a method makes of a video.

    Args:
        bvp: (T,) on the grid ``seconds = index / fps``, NaN where there is no face.
        fps: of the grid.
        samples: (S, T) the same by each Monte-Carlo sample; None without Monte-Carlo dropout.
        variance: (T,) unbiased, over the samples of every clip, where ``bvp`` has a deviation of 1; None likewise.
    """

    bvp: np.ndarray
    fps: float
    samples: np.ndarray | None = None
    variance: np.ndarray | None = None


class Method(Protocol):
    """A way from face frames to a pulse wave: a classical formula or a network."""

    name: str

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

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        trace = [(f.seconds, mean_rgb(f.crop, self.skin)) for f in face_frames if f.crop is not None]
        if not trace:
            return RawWave(np.empty(0), video_fps)
        seconds = np.array([t for t, _ in trace])
        rgb = np.stack([colour for _, colour in trace])  # (F, 3)
        bvp = np.full(round(seconds[-1] * video_fps) + 1, np.nan)
        for part in _runs_in_time(seconds):
            if seconds[part][-1] - seconds[part][0] >= LEAST_SECONDS:
                grid, colours = resample(seconds[part], rgb[part], video_fps)
                first = round(grid[0] * video_fps)
                wave = CLASSICAL[self.name](colours, video_fps)
                bvp[first : first + len(wave)] = wave[: len(bvp) - first]
        return RawWave(bvp, video_fps)


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
        batch: clips that run together.
        mc: Monte-Carlo dropout, None for one pass without.

    Raises:
        InputError: Monte-Carlo dropout for a network that drops nothing.
    """

    model: nn.Module
    name: str
    clip_frames: int
    fps: float
    batch: int = 4
    mc: MonteCarlo | None = None

    def __post_init__(self) -> None:
        if self.mc is not None:
            with dropout_alone(self.model, self.mc.rate):
                pass  # refused here, before a video is read

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, mc: MonteCarlo | None = None) -> NetworkMethod:
        """The network of a checkpoint, with the clip length and frame rate it was trained with."""
        config = checkpoint.config
        name, clip_frames = config["model"]["name"], config["data"]["clip_frames"]
        return cls(folded(checkpoint.model), name, clip_frames, checkpoint.fps, mc=mc)

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        fps = video_fps if abs(video_fps / self.fps - 1) < SAME_RATE else self.fps
        clips = cut_clips(face_frames, fps, self.clip_frames, self.clip_frames // 2)
        merged = _Merged(0 if self.mc is None else self.mc.samples)
        for number, group in enumerate(_grouped(clips, self.batch)):
            waves = self._waves(np.stack([clip.video for clip in group]), number)
            for clip, clip_waves in zip(group, np.swapaxes(waves, 0, 1), strict=True):
                merged.add(clip.start, clip_waves)
        return merged.result(fps)

    @torch.inference_mode()
    def _waves(self, clips: np.ndarray, number: int) -> np.ndarray:
        """Waves (S, B, T) of clips (B, T, S, S, 3); S = 1 without Monte-Carlo dropout. ``number`` counts the calls."""
        video = clip_tensor(clips).to(next(self.model.parameters()).device)  # (B, 3, T, S, S)
        if self.mc is None:
            waves = self.model(video)[None]
        else:
            waves = sample(self.model, video, self.mc.samples, self.mc.rate, 1_000_003 * self.mc.seed + number)
        waves = waves.double().cpu().numpy()
        if self.model.label == "differenced":
            waves = np.apply_along_axis(detrend, 2, np.cumsum(waves, axis=2))
        return waves


class _Merged:
    """The waves of overlapping clips in one: their mean, and with Monte-Carlo samples each sample and the variance."""

    def __init__(self, samples: int) -> None:
        self.mean, self.variance = OverlapAdd(), HannMean()
        self.samples = [OverlapAdd() for _ in range(samples)]

    def add(self, start: int, waves: np.ndarray) -> None:
        """Add the waves (S, T) of one clip."""
        mean = waves.mean(axis=0)
        self.mean.add(start, mean)
        if not self.samples:
            return
        for merged, wave in zip(self.samples, waves, strict=True):
            merged.add(start, wave)
        scale = max(mean.var(), np.finfo(float).tiny)  # the merged wave has a deviation of 1
        self.variance.add(start, waves.var(axis=0, ddof=1) / scale)

    def result(self, fps: float) -> RawWave:
        if not self.samples:
            return RawWave(self.mean.result(), fps)
        samples = np.stack([merged.result() for merged in self.samples])  # (S, T)
        return RawWave(self.mean.result(), fps, samples, self.variance.result())


def _runs_in_time(seconds: np.ndarray) -> Iterator[slice]:
    """Runs of timestamps without a hole of more than ``MAX_GAP_SECONDS``."""
    cuts = np.flatnonzero(np.diff(seconds) > MAX_GAP_SECONDS) + 1
    bounds = [0, *cuts.tolist(), len(seconds)]
    return (slice(a, b) for a, b in pairwise(bounds))


def _grouped(items: Iterable, size: int) -> Iterator[list]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
