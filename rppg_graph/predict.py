"""From a video, or face crops, to a pulse wave and a heart rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from rppg_graph.data.clips import MAX_GAP_SECONDS, clip_tensor, cut_clips
from rppg_graph.data.face import FaceCropper, FaceFrame
from rppg_graph.data.skin import mean_rgb
from rppg_graph.data.video import probe, read_video
from rppg_graph.errors import InputError
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import detrend, resample
from rppg_graph.pulse.heart_rate import HeartRate, HeartRateTrack, heart_rate, heart_rate_track
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.overlap_add import OverlapAdd
from rppg_graph.pulse.protocols import prepare_native

if TYPE_CHECKING:
    from rppg_graph.checkpoint import Checkpoint
    from rppg_graph.data.cache import CachedRecording

SAME_RATE = 0.1  # a video whose frame rate is within this of the network's is not resampled
LEAST_SECONDS = 5.0  # of face that a classical method needs for a heart rate


class Method(Protocol):
    """A way from face frames to a pulse wave: a classical formula or a network."""

    name: str

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> tuple[np.ndarray, float]:
        """BVP (T,) on the grid ``seconds = index / fps``, NaN where there is no face, and that fps."""


@dataclass(frozen=True)
class ClassicalMethod:
    """A formula on the mean colour of the face's skin, without training.

    Args:
        name: of ``pulse.classical.CLASSICAL``.
        skin: take the crop's skin pixels alone, not the whole crop.
    """

    name: str = "pos"
    skin: bool = True

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> tuple[np.ndarray, float]:
        trace = [(f.seconds, mean_rgb(f.crop, self.skin)) for f in face_frames if f.crop is not None]
        if not trace:
            return np.empty(0), video_fps
        seconds = np.array([t for t, _ in trace])
        rgb = np.stack([colour for _, colour in trace])  # (F, 3)
        bvp = np.full(round(seconds[-1] * video_fps) + 1, np.nan)
        for part in _runs_in_time(seconds):
            if seconds[part][-1] - seconds[part][0] >= LEAST_SECONDS:
                grid, colours = resample(seconds[part], rgb[part], video_fps)
                first = round(grid[0] * video_fps)
                wave = CLASSICAL[self.name](colours, video_fps)
                bvp[first : first + len(wave)] = wave[: len(bvp) - first]
        return bvp, video_fps


@dataclass(frozen=True)
class NetworkMethod:
    """A network that maps clips to pulse waves; overlapping clips are added up without a seam.

    Args:
        model: video (B, 3, T, H, W) to (B, T), in eval mode; its ``label`` says whether the output is differenced.
        name: for the result.
        clip_frames: T.
        fps: frame rate that the network was trained at; a video of another one is resampled.
        batch: clips that run together.
    """

    model: nn.Module
    name: str
    clip_frames: int
    fps: float
    batch: int = 4

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> NetworkMethod:
        """The network of a checkpoint, with the clip length and frame rate it was trained with."""
        config = checkpoint.config
        return cls(checkpoint.model, config["model"]["name"], config["data"]["clip_frames"], checkpoint.fps)

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> tuple[np.ndarray, float]:
        fps = video_fps if abs(video_fps / self.fps - 1) < SAME_RATE else self.fps
        total = OverlapAdd()
        for starts, waves in self._clip_waves(cut_clips(face_frames, fps, self.clip_frames, self.clip_frames // 2)):
            for start, wave in zip(starts, waves, strict=True):
                total.add(start, wave)
        return total.result(), fps

    @torch.inference_mode()
    def _clip_waves(self, clips: Iterable) -> Iterator[tuple[list[int], np.ndarray]]:
        for group in _grouped(clips, self.batch):
            video = clip_tensor(np.stack([clip.video for clip in group]))  # (B, 3, T, S, S)
            waves = self.model(video.to(next(self.model.parameters()).device)).double().cpu().numpy()
            if self.model.label == "differenced":
                waves = np.stack([detrend(wave) for wave in np.cumsum(waves, axis=1)])
            yield [clip.start for clip in group], waves


@dataclass(frozen=True)
class Prediction:
    """What a video's pulse came out as.

    Args:
        method: name of the network or of the classical method.
        fps: of the wave.
        bvp: (T,) filtered, on the grid ``index / fps`` seconds, NaN where there is no face.
        rate: heart rate of the whole video with its quality, or the reason why there is none.
        track: heart rate of ten-second windows.
        frames, frames_with_face: of the video.
    """

    method: str
    fps: float
    bvp: np.ndarray
    rate: HeartRate
    track: HeartRateTrack
    frames: int
    frames_with_face: int

    @property
    def seconds(self) -> np.ndarray:
        """(T,) times of the wave's samples."""
        return np.arange(len(self.bvp)) / self.fps


