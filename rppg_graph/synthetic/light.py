"""The course of the light: lamps and their flicker, a screen, passing shadows."""

from __future__ import annotations

import numpy as np

from rppg_graph.synthetic.cardiac import smooth_noise
from rppg_graph.synthetic.parameters import Parameters


def event_times(per_minute: float, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.uniform(seconds[0], seconds[-1], rng.poisson(per_minute * np.ptp(seconds) / 60)))


def kelvin_colour(kelvin: float) -> np.ndarray:
    """Colour of a black body as the camera sees it after a white balance for 5000 K done half: (3,), green 1."""
    red = (5000 / kelvin) ** 0.3
    return np.array([red, 1.0, 1 / red**1.2])


def flicker(p: Parameters, seconds: np.ndarray, phase: float) -> np.ndarray:
    """Relative change of the light's R, G, B at any times: (..., 3).

    A camera samples it: what flickers at 120 Hz comes at 29.5 frames a second as 2 Hz.
    """
    turn = 2 * np.pi * p.flicker_hz * seconds + phase
    wave = p.flicker * (np.sin(turn) + p.flicker_harmonic * np.sin(2 * turn + 0.8))
    return wave[..., None] * (p.flicker_red, 1.0, p.flicker_blue)


def rolling_bands(p: Parameters, seconds: np.ndarray, height: int, fps: float, phase: float) -> np.ndarray:
    """What the flicker does to each row (T, H, 3) where the rows are read one after the other; else ones (T, 1, 3)."""
    if p.readout == 0:
        return np.ones((len(seconds), 1, 3), np.float32)
    rows = p.readout / fps * np.arange(height) / height
    return (1 + flicker(p, seconds[:, None] + rows, phase)).astype(np.float32)


def light_course(
    p: Parameters, seconds: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Ambient (T, 3), lights (T, 2, 6), overall brightness (T,), phase of the flicker."""
    colour = kelvin_colour(p.light_kelvin)
    azimuth = np.radians(p.light_azimuth + 8 * smooth_noise(seconds, (0.01, 0.1), rng) * min(p.light_drift * 20, 1))
    elevation = np.radians(p.light_elevation)
    phase = rng.uniform(0, 2 * np.pi)
    azimuth += np.radians(p.light_swing) * np.sin(2 * np.pi * p.flicker_hz * seconds + phase)
    main = np.stack(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.full(len(seconds), -np.sin(elevation)),
            np.cos(azimuth) * np.cos(elevation),
        ],
        1,
    )
    level = 1 + p.light_drift * smooth_noise(seconds, (0.01, 0.25), rng)[:, None]
    if p.readout == 0:  # else the shutter makes bands of it
        level = level + flicker(p, seconds, phase)
    level = np.clip(np.broadcast_to(level, (len(seconds), 3)), 0.05, None)
    # a screen changes its picture now and then, at once; its light comes from below
    cuts = event_times(p.cuts_per_minute, seconds, rng)
    if p.regular_cuts:
        cuts = np.arange(seconds[0] + 30 / p.cuts_per_minute, seconds[-1], 60 / p.cuts_per_minute)
    scenes = np.searchsorted(cuts, seconds)
    pictures = np.clip(
        rng.uniform(0.2, 1.0, (scenes.max() + 1, 1)) * (1 + 0.3 * rng.standard_normal((scenes.max() + 1, 3))), 0, 2
    )
    screen = (
        p.screen * pictures[scenes] * (0.8, 0.95, 1.2) * (1 + 0.1 * smooth_noise(seconds, (0.3, 3.0), rng)[:, None])
    )
    ambient = p.ambient * level * colour * (0.95, 1.0, 1.05)
    lights = np.zeros((len(seconds), 2, 6))
    lights[:, 0, :3], lights[:, 0, 3:] = main, (1 - p.ambient) * level * colour
    lights[:, 1, :3], lights[:, 1, 3:] = np.array([0.1, 0.35, 0.93]), screen
    return ambient, lights, level[:, 1] * (1 + screen.mean(axis=1)), phase


def shadows(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bands of shadow that pass over the frame one after the other: (T, 5)."""
    shadow = np.zeros((len(seconds), 5))
    shadow[:, 0], shadow[:, 2], shadow[:, 3] = 1.0, 10.0, 1.0
    for time in event_times(p.shadows_per_minute, seconds, rng):
        tilt, lasting = rng.uniform(-0.5, 0.5), rng.uniform(1.0, 4.0)
        progress = (seconds - time) / lasting
        during = (progress >= 0) & (progress <= 1)
        band = np.stack(
            np.broadcast_arrays(
                np.cos(tilt), np.sin(tilt), 3.0 * progress - 1.0, rng.uniform(0.1, 0.3), p.shadow_depth
            ),
            1,
        )
        shadow[during] = band[during]
    return shadow
