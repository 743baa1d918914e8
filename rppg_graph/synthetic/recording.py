"""Synthetic recordings: face video whose pulse is known because it was put there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from scipy.signal import lfilter

from rppg_graph.data.face import crop_square
from rppg_graph.data.recordings import Reference
from rppg_graph.synthetic.camera import expose, motion_blur, tone_curve
from rppg_graph.synthetic.cardiac import Heart
from rppg_graph.synthetic.codec import bit_rate_of_part, through_codec
from rppg_graph.synthetic.head import Head
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.render import render
from rppg_graph.synthetic.scene import Scene

SUPERSAMPLING = 2  # of crops, across and down: a crop's pixel is the mean of several of the frame's
JITTER_WARM_UP = 100
MACROBLOCK = 16  # pixels
LEAST_BLUR_PIXELS = 0.25
HEAD_HALF_AXES = np.array([1.3, 1.8])  # hair included, in half face widths


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
        return self._coded(self.camera_frames(), self._settings.kbit_per_second)

    def _coded(self, frames: Iterator[np.ndarray], kbit_per_second: float | None) -> Iterator[np.ndarray]:
        settings, fps = self._settings, self.parameters["fps"]
        return through_codec(frames, fps, settings.codec, kbit_per_second, settings.key_frame_every)

    def crops(self, size: int = 64) -> Iterator[np.ndarray]:
        """Face crops rendered directly, without the frame and the codec: RGB uint8 (size, size, 3), one by one.

        They show what `data.face.FaceCropper` cuts out of the frames, several times faster; with codec: `coded_crops`.
        """
        fine = np.empty((size * SUPERSAMPLING, size * SUPERSAMPLING, 3), np.float32)
        for frame, (left, top, side) in enumerate(self.crop_boxes()):
            step = side / len(fine)
            self._render(frame, (left, top, step), fine)
            linear = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
            # a crop's pixel averages (side / size)² pixels of the frame, and its noise with them
            yield self._expose(frame, linear, self._settings.noise_levels / max(side / size, 1.0))

    def coded_crops(self, size: int = 64) -> Iterator[np.ndarray]:
        """Face crops cut out of what the codec leaves: RGB uint8 (size, size, 3), one by one.

        Coding the small crops themselves would give other artefacts than real ones: their blocks would be twice as
        large on the face, and the box's jitter would move what in the frame stands still. So the part of the frame
        that the crops need is rendered at the frame's resolution, and coded on the frame's own grid of macroblocks with
        its share of the bit rate (`codec.bit_rate_of_part`); the crops are cut afterwards as a face cropper does it.
        """
        boxes, settings = self.crop_boxes(), self._settings
        corners = np.stack([boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)]) / MACROBLOCK
        left, top = (MACROBLOCK * np.floor(corners[0])).astype(int)
        right, bottom = np.minimum(MACROBLOCK * np.ceil(corners[1]), self._size[::-1]).astype(int)
        part = (bottom - top, right - left)
        rate = settings.kbit_per_second and bit_rate_of_part(settings.kbit_per_second, part, self._size)
        frames = self.camera_frames((left, top), part)
        for frame, (x, y, side) in zip(self._coded(frames, rate), boxes, strict=True):
            yield crop_square(frame, (x - left, y - top, side, side), size)

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

    @cached_property
    def _shift(self) -> np.ndarray:
        """How far the face goes while the shutter is open: (T, 2) pixels."""
        centre = self.boxes[:, :2] + self.boxes[:, 2:] / 2
        open_seconds = self._settings.shutter / self.parameters["fps"]
        return open_seconds * np.gradient(centre, self.seconds, axis=0)

    def camera_frames(
        self, corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None, order: Iterable[int] | None = None
    ) -> Iterator[np.ndarray]:
        """The frames before the codec, one by one: RGB uint8 (H, W, 3).

        Args:
            corner, size: left, top, and height, width in pixels of the part of the frame that is wanted; all of it.
            order: numbers of the frames that are wanted; all, as they were filmed.
        """
        linear = np.empty((*(size or self._size), 3), np.float32)
        for frame in range(len(self.seconds)) if order is None else order:
            self._render(frame, (*corner, 1.0), linear)
            yield self._expose(frame, linear, self._settings.noise_levels)

    def _render(self, frame: int, window: tuple[float, float, float], out: np.ndarray) -> None:
        """Linear light behind the lens in a window: left, top, and the size in frame pixels of one pixel of out."""
        head, instant, (left, top, step) = self._head, self._scene.instant(frame), window
        window, width = np.array([left, top, step, step], np.float64), float(self._size[1])
        render(head.texture, head.depth, head.layout, head.lid_colour, self._background, instant, window, width, out)
        bands = self._scene.bands[frame]
        if len(bands) > 1:
            rows = (top + step * (np.arange(len(out)) + 0.5)).astype(int)
            out *= bands[np.clip(rows, 0, len(bands) - 1), None]
        ellipse = np.append(instant.pose[:2] - (left, top), instant.pose[2] * HEAD_HALF_AXES) / step
        motion_blur(out, self._shift[frame] / step, ellipse)
        blur = self._settings.blur_pixels / step
        if blur > LEAST_BLUR_PIXELS:
            cv2.GaussianBlur(out, (0, 0), blur, dst=out)

    def _expose(self, frame: int, linear: np.ndarray, noise: float) -> np.ndarray:
        out = np.empty(linear.shape, np.uint8)
        key = np.uint64((self._noise_key + frame * 0x9E3779B97F4A7C15) % 2**64)
        expose(linear, self._scene.gain[frame], tone_curve(self._settings.gamma), noise, key, out)
        return out
