"""What happens in front of the camera: the course of head, light and camera over a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rppg_graph.synthetic.cardiac import Heart, smooth_noise
from rppg_graph.synthetic.head import FACE_BOX
from rppg_graph.synthetic.light import event_times, light_course, rolling_bands, shadows
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.render import DELAY_STEPS, Instant
from rppg_graph.synthetic.skin import pulse_colour, pulse_visibility

BACKDROP_SHAKEN = 0.3  # share of a vehicle's shaking: the camera is fixed in it, the head is not


@dataclass(frozen=True)
class Scene:
    """Tracks over the T frames of a recording, each (T, ...) float64; see `render.Instant` for the units."""

    pose: np.ndarray
    absorption: np.ndarray
    ambient: np.ndarray
    lights: np.ndarray
    shadow: np.ndarray
    eyelid: np.ndarray
    mouth: np.ndarray
    smile: np.ndarray
    brow: np.ndarray
    gaze: np.ndarray
    backdrop: np.ndarray
    spot: np.ndarray  # (T, 3), relative change of R, G, B of the light on a part of the face alone
    gain: np.ndarray  # (T, 3) of the camera: exposure and white balance
    bands: np.ndarray  # see `light.rolling_bands`

    def instant(self, frame: int) -> Instant:
        return Instant(*(getattr(self, name)[frame] for name in Instant._fields))


def build_scene(
    parameters: Parameters, seconds: np.ndarray, fps: float, size: tuple[int, int], heart: Heart, albedo: float,
    seed: np.random.SeedSequence,
) -> Scene:  # fmt: skip
    """Draw the course of everything from the parameters.

    Args:
        seconds: (T,) of the frames; fps: nominal; size: (H, W) of the frame.
        albedo: linear green of the face, by which the camera is exposed.
    """
    motion, light, camera, skin, face, extra = (np.random.default_rng(child) for child in seed.spawn(6))
    ambient, lights, brightness, phase = light_course(parameters, seconds, light)
    smile, brow = _expressions(parameters, seconds, face)
    pose = _pose(parameters, seconds, size, heart, motion)
    shake = parameters.face_size * size[0] * shaking(parameters, seconds, extra)
    pose[:, :2] += shake
    return Scene(
        pose=pose,
        absorption=_absorption(parameters, seconds, heart, skin),
        ambient=ambient,
        lights=lights,
        shadow=shadows(parameters, seconds, light),
        eyelid=_blinks(parameters, seconds, motion),
        mouth=_speech(parameters, seconds, motion)
        + 0.08 * parameters.chewing * (1 + np.sin(exercise_phase(parameters, seconds, extra))),  # the jaw at every bite
        smile=smile,
        brow=brow,
        gaze=_gaze(parameters, seconds, face),
        backdrop=20
        * parameters.background_motion
        * np.stack([smooth_noise(seconds, (0.05, 0.8), camera) for _ in "xy"], 1)
        - BACKDROP_SHAKEN * shake,
        spot=parameters.spot
        * np.sin(2 * np.pi * parameters.spot_hz * seconds + extra.uniform(0, 2 * np.pi))[:, None]
        * (parameters.flicker_red, 1.0, parameters.flicker_blue),
        gain=_camera_gain(parameters, seconds, albedo, brightness, camera),
        bands=rolling_bands(parameters, seconds, size[0], fps, phase),
    )


def _pose(
    p: Parameters, seconds: np.ndarray, size: tuple[int, int], heart: Heart, rng: np.random.Generator
) -> np.ndarray:
    """Centre x, y, half face width in pixels, yaw, pitch, roll in radians: (T, 6)."""
    height, width = size
    scale = p.face_size * height

    def wander(deviation: float) -> np.ndarray:
        return deviation * smooth_noise(seconds, (0.05, max(p.motion_hz, 0.06)), rng)

    looks = np.zeros(len(seconds))
    for time in event_times(p.looks_per_minute, seconds, rng):
        hold = rng.uniform(0.4, 2.0)
        looks += rng.choice([-1, 1]) * rng.uniform(8, 20) * _hold(seconds, time, hold, 0.3)
    exercise = exercise_phase(p, seconds, rng)
    aside, up = stride(p, exercise)
    # the head nods back as the aorta fills: the second derivative of the pulse, scaled to its peak
    recoil = np.gradient(np.gradient(heart.pulse(heart.grid + 0.1), heart.grid), heart.grid)
    recoil = np.interp(seconds, heart.grid, recoil / max(np.ptp(recoil), 1e-9))
    breath = heart.breath(seconds)
    x = wander(p.sway) + aside
    y = wander(0.6 * p.sway) + up + p.ballistic * recoil - 0.5 * p.breathing * breath
    yaw = np.clip(wander(p.turn_degrees) + looks, -28, 28)
    pitch = wander(0.5 * p.turn_degrees) + 0.3 * p.rhythm * 20 * np.sin(exercise) + 0.15 * np.abs(looks)
    pitch = np.clip(pitch + p.nod_degrees * np.sqrt(2) * np.sin(exercise), -20, 20)
    roll = wander(0.5 * p.turn_degrees)
    return np.stack(
        [
            p.face_x * width + scale * x,
            p.face_y * height + scale * y,
            scale * (1 + wander(0.3 * p.sway) + 0.2 * p.breathing * breath),
            *np.radians([yaw, pitch + 20 * p.ballistic * recoil, roll]),
        ],
        axis=1,
    )


def exercise_phase(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Phase (T,) of steps or nods: the pace wanders by a radian or so, as no person keeps time."""
    return 2 * np.pi * p.rhythm_hz * seconds + rng.uniform(0, 2 * np.pi) + smooth_noise(seconds, (0.02, 0.2), rng)