def predict_video(
    path: Path, method: Method, *, size: int = 64, detector: str = "ultra-light", policy: str = "fail"
) -> Prediction:
    """The pulse of the face in a video, streamed: memory does not grow with its length.

    Args:
        path: a video file.
        method: a classical method or a network.
        size, detector, policy: how the face is cut out, see ``data.face.FaceCropper``.

    Raises:
        InputError: not a usable video, no face (or in too few frames), shorter than the method needs.
    """
    info = probe(path)
    cropper = FaceCropper(size=size, detector=detector, policy=policy)
    tally = Tally()
    with tqdm(read_video(path), total=info.frames, desc=Path(path).name, unit="frame", leave=False) as frames:
        bvp, fps = method.wave(tally.count(cropper.crops(frames, str(path))), info.fps)
    return summarise(method.name, bvp, fps, tally, str(path))


class Tally:
    """Counts frames, and those with a detected face, as they stream by."""

    def __init__(self) -> None:
        self.frames = self.frames_with_face = 0
        self.seconds = 0.0

    def count(self, face_frames: Iterable[FaceFrame]) -> Iterator[FaceFrame]:
        """The same frames."""
        for frame in face_frames:
            self.frames += 1
            self.frames_with_face += frame.detected
            self.seconds = frame.seconds
            yield frame


def summarise(method: str, bvp: np.ndarray, fps: float, tally: Tally, source: str) -> Prediction:
    """Filter a raw wave and read heart rate, track and quality from it.

    Raises:
        InputError: no stretch with a face is long enough for the method.
    """
    if not np.isfinite(bvp).any():
        raise InputError(
            f"{source}: {tally.seconds:.1f} s with a face in {tally.frames_with_face} of {tally.frames} frames are too "
            f"short for {method}; it needs an unbroken stretch of face, so film for longer or hold the head stiller"
        )
    wave = np.full_like(bvp, np.nan)
    for part in finite_runs(bvp):
        wave[part] = prepare_native(bvp[part], fps)
    rate = heart_rate(np.nan_to_num(wave), fps)  # zeros add no power
    tracks = [heart_rate_track(wave[part], fps) for part in finite_runs(wave)]
    track = HeartRateTrack(
        *(np.concatenate([getattr(t, name) for t in tracks]) for name in HeartRateTrack.__dataclass_fields__)
    )
    return Prediction(method, fps, wave, rate, track, tally.frames, tally.frames_with_face)


def recording_wave(recording: CachedRecording, method: Method) -> Wave:
    """A method's raw wave of a cached recording beside its reference, on the longest stretch that has both.

    Raises:
        InputError: there is no such stretch.
    """
    faces = zip(recording.seconds, recording.frames, recording.face, strict=True)
    frames = (FaceFrame(float(t), crop if face else None, None, bool(face)) for t, crop, face in faces)
    bvp, fps = method.wave(frames, recording.fps)
    seconds = np.arange(len(bvp)) / fps
    label, label_bpm = (_on_grid(seconds, recording.seconds, values) for values in (recording.pulse, recording.bpm))
    both = bvp if label is None else bvp + label
    runs = finite_runs(both)
    if not runs:
        raise InputError(
            f"{recording.name}: no stretch has both a wave by {method.name} and a reference; leave the recording out, "
            "or look at its face crops with run.py preprocess"
        )
    part = max(runs, key=lambda run: run.stop - run.start)
    cut = [None if values is None else values[part] for values in (label, label_bpm)]
    return Wave(recording.name, recording.subject, bvp[part], cut[0], fps, label_bpm=cut[1])


def _on_grid(grid: np.ndarray, seconds: np.ndarray, values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else np.interp(grid, seconds, values, left=np.nan, right=np.nan)


def finite_runs(wave: np.ndarray) -> list[slice]:
    """The stretches of a wave (T,) without NaN."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], np.isfinite(wave), [False])).astype(int)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _runs_in_time(seconds: np.ndarray) -> Iterator[slice]:
    """Runs of timestamps without a hole of more than ``MAX_GAP_SECONDS``."""
    cuts = np.flatnonzero(np.diff(seconds) > MAX_GAP_SECONDS) + 1
    bounds = [0, *cuts.tolist(), len(seconds)]
    return (slice(a, b) for a, b in pairwise(bounds))


def _grouped(items: Iterable, size: int) -> Iterator[list]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
