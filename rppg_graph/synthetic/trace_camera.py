"""What camera and codec do to simulated colour traces: frames, noise, and patches that are held back."""

from __future__ import annotations

import numba
import numpy as np

from rppg_graph.synthetic.trace_draws import Draw

FRAME_RATES = (15.0, 20.0, 24.0, 25.0)  # of the cameras that do not film at the traces' own rate


def filmed(draw: Draw, colours: np.ndarray, fps: float) -> np.ndarray:
    """Colours (n, T, P, 3) of 0 to 255 as a camera films and a codec codes them, back on the grid of ``fps``."""
    n, frames = colours.shape[:2]
    own = np.where(draw.chance(0.4), draw.rng.choice(FRAME_RATES, n), fps)
    draw.parameters["camera_fps"] = own
    dropped = draw.chance(0.3, 1) & draw.chance(0.08, frames) & (np.arange(frames) > 0)
    times = np.arange(frames) * (fps / own)[:, None]  # of the camera's frames, in frames of the grid
    shown = np.maximum.accumulate(np.where(dropped, 0, np.arange(frames)), axis=1)  # a dropped frame repeats the last
    colours = _at(colours, np.take_along_axis(times, shown, axis=1))
    colours = _noisy(draw, colours)
    colours = _coded(draw, colours)
    return _at(colours, np.arange(frames) * (own / fps)[:, None])


def _at(colours: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Colours (n, T, P, 3) at times (n, T) counted in frames, linearly between neighbours; held after the last."""
    times = np.clip(times, 0, colours.shape[1] - 1)
    left = np.minimum(times.astype(int), colours.shape[1] - 2)
    weight = (times - left).astype(np.float32)[:, :, None, None]
    people = np.arange(len(colours))[:, None]
    return (1 - weight) * colours[people, left] + weight * colours[people, left + 1]


def _noisy(draw: Draw, colours: np.ndarray) -> np.ndarray:
    """With the sensor's noise, larger in the dark and in blue; what is brighter than 255 is lost."""
    level = np.maximum(colours.mean(axis=1, keepdims=True), 1)
    channel = np.array([1.2, 0.9, 1.6], np.float32)
    size = draw("noise")[:, None, None, None] * channel * draw.even(0.7, 1.4, 1, level.shape[2], 1)
    size = np.sqrt(120 / level) * size
    return np.clip(colours + level * size * draw.normal(*colours.shape[1:]), 0, 255)


def _coded(draw: Draw, colours: np.ndarray) -> np.ndarray:
    """As a codec leaves them, see :func:`_held`; without a codec as they are."""
    n, frames, patches, _ = colours.shape
    level = np.maximum(colours.mean(axis=1), 1)  # (n, P, 3)
    coded = draw("coded_share").astype(bool)
    coarse = (draw("quantised")[:, None, None] * level).astype(np.float32)
    distance = np.where(draw.chance(0.5), draw.rng.integers(12, 60, n), draw.rng.integers(60, 300, n))
    draw.parameters["key_frame_distance"] = np.where(coded, distance, 0)
    build_up = coarse * draw.normal(patches, 3) * np.where(draw.chance(0.5), draw.even(0, 1.5), 0)[:, None, None]
    sending = draw.rng.random((n, frames, patches, 2), dtype=np.float32), draw.normal(frames, patches, 4)
    bounds = np.exp(draw.even(-5.5, -0.5)), draw.even(0.0, 3.0), draw.even(0.0, 0.6)  # refresh, dead band, softness
    out = np.empty_like(colours)
    _held(colours, coarse, build_up, *bounds, distance, draw.rng.integers(0, distance), *sending, out)
    return np.where(coded[:, None, None, None], np.clip(out, 0, 255), colours)


@numba.njit(cache=True)
def _held(colours, coarse, build_up, refresh, dead_band, soft, distance, first, luck, errors, out):
    """Each patch keeps its value until it is sent: in a key frame, after a change beyond a dead band, or by chance.

    What arrives is off by the coarseness of the quantiser; brightness is sent more readily than colour; what is not
    sent follows softly. Between key frames an error builds up, which the next one takes back at once.
    """
    people, frames, patches, _ = colours.shape
    shown = np.empty(3, np.float32)
    for person in range(people):
        for patch in range(patches):
            quantum = coarse[person, patch]
            band = dead_band[person] * quantum.mean()
            shown[:] = colours[person, 0, patch]
            for frame in range(frames):
                since = (frame + first[person]) % distance[person]
                now = colours[person, frame, patch]
                bright = 0.299 * (now[0] - shown[0]) + 0.587 * (now[1] - shown[1]) + 0.114 * (now[2] - shown[2])
                tint = max(abs(now[0] - shown[0] - bright), abs(now[2] - shown[2] - bright))
                error = errors[person, frame, patch]
                sent = since == 0 or abs(bright) > band or luck[person, frame, patch, 0] < refresh[person]
                tinted = since == 0 or (sent and (tint > 2 * band or luck[person, frame, patch, 1] < refresh[person]))
                for channel in range(3):
                    change = now[channel] - shown[channel] - bright
                    step = bright + 0.6 * error[3] * quantum[channel] if sent else soft[person] * bright
                    shown[channel] += step
                    if tinted:
                        shown[channel] += change + 0.6 * error[channel] * quantum[channel]
                    wear = build_up[person, patch, channel] * since / distance[person]
                    out[person, frame, patch, channel] = shown[channel] + wear
