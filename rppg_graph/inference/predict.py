"""From a video, or face crops, to a pulse wave and a heart rate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from rppg_graph.data.ahead import ahead
from rppg_graph.data.clips import cut_clips
from rppg_graph.data.face import DEFAULT_DETECTOR, FaceCropper, FaceFrame
from rppg_graph.data.source import opened_source
from rppg_graph.errors import InputError
from rppg_graph.inference.heart_rate_of import filtered, heart_rate_of, track_of
from rppg_graph.inference.judged import Verdict, by_evidence
from rppg_graph.inference.methods import JoinedMethod, Method, NetworkMethod, network_of
from rppg_graph.inference.raw_wave import RawWave
from rppg_graph.inference.stream import Stream, Update
from rppg_graph.pulse.filters import PULSE_BAND_HZ, check_fps, finite_runs, usable_band
from rppg_graph.pulse.heart_rate import HeartRate, HeartRateTrack
from rppg_graph.pulse.hrv import beat_to_beat, no_beats
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.uncertainty import deviation_bpm

if TYPE_CHECKING:
    from rppg_graph.data.cache import CachedRecording

__all__ = ["NetworkWaves", "Prediction", "SampleSpread", "Stream", "Tally", "Update", "face_frames", "first_clip",
           "predict_video", "recording_wave", "summarise"]  # fmt: skip

FRAMES_AHEAD = 8  # that wait between decoding, cutting and reading: more than a look for a turn takes, 25 MB at 1080p


@dataclass(frozen=True)
class SampleSpread:
    """How far the samples of Monte-Carlo dropout lie apart.

    Args:
        samples: S.
        variance: (T,) unbiased, over the samples, of the unfiltered wave of unit deviation; NaN where there is no face.
        sd_bpm: standard deviation of the heart rate of the whole video.
        track_sd_bpm: (n,) of the heart rate of each window of the track.
    """

    samples: int
    variance: np.ndarray
    sd_bpm: float | None
    track_sd_bpm: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What a video's pulse came out as.

    Args:
        method: name of the network or of the classical method.
        fps: of the wave.
        bvp: (T,) filtered, on the grid ``index / fps`` seconds, NaN where there is no face.
        rate: heart rate of the whole video with its quality, or the reason why there is none.
        track: heart rate of ten-second windows.
        spread: of Monte-Carlo samples; None without.
        interval_bpm: half the empirical 95 % interval of ``rate``; None where the method is not calibrated.
        track_interval_bpm: (n,) the same of each window of the track, NaN where it has none; None likewise.
        verdict: what the evidence says of ``rate``; None where the method has no judge.
        frames, frames_with_face: of the video.
    """

    method: str
    fps: float
    bvp: np.ndarray
    rate: HeartRate
    track: HeartRateTrack
    frames: int
    frames_with_face: int
    spread: SampleSpread | None = None
    interval_bpm: float | None = None
    track_interval_bpm: np.ndarray | None = None
    verdict: Verdict | None = None

    @property
    def seconds(self) -> np.ndarray:
        """(T,) times of the wave's samples."""
        return np.arange(len(self.bvp)) / self.fps

    @cached_property
    def beat_to_beat(self) -> dict[str, Any]:
        """Variability and breathing, see `pulse.hrv.beat_to_beat`."""
        return no_beats("there is no heart rate") if self.rate.bpm is None else beat_to_beat(self.bvp, self.fps)


def predict_video(
    path: Path,
    method: Method,
    *,
    detector: str = DEFAULT_DETECTOR,
    policy: str = "fail",
    face: int | None = None,
    fps: float | None = None,
    raw_size: tuple[int, int] | None = None,
) -> Prediction:
    """The pulse of the face in a video, streamed: memory does not grow with its length.

    Args:
        path: a video file, or another source of `data.source.opened_source`, which ``raw_size`` (width, height) is for.
        method: a classical method or a network, which knows the size of the crops and the frame rate that it reads.
        detector, policy, face: how the face is found, see ``data.face.FaceCropper``.
        fps: the true frame rate, where the file's clock is wrong.

    Raises:
        InputError: not a usable video, no face (or in too few frames), shorter than the method needs.
    """
    source = opened_source(path, fps, raw_size)
    video_fps = check_fps(source.fps)
    highest_hz = usable_band(PULSE_BAND_HZ, video_fps)[1]
    if highest_hz < PULSE_BAND_HZ[1]:
        end = f"{video_fps:.3g} frames a second show heart rates up to {60 * highest_hz:.0f} bpm; a faster heart"
        warnings.warn(f"{path}: {end} is read wrongly", stacklevel=2)
    cropper = FaceCropper(method.crop_size, detector, policy, face)
    tally = Tally()
    with (
        tqdm(total=source.count, desc=path.name, unit="frame", leave=False, disable=None) as progress,
        ahead(source.frames, FRAMES_AHEAD) as frames,
        ahead(cropper.crops(frames, str(path)), FRAMES_AHEAD) as faces,
    ):
        raw = method.wave(tally.count(faces, progress.update), video_fps)
    return summarise(method.name, raw, tally, str(path))


