"""A heart rhythm and the blood volume pulse it drives, both known at any instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

GRID_HZ, WAVES = 50.0, 12
MARGIN_SECONDS = 3.0  # of rhythm before the first and after the last frame: delayed skin looks back


def smooth_noise(seconds: np.ndarray, hz: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Random motion of unit deviation with its power spread evenly over a band: (T,).

    A sum of sines at random frequencies and phases, so that it is known at any instant and for irregular times.
    """
    frequencies = rng.uniform(*hz, WAVES)[:, None]
    phases = rng.uniform(0, 2 * np.pi, WAVES)[:, None]
    return np.sqrt(2 / WAVES) * np.sin(2 * np.pi * frequencies * seconds[None] + phases).sum(axis=0)


@dataclass(frozen=True)
class Heart:
    """A heart rhythm with breathing, and the pulse wave of one person."""

    grid: np.ndarray  # (G,) seconds
    grid_bpm: np.ndarray  # (G,) instantaneous heart rate
    grid_breath: np.ndarray  # (G,) breathing, -1 (out) to 1 (in)
    grid_beats: np.ndarray  # (G,) beats since the start, ectopic beats included
    wave: np.ndarray  # (P,) pulse over one beat, mean 0, peak to peak 1

    def bpm(self, seconds: np.ndarray) -> np.ndarray:
        """Heart rate of the sinus rhythm in beats per minute."""
        return np.interp(seconds, self.grid, self.grid_bpm)

    def breath(self, seconds: np.ndarray) -> np.ndarray:
        """Breathing, -1 to 1."""
        return np.interp(seconds, self.grid, self.grid_breath)

    def pulse(self, seconds: np.ndarray) -> np.ndarray:
        """Blood volume pulse, systolic peaks positive, about -0.5 to 0.6; beats are a little stronger breathing out."""
        phase = np.interp(seconds, self.grid, self.grid_beats) % 1.0
        shape = np.interp(phase * len(self.wave), np.arange(len(self.wave) + 1), np.append(self.wave, self.wave[0]))
        return shape * (1.0 - 0.08 * self.breath(seconds))


def beat_shape(age: float) -> np.ndarray:
    """One beat of a photoplethysmogram by age in years: (400,), mean 0, peak to peak 1.

    The systolic wave, its reflection and the wave after the closing of the aortic valve, as three bell curves on the
    circle (the model of McSharry et al., IEEE TBME 2003, fitted to pulses by Tang et al., Sci Rep 2020). With age the
    reflection comes earlier and stronger and the dicrotic notch fills up. The curves are wider than those of a finger:
    the second harmonic has a third of the first (finger clips: nearly half), as small vessels dampen the wave.
    """
    old = float(np.clip((age - 18) / 60, 0, 1))
    centres = np.array([0.20, 0.38 - 0.04 * old, 0.57 + 0.01 * old])
    widths = np.array([0.11, 0.08 + 0.02 * old, 0.075 + 0.025 * old])
    heights = np.array([1.0, 0.4 + 0.2 * old, 0.45 - 0.25 * old])
    phase = np.arange(400) / 400
    distance = (phase[:, None] - centres + 0.5) % 1.0 - 0.5
    wave = (heights * np.exp(-0.5 * (distance / widths) ** 2)).sum(axis=1)
    return (wave - wave.mean()) / np.ptp(wave)


def simulate_heart(
    duration: float, *, bpm: float, drift_bpm: float, recovery_bpm: float, sinus_arrhythmia_bpm: float,
    breaths_per_minute: float, ectopic_per_minute: float, age: float, rng: np.random.Generator,
) -> Heart:  # fmt: skip
    """A rhythm around a mean rate.

    bpm(t) = bpm + drift(t) + recovery·exp(−t/25 s) + arrhythmia·breath(t), held to 35–200; the phase of the beat is its
    integral. An ectopic beat comes 30 % early and the next one in its usual place.

    Args:
        duration: seconds; drift_bpm: deviation of the slow drift; recovery_bpm: excess after exercise at t = 0;
            sinus_arrhythmia_bpm: amplitude over a breath; ectopic_per_minute: mean number of early beats.
    """
    grid = np.arange(-MARGIN_SECONDS, duration + MARGIN_SECONDS, 1.0 / GRID_HZ)
    breath_hz = breaths_per_minute / 60 * (1 + 0.08 * smooth_noise(grid, (0.01, 0.08), rng))
    breath_phase = 2 * np.pi * (np.cumsum(breath_hz) / GRID_HZ + rng.uniform())
    breath = np.sin(breath_phase + 0.3 * np.sin(breath_phase))  # breathing in is shorter than breathing out
    drift = drift_bpm * smooth_noise(grid, (0.005, 0.05), rng)
    recovery = recovery_bpm * np.exp(-np.maximum(grid, 0) / 25)
    rate = np.clip(bpm + drift + recovery + sinus_arrhythmia_bpm * breath, 35, 200)
    beats = np.cumsum(rate) / 60 / GRID_HZ + rng.uniform()

    whole = np.arange(np.ceil(beats[0]), np.floor(beats[-1]) + 1)
    times = np.interp(whole, beats, grid)
    early = np.flatnonzero(rng.random(len(whole)) < ectopic_per_minute * np.gradient(times) / 60)
    early = early[(early > 1) & (early < len(whole) - 2)]
    if len(early):
        early = early[np.insert(np.diff(early) > 2, 0, True)]
        times[early] -= 0.3 * (times[early] - times[early - 1])
        inside = (grid > times[0]) & (grid < times[-1])
        beats = np.where(inside, PchipInterpolator(times, whole)(grid, extrapolate=True), beats)
    return Heart(grid, rate, breath, beats, beat_shape(age))
