"""Simulated colour traces of a face's patches: people to train a map network on, without a picture.

What a camera makes of a face is drawn part by part: skin, hair and background on a grid of patches; blood, light, head
and features that change their colours; the sensor's noise and the codec that holds patches back. Nothing is fitted to a
real recording. All ranges stand in :data:`RANGES`, with where they come from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from rppg_graph.data.traces import GRID
from rppg_graph.synthetic.trace_camera import filmed
from rppg_graph.synthetic.trace_draws import Draw

BACKGROUND_BLOCKS = 8
_BLOOD = (0.33, 0.78, 0.53)  # of R, G, B; de Haan and van Leest 2014
_WIDE = GRID + 2  # a ring of patches around the crop, which a moving head brings in

# Name → (low, high, how it is drawn, where from). "log": evenly over the logarithm; "share": probability of a person.
RANGES: dict[str, tuple[float, float, str, str]] = {
    "bpm": (38, 200, "even", "resting hearts to exercise; the search band is 36 to 216"),
    "drift_bpm": (-10, 10, "even", "over ten seconds; the UBFC-rPPG task changes rates by about as much"),
    "breathing_bpm": (0, 4, "even", "respiratory sinus arrhythmia, half its size; Task Force 1996"),
    "ectopic": (0.05, 0.05, "share", "a beat that comes too early; seen in a few percent of healthy people"),
    "pulse": (2.5e-4, 1e-2, "log", "relative, in green; 0.005 at most for a webcam, de Haan and Jeanne 2013"),
    "delay_seconds": (0, 0.06, "even", "between regions of one face; Kamshilin et al. 2015"),
    "light": (1e-4, 1e-2, "log", "slow changes of light and exposure, 1/f"),
    "lamp": (1e-4, 2e-2, "log", "a lamp, a screen or mains flicker aliased into the band"),
    "lamp_share": (0.25, 0.25, "share", "of people under such a light"),
    "step": (0.01, 0.15, "log", "of exposure or white balance; webcams move in steps of about a tenth"),
    "step_share": (0.15, 0.15, "share", ""),
    "shift": (1e-3, 0.25, "log", "of the crop over the face in patches, after tracking"),
    "rhythm_share": (0.35, 0.35, "share", "of people who nod, chew, jog or sit in a car"),
    "shading": (1e-4, 1e-2, "log", "relative change of a patch as the head turns to the light"),
    "specular": (1e-5, 8e-3, "log", "gloss that comes and goes with the head, colour of the lamp"),
    "noise": (3e-4, 1.2e-2, "log", "of a patch's mean a frame; 1 % is a dim webcam"),
    "quantised": (1e-4, 2e-2, "log", "what a codec's coarse steps leave of a patch"),
    "coded_share": (0.75, 0.75, "share", "of people whose video went through a lossy codec"),
}


class People(NamedTuple):
    """n simulated people over T frames.

    Attributes:
        patches: (n, T, GRID², 3) mean RGB of 0 to 255, float32.
        background: (n, T, BACKGROUND_BLOCKS, 3) the same beside the face.
        skin: (n, GRID²) share of each patch that is living skin.
        pulse: (n, T) the wave that all patches share, rising with the contact pulse; zeros where there is none.
        bpm: (n, T) heart rate; NaN where there is no pulse.
        parameters: name → (n,) of what was drawn.
    """

    patches: np.ndarray
    background: np.ndarray
    skin: np.ndarray
    pulse: np.ndarray
    bpm: np.ndarray
    parameters: dict[str, np.ndarray]


def simulate_people(
    rng: np.random.Generator, n: int, frames: int = 300, fps: float = 30.0, no_pulse: float = 0.0
) -> People:
    """Draw n people; ``no_pulse`` is the share of them that has none: a photograph, a mask, a wall.

    The same generator state gives the same people.
    """
    draw = Draw(rng, n, RANGES)
    seconds = (np.arange(frames) / fps).astype(np.float32)
    alive = rng.random(n) >= no_pulse
    pulse, late, rate = _pulse(draw, seconds)
    skin = _face(draw)  # (n, _WIDE²)
    albedo = _albedo(draw, skin)  # (n, _WIDE², 3)
    beat = _blood(draw, skin, alive)  # (n, _WIDE², 3)
    x, y, head = _head(draw, seconds)
    seen, throbbing = _moved(albedo, x, y), _moved(albedo * beat, x, y)  # (n, T, GRID², 3)
    level = seen.mean(axis=1, keepdims=True)
    colours = (seen - throbbing * late.transpose(0, 2, 1)[..., None]) / level - 1  # relative; blood darkens
    colours += _shading(draw, head, level)
    colours += _features(draw, seconds)
    light, gains = _light(draw, seconds)  # (n, T, 1, 3), (n, GRID² + blocks)
    colours = (1 + colours) * (1 + light * gains[:, None, : GRID * GRID, None])
    beside = 1 + light * gains[:, None, GRID * GRID :, None]
    ground = 255 * rng.uniform(0.05, 0.9, (n, 1, BACKGROUND_BLOCKS, 3)).astype(np.float32)
    colours = np.concatenate((colours * np.minimum(255 * level, 235), beside * ground), axis=2)
    colours = filmed(draw, colours, fps)
    inner = skin.reshape(n, _WIDE, _WIDE)[:, 1:-1, 1:-1].reshape(n, -1)
    return People(
        colours[:, :, : GRID * GRID], colours[:, :, GRID * GRID :], inner,
        np.where(alive[:, None], pulse, 0).astype(np.float32), np.where(alive[:, None], rate, np.nan), draw.parameters,
    )  # fmt: skip


def _beats(draw: Draw, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase (n, T) of the heart in radians, and its rate (n, T) in bpm."""
    length = seconds[-1]
    breath = 2 * np.pi * draw.even(0.15, 0.4, 1) * seconds + draw.even(0, 6.3, 1)
    rate = draw("bpm")[:, None] + draw("drift_bpm")[:, None] * (seconds / length - 0.5)
    rate = np.clip(rate + draw("breathing_bpm")[:, None] * np.sin(breath), 36, 216)
    phase = 2 * np.pi * np.cumsum(rate / 60, axis=1) * (seconds[1] - seconds[0]) + draw.even(0, 6.3, 1)
    early = draw.even(0.1, 0.9, 1) * length  # a beat that comes too early, and the pause that makes up for it
    bump = np.exp(-0.5 * ((seconds - early) * rate.mean(1, keepdims=True) / 60 / 0.35) ** 2)
    phase += draw("ectopic")[:, None] * draw.even(0.8, 2.0, 1) * bump
    return phase, rate