def stride(p: Parameters, exercise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Motion in x, from foot to foot, and y, with every step, in half face widths: two (T,)."""
    return p.rhythm * 0.5 * np.sqrt(2) * np.sin(exercise / 2), p.rhythm * np.sqrt(2) * np.sin(exercise)


def shaking(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A vehicle's shaking, narrow in frequency, in half face widths: (T, 2)."""
    band = (0.9 * p.shake_hz, 1.1 * p.shake_hz)
    return p.shake * np.stack([share * smooth_noise(seconds, band, rng) for share in (0.5, 1.0)], axis=1)


def _hold(seconds: np.ndarray, start: float, hold: float, ramp: float) -> np.ndarray:
    """0 to 1 and back: a smooth step up at start and down after hold seconds."""
    return 0.5 * (np.tanh((seconds - start) / ramp * 2) - np.tanh((seconds - start - hold) / ramp * 2))


def _absorption(p: Parameters, seconds: np.ndarray, heart: Heart, rng: np.random.Generator) -> np.ndarray:
    """Relative loss of R, G, B on the strongest skin, at each delay: (T, DELAY_STEPS, 3).

    More blood absorbs more light, so a systolic peak is a minimum of the intensity. pulse_strength is that of green.
    """
    colour = pulse_colour(p.skin_tone, p.pulse_colour_jitter * rng.standard_normal(3))
    delays = np.linspace(0, p.transit_seconds, DELAY_STEPS)
    pulse = np.stack([heart.pulse(seconds - delay) for delay in delays], axis=1)
    return p.pulse_strength * pulse_visibility(p.skin_tone) * pulse[..., None] * colour / colour[1]


def _blinks(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    times = event_times(p.blinks_per_minute, seconds, rng)
    if len(times) == 0:
        return np.zeros(len(seconds))
    return np.minimum(1.0, 1.15 * np.exp(-0.5 * ((seconds[:, None] - times) / 0.07) ** 2).max(axis=1))


def _speech(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Opening of the mouth: syllables at 2-6 Hz within phrases that fill the given share of the time."""
    phrase = smooth_noise(seconds, (0.05, 0.35), rng)
    threshold = np.quantile(phrase, 1 - p.talking) if p.talking > 0 else np.inf
    envelope = np.clip((phrase - threshold) * 4, 0, 1)
    return 0.16 * envelope * np.clip(0.45 + 0.5 * smooth_noise(seconds, (2.0, 6.0), rng), 0, 1.3)


def _expressions(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Smiles and raised brows that come, stay for some seconds and go, 0 to 1: two (T,)."""
    tracks = np.zeros((2, len(seconds)))
    for time in event_times(p.expressions_per_minute, seconds, rng):
        which, height, hold = int(rng.random() < 0.4), rng.uniform(0.3, 1.0), rng.uniform(0.5, 4.0)
        tracks[which] += height * _hold(seconds, time, hold, 0.4)
    return tuple(np.clip(tracks, 0, 1))


def _gaze(p: Parameters, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where the eyes look, as a shift of the iris: rests between saccades, half of them at the camera: (T,)."""
    times = event_times(p.saccades_per_minute, seconds, rng)
    aims = rng.uniform(-0.09, 0.09, len(times)) * (rng.random(len(times)) < 0.5)
    gaze = np.zeros(len(seconds))
    for time, step in zip(times, np.diff(aims, prepend=0.0), strict=True):
        gaze += step * (0.5 + 0.5 * np.tanh((seconds - time) / 0.02))
    return gaze


def _camera_gain(
    p: Parameters, seconds: np.ndarray, albedo: float, brightness: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Gain of R, G, B: fixed exposure, what the automatics take back of the light, and steps: (T, 3)."""
    # an automatic exposure sees the whole picture: dark skin stays darker than light skin
    reflectance = albedo**0.55 * 0.4**0.45
    wanted = (p.exposure / 255) ** p.gamma  # close to the inverse of the tone curve
    gain = np.full((len(seconds), 3), wanted / (reflectance * (p.ambient + 0.75 * (1 - p.ambient)) * brightness.mean()))
    lag = np.exp(-np.gradient(seconds) / 0.7) if len(seconds) > 1 else np.zeros(1)
    seen = np.empty(len(seconds))
    level = brightness[0]
    for frame, value in enumerate(brightness):
        level += (1 - lag[frame]) * (value - level)
        seen[frame] = level
    gain *= ((seen / brightness.mean()) ** -p.auto_exposure)[:, None]
    for time in event_times(p.camera_steps_per_minute, seconds, rng):
        step = p.camera_step * (rng.standard_normal() + 0.4 * rng.standard_normal(3))
        gain *= 1 + np.clip(step, -0.4, 0.4) * (0.5 + 0.5 * np.tanh((seconds - time)[:, None] / 0.15))
    return gain


def face_boxes(pose: np.ndarray) -> np.ndarray:
    """The face's box in the frame, from the head's pose: (T, 4)."""
    x, y, scale, yaw, pitch, _ = pose.T
    u, v, width, height = FACE_BOX
    depth = 0.6  # of the middle of the face in front of the axis that the head turns about
    left = x + scale * (u * np.cos(yaw) + depth * np.sin(yaw))
    top = y + scale * (v * np.cos(pitch) + depth * np.sin(pitch))
    return np.stack([left, top, scale * width * np.cos(yaw), scale * height * np.cos(pitch)], axis=1)
