"""Synthetic recordings: face video whose pulse is known because it was put there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.signal import lfilter

from rppg_graph.data.recordings import Reference
from rppg_graph.data.synthetic.backdrop import backdrop
from rppg_graph.data.synthetic.cardiac import Heart, simulate_heart
from rppg_graph.data.synthetic.codec import through_codec
from rppg_graph.data.synthetic.head import FACE_BOX, Head
from rppg_graph.data.synthetic.parameters import Parameters, draw_parameters
from rppg_graph.data.synthetic.photo import photo_head
from rppg_graph.data.synthetic.procedural import procedural_head
from rppg_graph.data.synthetic.render import ALBEDO, ALPHA, LID, STRENGTH, expose, render, tone_curve
from rppg_graph.data.synthetic.scene import Scene, build_scene
from rppg_graph.errors import InputError

SUPERSAMPLING = 2  # of crops, across and down: a crop's pixel is the mean of several of the frame's
JITTER_WARM_UP = 100
FAINTEST = 0.02  # of pulse strength; the open mouth is drawn with less


@dataclass(frozen=True)
class SyntheticRecording:
    """A face video that is rendered when it is read."""

    parameters: dict[str, Any]  # everything that decides the frames, fit for JSON
    seconds: np.ndarray  # (T,) of the frames, from 0
    pulse: np.ndarray  # (T,) float64, BVP of the earliest skin at the frames' times, systolic peaks positive
    bpm: np.ndarray  # (T,) heart rate
    boxes: np.ndarray  # (T, 4) x, y, width, height in pixels of the face
    _settings: Parameters
    _size: tuple[int, int]
    _head: Head
    _background: np.ndarray
    _scene: Scene
    _heart: Heart
    _noise_key: int

    def reference(self, seconds: np.ndarray) -> Reference:
        """Pulse and heart rate as a contact sensor would give them at the times (S,)."""
        return Reference(seconds=seconds, pulse=self._heart.pulse(seconds), bpm=self._heart.bpm(seconds))

    def frames(self) -> Iterator[np.ndarray]:
        """The frames as the codec leaves them, one by one: RGB uint8 (H, W, 3)."""
        settings = self._settings
        return through_codec(self.camera_frames(), self.parameters["fps"], settings.codec, settings.kbit_per_second)

    def crops(self, size: int = 64) -> Iterator[np.ndarray]:
        """Face crops rendered directly, without the frame and the codec: RGB uint8 (size, size, 3), one by one.

        They show what `data.face.FaceCropper` cuts out of the frames, several times faster.
        """
        fine = np.empty((size * SUPERSAMPLING, size * SUPERSAMPLING, 3), np.float32)
        for frame, (left, top, side) in enumerate(self.crop_boxes()):
            step = side / len(fine)
            self._render(frame, np.array([left, top, step, step]), fine, self._settings.blur_pixels / step)
            linear = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
            # a crop's pixel averages (side / size)² pixels of the frame, and its noise with them
            yield self._expose(frame, linear, self._settings.noise_levels / max(side / size, 1.0))

    def crop_boxes(self) -> np.ndarray:
        """Left, top and side in pixels of the square that a face cropper would cut out: (T, 3).

        The face's box widened by 5 % left and right, 30 % above and 5 % below and squared (the crop of STGNet), with a
        jitter that is smooth over a third of a second as after a cropper's filter.
        """
        x, y, width, height = self.boxes.T
        side = np.maximum(1.10 * width, 1.35 * height)
        boxes = np.stack([x + width / 2, y + 0.375 * height, side], axis=1)
        steps = np.random.default_rng(self._noise_key).standard_normal((len(boxes) + JITTER_WARM_UP, 3))
        keep = np.exp(-3.0 / self.parameters["fps"])
        jitter = lfilter([np.sqrt(1 - keep**2)], [1, -keep], steps, axis=0)[JITTER_WARM_UP:]
        boxes += self._settings.box_jitter * side.mean() * jitter
        frame_height, frame_width = self._size
        side = np.minimum(boxes[:, 2], min(self._size))
        left = np.clip(boxes[:, 0] - side / 2, 0, frame_width - side)
        return np.stack([left, np.clip(boxes[:, 1] - side / 2, 0, frame_height - side), side], axis=1)

    def skin_maps(self) -> Iterator[np.ndarray]:
        """Where the pulse is in each frame, and how strong: (H, W) float32, 0 where there is no bare skin."""
        texture = np.zeros_like(self._head.texture)
        texture[..., ALPHA], texture[..., LID] = self._head.texture[..., ALPHA], self._head.texture[..., LID]
        texture[..., ALBEDO : ALBEDO + 3] = self._head.texture[..., STRENGTH : STRENGTH + 1]
        dark = np.zeros_like(self._background)
        out = np.empty((*self._size, 3), np.float32)
        for frame in range(len(self.seconds)):
            instant = self._scene.instant(frame)
            still = instant._replace(ambient=np.ones(3), lights=instant.lights * 0, absorption=instant.absorption * 0)
            still = still._replace(shadow=instant.shadow * (1, 1, 1, 1, 0))
            window = np.array([0.0, 0.0, 1.0, 1.0])
            render(texture, self._head.depth, self._head.layout, np.zeros(3), dark, still, window, self._size[1], out)
            yield np.where(out[..., 1] < FAINTEST, 0.0, out[..., 1])

    def camera_frames(self) -> Iterator[np.ndarray]:
        """The frames before the codec, one by one: RGB uint8 (H, W, 3)."""
        linear = np.empty((*self._size, 3), np.float32)
        for frame in range(len(self.seconds)):
            self._render(frame, np.array([0.0, 0.0, 1.0, 1.0]), linear, self._settings.blur_pixels)
            yield self._expose(frame, linear, self._settings.noise_levels)

    def _render(self, frame: int, window: np.ndarray, out: np.ndarray, blur: float) -> None:
        head = self._head
        instant, width = self._scene.instant(frame), float(self._size[1])
        render(head.texture, head.depth, head.layout, head.lid_colour, self._background, instant, window, width, out)
        if blur > 0.25:
            cv2.GaussianBlur(out, (0, 0), blur, dst=out)

    def _expose(self, frame: int, linear: np.ndarray, noise: float) -> np.ndarray:
        out = np.empty(linear.shape, np.uint8)
        key = np.uint64((self._noise_key + frame * 0x9E3779B97F4A7C15) % 2**64)
        expose(linear, self._scene.gain[frame], tone_curve(self._settings.gamma), noise, key, out)
        return out


def generate(
    preset: str,
    seed: int,
    *,
    person: int | None = None,
    seconds: float = 30.0,
    fps: float = 30.0,
    size: tuple[int, int] = (240, 320),
    **overrides: Any,
) -> SyntheticRecording:
    """Draw one recording: a person, a heart, a scene and a camera.

    Args:
        preset: a key of PRESETS.
        seed: every draw follows from it: same seed, same bytes.
        person: seed of who is in it, for several recordings of one person; None: each seed is another person.
        seconds: length.
        fps: nominal frame rate, 15–120.
        size: height and width of the frame in pixels, even.
        **overrides: fields of Parameters, in place of what the preset draws.

    Raises:
        InputError: unknown preset or parameter, a value outside its limits, a portrait without a face.
    """
    _check_format(seconds, fps, size)
    person = seed if person is None else person
    _check_seeds(seed=seed, person=person)
    draw, heart_seed, scene_seed, timing, noise = np.random.SeedSequence(seed).spawn(5)
    person_draw, person_seed = np.random.SeedSequence([person, 1]).spawn(2)
    p = draw_parameters(preset, np.random.default_rng(draw), np.random.default_rng(person_draw), overrides)
    times = _frame_times(p, seconds, fps, np.random.default_rng(timing))
    heart = _heart(p, seconds, np.random.default_rng(heart_seed))
    build = procedural_head if p.head == "procedural" else photo_head
    head = build(p, np.random.default_rng(person_seed))
    scene = build_scene(p, times, size, heart, head.face_albedo(), scene_seed)
    return SyntheticRecording(
        parameters={
            "preset": preset,
            "seed": seed,
            "person": person,
            "duration_seconds": seconds,
            "fps": fps,
            "size": list(size),
            **p.model_dump(),
        },
        seconds=times,
        pulse=heart.pulse(times),
        bpm=heart.bpm(times),
        boxes=_face_boxes(scene.pose),
        _settings=p,
        _size=size,
        _head=head,
        _background=backdrop(size, np.random.default_rng(noise.spawn(1)[0])),
        _scene=scene,
        _heart=heart,
        _noise_key=int(noise.generate_state(1, np.uint64)[0]),
    )


def _check_seeds(**seeds: int) -> None:
    for name, value in seeds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"synthetic recording: {name} = {value!r}; it is a whole number from 0")


def _check_format(seconds: float, fps: float, size: tuple[int, int]) -> None:
    if not 0 < seconds <= 3600:
        raise InputError(f"synthetic recording: seconds = {seconds!r}; it is above 0 and at most 3600")
    if not 15 <= fps <= 120:
        raise InputError(f"synthetic recording: fps = {fps!r}; it is 15 to 120")
    height, width = size
    if min(size) < 32 or max(size) > 4096 or height % 2 or width % 2:
        raise InputError(
            f"synthetic recording: size = {size!r}; height and width are even numbers of pixels from 32 to 4096"
        )


def _heart(p: Parameters, seconds: float, rng: np.random.Generator) -> Heart:
    return simulate_heart(
        seconds,
        bpm=p.bpm,
        drift_bpm=p.drift_bpm,
        recovery_bpm=p.recovery_bpm,
        sinus_arrhythmia_bpm=p.sinus_arrhythmia_bpm,
        breaths_per_minute=p.breaths_per_minute,
        ectopic_per_minute=p.ectopic_per_minute,
        age=p.age,
        rng=rng,
    )


def _frame_times(p: Parameters, seconds: float, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the frames that arrive, with jitter that keeps their order, from 0."""
    count = max(round(seconds * fps), 2)
    jitter = np.clip(p.frame_jitter * rng.standard_normal(count), -0.45, 0.45)
    kept = rng.random(count) >= p.dropped
    kept[0] = True
    times = (np.arange(count) + jitter)[kept] / fps
    return times - times[0]


def _face_boxes(pose: np.ndarray) -> np.ndarray:
    """The face's box in the frame, from the head's pose: (T, 4)."""
    x, y, scale, yaw, pitch, _ = pose.T
    u, v, width, height = FACE_BOX
    depth = 0.6  # of the middle of the face in front of the axis that the head turns about
    left = x + scale * (u * np.cos(yaw) + depth * np.sin(yaw))
    top = y + scale * (v * np.cos(pitch) + depth * np.sin(pitch))
    return np.stack([left, top, scale * width * np.cos(yaw), scale * height * np.cos(pitch)], axis=1)