def first_clip(path: Path, method: Method, *, fps: float | None = None, **finding: Any) -> np.ndarray | None:
    """The first clip (T, S, S, 3) uint8 that a method reads of a video's face, to look at; T = 2 for a formula.

    None where no stretch with a face is long enough. ``finding``: detector, policy and face, as for `predict_video`.
    """
    network, source = network_of(method), opened_source(path, fps)
    frames, grid_fps = (2, source.fps) if network is None else (network.clip_frames, network.wave_fps(source.fps))
    faces = FaceCropper(method.crop_size, **finding).crops(source.frames, str(path))
    return next((clip.video for clip in cut_clips(faces, grid_fps, frames, frames)), None)


class Tally:
    """Counts frames, and those with a detected face, as they stream by."""

    def __init__(self) -> None:
        self.frames, self.frames_with_face, self.seconds = 0, 0, 0.0

    def count(self, face_frames: Iterable[FaceFrame], tell: Callable[[], object] = int) -> Iterator[FaceFrame]:
        """The same frames; ``tell`` is called once for each."""
        for frame in face_frames:
            self.frames += 1
            self.frames_with_face += frame.detected
            self.seconds = frame.seconds
            tell()
            yield frame


def summarise(method: str, raw: RawWave, tally: Tally, source: str) -> Prediction:
    """Filter a raw wave and read heart rate, track and quality from it.

    Raises:
        InputError: no stretch with a face is long enough for the method.
    """
    if not np.isfinite(raw.bvp).any():
        raise InputError(
            f"{source}: {tally.seconds:.1f} s with a face in {tally.frames_with_face} of {tally.frames} frames are too "
            f"short for {method}; it needs an unbroken stretch of face, so film for longer or hold the head stiller"
        )
    wave, rate, track = _read(raw.bvp, raw)
    spread = None
    if raw.samples is not None:
        read = [_read(sample, raw) for sample in raw.samples]
        tracks = np.stack([sample_track.bpm for _, _, sample_track in read], axis=1)  # (n, S)
        sd_bpm = deviation_bpm([sample_rate.bpm for _, sample_rate, _ in read])
        track_sd_bpm = np.array([deviation_bpm(bpm) for bpm in tracks], dtype=np.float64)
        spread = SampleSpread(len(raw.samples), raw.variance, sd_bpm, track_sd_bpm)
    prediction = Prediction(method, raw.fps, wave, rate, track, tally.frames, tally.frames_with_face, spread)
    return prediction if raw.judge is None else by_evidence(prediction, raw)


def _read(bvp: np.ndarray, raw: RawWave) -> tuple[np.ndarray, HeartRate, HeartRateTrack]:
    """The filtered wave (T,) of a raw one, or of a sample of it, its heart rate and its track."""
    wave = filtered(bvp, raw.fps)
    if raw.spectra is not None:
        return wave, raw.spectra.heart_rate(), raw.spectra.track()
    return wave, heart_rate_of(wave, raw.fps, raw.reader), track_of(wave, raw.fps, raw.reader)


def face_frames(recording: CachedRecording) -> Iterator[FaceFrame]:
    """The frames of a cached recording as the methods take them."""
    for seconds, crop, box, face in zip(
        recording.seconds, recording.frames, recording.boxes, recording.face, strict=True
    ):
        yield FaceFrame(float(seconds), *((crop, tuple(box)) if face else (None, None)), bool(face))


NetworkWaves = dict[tuple[NetworkMethod, str], RawWave]  # by network and name of the recording


def recording_wave(recording: CachedRecording, method: Method, known: NetworkWaves | None = None) -> Wave:
    """A method's raw wave of a cached recording beside its reference, on the longest stretch that has both.

    Args:
        known: networks' waves that are there already, and to which a new one is added: a network that is measured
            alone and with a formula beside it runs once.

    Raises:
        InputError: there is no such stretch.
    """
    return wave_beside(recording, _raw_wave(recording, method, {} if known is None else known), method.name)


def wave_beside(recording: CachedRecording, raw: RawWave, method: str) -> Wave:
    """A raw wave by a method of that name beside the reference, as `recording_wave` has it."""
    seconds = np.arange(len(raw.bvp)) / raw.fps
    label, label_bpm = (
        None if values is None else np.interp(seconds, recording.seconds, values, left=np.nan, right=np.nan)
        for values in (recording.pulse, recording.bpm)
    )
    runs = finite_runs(raw.bvp if label is None else raw.bvp + label)
    if not runs:
        raise InputError(
            f"{recording.name}: no stretch has both a wave by {method} and a reference; leave the recording out, "
            "or look at its face crops with run.py preprocess"
        )
    part = max(runs, key=lambda run: run.stop - run.start)
    label, label_bpm, samples = (None if v is None else v[..., part] for v in (label, label_bpm, raw.samples))
    spectra = raw.spectra and raw.spectra.between(part.start / raw.fps, part.stop / raw.fps)
    return Wave(
        recording.name, recording.subject, raw.bvp[part], label, raw.fps,
        label_bpm=label_bpm, samples=samples, reader=raw.reader, spectra=spectra,
    )  # fmt: skip


def _raw_wave(recording: CachedRecording, method: Method, known: NetworkWaves) -> RawWave:
    if isinstance(method, JoinedMethod):
        return method.with_network_wave(_raw_wave(recording, method.network, known), face_frames(recording))
    if not isinstance(method, NetworkMethod):
        return method.wave(face_frames(recording), recording.fps)
    if (method, recording.name) not in known:
        known[method, recording.name] = method.wave(face_frames(recording), recording.fps)
    return known[method, recording.name]