def _pulse(draw: Draw, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The wave (n, T), the same as it reaches each patch (n, GRID², T), both of unit deviation, and the rate (n, T)."""
    phase, rate = _beats(draw, seconds)
    bpm = rate.mean(axis=1)
    overtones = [(k, draw.even(0, most, 1), draw.even(-2.0, 0.0, 1)) for k, most in ((2, 0.5), (3, 0.2))]

    def wave(at: np.ndarray, extra: int) -> np.ndarray:
        shaped = np.sin(at)
        for k, size, lag in overtones:
            size, lag = (value.reshape(-1, *(1,) * (extra + 1)) for value in (size, lag))
            shaped += size * np.sin(k * at + lag)
        return shaped / shaped.std(axis=-1, keepdims=True)

    across, down = np.meshgrid(np.linspace(-0.5, 0.5, GRID), np.linspace(-0.5, 0.5, GRID))
    place = draw.normal(1) * across.ravel() + draw.normal(1) * down.ravel() + 0.3 * draw.normal(GRID * GRID)
    place = place - place.min(axis=1, keepdims=True)
    delay = draw("delay_seconds")[:, None] * place / (place.max(axis=1, keepdims=True) + 1e-9)  # (n, GRID²)
    late = wave(phase[:, None] - 2 * np.pi * (bpm[:, None] / 60 * delay)[:, :, None], 1)
    late *= 1 + draw.even(0, 0.25, 1, 1) * draw.process(seconds, 0.1, 0.4)  # breathing
    return wave(phase, 0), late.astype(np.float32), rate


def _face(draw: Draw) -> np.ndarray:
    """Share of each of the wide grid's patches that is living skin (n, _WIDE²)."""
    at = (np.arange(_WIDE) - 0.5) / GRID  # 0 to 1 across the crop
    across, down = at[None, None, :] - draw.even(0.44, 0.56, 1, 1), at[None, :, None] - draw.even(0.5, 0.62, 1, 1)
    radius = np.sqrt((across / draw.even(0.3, 0.46, 1, 1)) ** 2 + (down / draw.even(0.42, 0.6, 1, 1)) ** 2)
    skin = 1 / (1 + np.exp((radius - 1) / draw.even(0.04, 0.15, 1, 1)))
    hairline = draw.even(0.02, 0.32, 1, 1)
    skin = skin / (1 + np.exp((hairline - at[None, :, None]) / 0.04))
    row = at[None, :, None]
    eyes = np.exp(-(((np.abs(across) - 0.18) / 0.09) ** 2) - ((row - draw.even(0.38, 0.5, 1, 1)) / 0.06) ** 2)
    mouth = np.exp(-((across / 0.14) ** 2) - ((row - draw.even(0.72, 0.84, 1, 1)) / 0.06) ** 2)
    beard = draw.chance(0.25, 1, 1) * draw.even(0.3, 1, 1, 1)
    beard = beard / (1 + np.exp((draw.even(0.62, 0.75, 1, 1) - row) / 0.04))
    skin = skin * (1 - draw.even(0.3, 0.9, 1, 1) * eyes) * (1 - draw.even(0, 0.6, 1, 1) * mouth) * (1 - beard)
    covered = draw.chance(0.1, 1, 1) & ((across > 0) == draw.chance(0.5, 1, 1)) & (down > draw.even(-0.4, 0.3, 1, 1))
    return np.where(covered, 0, skin).reshape(draw.n, -1).astype(np.float32)  # under a hand or a mask is no pulse


def _albedo(draw: Draw, skin: np.ndarray) -> np.ndarray:
    """Brightness (n, _WIDE², 3) of 0 to 1 as the camera gives it, of skin, and of hair and background elsewhere."""
    tone = draw.even(np.log(0.12), np.log(0.85), 1, 1)
    colour = np.exp(tone) * (np.array([1.0, 0.76, 0.64], np.float32) + 0.05 * draw.normal(1, 3))
    hair = draw.even(0.03, 0.4, 1, 1) * (1 + 0.15 * draw.normal(1, 3))
    wall = draw.even(0.05, 0.9, 1, 3) * (1 + 0.4 * draw.even(-1, 1, _WIDE**2, 1) * draw.even(0, 1, 1, 1))
    rows = np.repeat(np.arange(_WIDE), _WIDE)[None, :, None]
    other = np.where(rows < draw.even(2, 5, 1, 1), hair, wall)
    light = np.exp(0.25 * draw.normal(_WIDE**2, 1) * draw.even(0.2, 1, 1, 1))  # texture and shade
    albedo = (skin[:, :, None] * colour + (1 - skin[:, :, None]) * other) * light
    return np.clip(albedo, 0.01, 1.5).astype(np.float32)


def _blood(draw: Draw, skin: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Relative amplitude of the pulse in R, G and B of each patch (n, _WIDE², 3)."""
    uneven = draw.rng.gamma(3.0, 1 / 3, skin.shape)
    green = (draw("pulse")[:, None] * skin * uneven * alive[:, None]).astype(np.float32)  # (n, _WIDE²)
    colour = np.maximum(np.array(_BLOOD, np.float32) + draw.normal(3) * np.array([0.08, 0.05, 0.1], np.float32), 0.03)
    return green[:, :, None] * (colour / colour[:, 1:2])[:, None]


def _rhythm(draw: Draw, seconds: np.ndarray, low: float, high: float) -> np.ndarray:
    """A periodic wave (n, T) that is no pulse, of unit deviation: its frequency wanders little, it has overtones."""
    phase = 2 * np.pi * draw.even(low, high, 1) * seconds + draw.even(0, 6.3, 1)
    phase += draw.even(0, 0.6, 1) * draw.drift(seconds)[:, 0]
    wave = np.sin(phase) + draw.even(0, 0.7, 1) * np.sin(2 * phase + draw.even(0, 6.3, 1))
    return wave / wave.std(axis=1, keepdims=True)


def _head(draw: Draw, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shift of the face in the crop, x and y (n, T) in patches, and the head's motions (n, 3, T) of unit deviation."""
    rhythm = _rhythm(draw, seconds, 0.6, 3.2)
    rhythmic = draw("rhythm_share")[:, None] * draw.even(0.2, 1.0, 1)
    motions = draw.process(seconds, 0.05, 2.0, 3)
    motions += 0.7 * draw.drift(seconds, 3)
    motions += (rhythmic * rhythm)[:, None] * 2.0 * draw.normal(3, 1)
    motions /= motions.std(axis=-1, keepdims=True)
    bounds = draw("shift")[:, None]
    along = draw.normal(2, 3)
    moved = np.einsum("nij,njt->nit", along / np.linalg.norm(along, axis=2, keepdims=True), motions)
    return *(np.clip(bounds * moved[:, axis], -1, 1) for axis in (0, 1)), motions


def _moved(albedo: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The crop's patches (n, T, GRID², 3) while the wide grid (n, _WIDE², 3) moves under it, so that they mix."""
    wide = albedo.reshape(len(albedo), _WIDE, _WIDE, 3)
    # of the neighbour before, itself, and the one after
    weights = [(np.maximum(-at, 0), 1 - np.abs(at), np.maximum(at, 0)) for at in (y, x)]
    out = 0
    for i in range(3):
        for j in range(3):
            weight = (weights[0][i] * weights[1][j])[:, :, None, None]  # (n, T, 1, 1)
            out = out + weight * wide[:, i : i + GRID, j : j + GRID].reshape(len(wide), 1, -1, 3)
    return out.astype(np.float32)


def _shading(draw: Draw, head: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Relative colours (n, T, GRID², 3) of a head that turns in the light: nearly grey shade, and gloss."""
    patches = GRID * GRID
    gain = draw.normal(patches, 3) + 0.3 * draw.normal(1, 3)
    gain = draw("shading")[:, None, None] * gain * draw.even(0, 1, 1, 3)
    shade = np.einsum("npm,nmt->ntp", gain, head)
    colour = 1 + 0.08 * draw.normal(1, 1, 3) + 0.05 * draw.normal(1, patches, 3)
    glossy = np.maximum(draw.normal(patches, 3), 0) * draw.even(0, 1, 1, 3)
    gloss = np.einsum("npm,nmt->ntp", draw("specular")[:, None, None] * glossy, head)
    white = 1 / np.maximum(level, 0.03)  # the same light added to each channel, relative to what is there
    return shade[..., None] * colour + gloss[..., None] * white / white.mean(axis=-1, keepdims=True)


def _features(draw: Draw, seconds: np.ndarray) -> np.ndarray:
    """Relative colours of blinks, speech and a shadow that passes over one side (n, T, GRID², 3)."""
    rows, columns = np.repeat(np.arange(GRID), GRID), np.tile(np.arange(GRID), GRID)
    blinks = np.zeros((draw.n, len(seconds)), np.float32)
    for _ in range(4):
        blinks += np.exp(-0.5 * ((seconds - draw.even(0, 12, 1)) / 0.06) ** 2)
    speech = draw.process(seconds, 1.5, 5.0)[:, 0] * (draw.process(seconds, 0.05, 0.3)[:, 0] > draw.even(-0.5, 2.5, 1))
    side = expit((seconds - draw.even(0, 10, 1)) / draw.even(0.05, 0.6, 1))
    side = side - draw.chance(0.5, 1) * expit((seconds - draw.even(3, 14, 1)) / 0.2)
    shadowed = draw.chance(0.08, 1) * draw.even(-0.3, 0.1, 1)
    out = blinks[:, :, None] * draw.even(-0.08, 0.08, 1, 1) * np.isin(rows, (2, 3)) * (columns % 7 > 0)
    out = out + speech[:, :, None] * draw.even(0, 0.06, 1, 1) * np.isin(rows, (5, 6, 7)) * draw.normal(1, GRID * GRID)
    out = out + (side * shadowed)[:, :, None] * (columns >= draw.even(2, 6, 1, 1))
    return out[..., None].astype(np.float32)


def _light(draw: Draw, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative light (n, T, 1, 3), and how much of it falls on each patch and background block (n, GRID² + blocks)."""
    grey = 1 + 0.06 * draw.normal(1, 3)
    slow = draw("light")[:, None, None] * draw.drift(seconds).transpose(0, 2, 1) * grey
    lamp = (draw("lamp_share") * draw("lamp"))[:, None, None] * _rhythm(draw, seconds, 0.6, 3.5)[:, :, None]
    lamp = lamp * np.where(draw.chance(0.7, 1, 1), grey, draw.even(0.1, 1, 1, 3))
    step = expit((seconds - draw.even(0, 10, 1)) / np.exp(draw.even(np.log(0.01), np.log(0.3), 1)))
    step = (draw("step_share") * draw("step") * np.where(draw.chance(0.5), 1, -1))[:, None, None] * step[:, :, None]
    step = step * np.where(draw.chance(0.6, 1, 1), 1, draw.even(-1, 1, 1, 3))  # exposure, or white balance
    gains = 1 + draw.even(0.02, 0.4, 1) * draw.normal(GRID * GRID + BACKGROUND_BLOCKS)
    gains[:, GRID * GRID :] *= draw.even(0.2, 1.2, 1)
    return (slow + lamp + step)[:, :, None].astype(np.float32), gains.astype(np.float32)
