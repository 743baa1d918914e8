"""One camera on the live page: frames in, what is known of the pulse out."""

from __future__ import annotations

import math
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from torch.nn.functional import adaptive_avg_pool2d

from rppg_graph.errors import InputError
from rppg_graph.inference.methods import Method, network_of
from rppg_graph.inference.predict import Prediction
from rppg_graph.inference.stream import Stream, Update
from rppg_graph.pulse.filters import PULSE_BAND_HZ, usable_band
from rppg_graph.pulse.heart_rate import HeartRate, HeartRateTrack, spectrum
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.report.graph_view import seen_masks

FRAME = struct.Struct("<dII")  # head of a frame: seconds, width, height; RGBA follows, row by row
MOST_PIXELS = 1280 * 720
FPS = 30.0  # of the wave; a camera's own rate is in the frames' times
KEPT_UPDATES = 3600  # an hour
GRID = 16  # patches across and down of where a network looks
SLOW_FPS = 15.0


class Session:
    """Follows one camera from start to stop; one thread at a time may use it.

    Args:
        name: what the browser calls it.
        method: what reads the face.
        finding: how the face is found (detector, policy, face), see ``Stream``.
        calibration: of the method, where it has one.
    """

    def __init__(self, name: str, method: Method, finding: dict[str, Any], calibration: Calibration | None) -> None:
        self.name, self.method, self.active = name, method, time.monotonic()
        self._open = ExitStack()
        self._stream = Stream(method, FPS, **finding, calibration=calibration)
        self._first: float | None = None
        self._updates: deque[Update] = deque(maxlen=KEPT_UPDATES)
        self._times: deque[float] = deque(maxlen=round(2 * FPS))
        network = network_of(method)
        self._masks = [] if network is None else self._open.enter_context(seen_masks(network.model))

    def close(self) -> None:
        """Stop looking into the network."""
        self._open.close()

    def push(self, body: bytes, waiting_seconds: float = 0.0) -> dict[str, Any]:
        """Take a group of frames, and tell what the page shows.

        Args:
            body: frames one after the other, each with its ``FRAME`` head.
            waiting_seconds: of frames that wait in the browser.

        Raises:
            InputError: a frame that is cut off, too large, or not later than the one before.
        """
        frames = list(unpack(body))
        self.active, update = time.monotonic(), None
        for seconds, rgb in frames:
            self._first = seconds if self._first is None else self._first
            update = self._stream.push(seconds - self._first, rgb, waiting_seconds) or update
            self._times.append(seconds)
        if update is not None:
            self._updates.append(replace(update, wave=np.empty(0), wave_seconds=np.empty(0)))
        height, width = frames[-1][1].shape[:2] if frames else (1, 1)
        box = self._stream.box
        return {
            "frames": self._stream.frames,
            "fps": self._fps(),
            "box": box and [round(v / s, 4) for v, s in zip(box, (width, height, width, height), strict=True)],
            "update": update and shown(update),
            "attention": self._attention(),
            "remarks": self._remarks(),
        }

    def _fps(self) -> float | None:
        times = self._times
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None

    def _remarks(self) -> list[str]:
        said, fps = self._stream.remarks(), self._fps()
        if fps is not None and len(self._times) > 5 and fps < SLOW_FPS:
            highest = 60 * usable_band(PULSE_BAND_HZ, max(fps, 4 * PULSE_BAND_HZ[0]))[1]
            cure = "give the camera more light, or close other programs"
            said.append(f"{fps:.0f} frames a second: a heart faster than {highest:.0f} bpm is read wrongly; {cure}")
        return said

    def _attention(self) -> list[list[float]] | None:
        """Where the network looked on its latest clip: (GRID, GRID) from 0, least, to 1, most; None without news."""
        if not self._masks:
            return None
        mask = self._masks[0][1].float().mean(dim=(0, 1, 2))  # (H, W), of the finest
        self._masks.clear()
        pooled = adaptive_avg_pool2d(mask[None], min(GRID, *mask.shape))[0]
        pooled = (pooled - pooled.min()) / (pooled.max() - pooled.min()).clamp_min(1e-9)
        return pooled.numpy().round(3).tolist()

    def prediction(self) -> Prediction:
        """What was read so far, as of a video.

        Raises:
            InputError: no wave yet.
        """
        bvp, fps, updates = *self._stream.long_wave(), self._updates
        if not np.isfinite(bvp).any():
            raise InputError("nothing was read yet: keep the face in view for ten seconds, then save")
        columns = np.array([(u.seconds, u.bpm, u.quality, u.interval_bpm) for u in updates], np.float64)
        at = columns[:, 0] - self._stream.window_seconds / 2 - updates[-1].seconds + len(bvp) / fps
        kept = columns[at >= 0]
        nothing = np.full(len(kept), np.nan)
        track = HeartRateTrack(at[at >= 0], kept[:, 1], kept[:, 2], nothing, nothing)
        answered = kept[np.isfinite(kept[:, 1])]
        rate = HeartRate(None, reason=updates[-1].reason)
        interval = None
        if len(answered):
            rate = HeartRate(float(np.median(answered[:, 1])), quality=float(np.median(answered[:, 2])))
            interval = float(np.median(answered[:, 3])) if np.isfinite(answered[:, 3]).all() else None
        frames, share = self._stream.frames, updates[-1].face_share
        return Prediction(
            self.method.name, fps, bvp, rate, track, frames, round(share * frames),
            interval_bpm=interval, track_interval_bpm=kept[:, 3],
        )  # fmt: skip


def unpack(body: bytes) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a request: seconds, and RGB uint8 (H, W, 3).

    Raises:
        InputError: a frame that is cut off, empty or too large.
    """
    place, number = 0, 0
    while place < len(body):
        if len(body) - place < FRAME.size:
            raise InputError(f"frame {number} of the group is cut off in its head; reload the page")
        seconds, width, height = FRAME.unpack_from(body, place)
        if not math.isfinite(seconds):
            raise InputError(f"frame {number} of the group: its time is {seconds} s; reload the page")
        if not 0 < width * height <= MOST_PIXELS:
            most = f"1 to {MOST_PIXELS} pixels are taken; reload the page"
            raise InputError(f"frame {number} of the group has {width}×{height} pixels; {most}")
        place += FRAME.size
        there = len(body) - place
        if there < 4 * width * height:
            raise InputError(f"frame {number} of the group is cut off: {there} of {4 * width * height} bytes came")
        pixels = np.frombuffer(body, np.uint8, 4 * width * height, place).reshape(height, width, 4)
        yield seconds, np.ascontiguousarray(pixels[..., :3])
        place, number = place + 4 * width * height, number + 1


def shown(update: Update) -> dict[str, Any]:
    """An update as JSON with its wave and the wave's spectrum."""
    told = update.to_dict()
    if len(update.wave):
        fps = (len(update.wave) - 1) / (update.wave_seconds[-1] - update.wave_seconds[0])
        frequencies, power, _ = spectrum(update.wave[None], fps, PULSE_BAND_HZ[1])
        inside = frequencies >= PULSE_BAND_HZ[0]
        told["wave"] = (update.wave / np.abs(update.wave).max()).round(3).tolist()
        told["wave_seconds"] = [float(update.wave_seconds[0]), float(update.wave_seconds[-1])]
        told["spectrum_bpm"] = (60 * frequencies[inside]).round(1).tolist()
        told["spectrum"] = (power[0, inside] / power[0, inside].max()).round(4).tolist()
    return told
