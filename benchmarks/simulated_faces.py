"""Simulated face traces with truth: people, and what only looks like them, under what is periodic and no pulse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rppg_graph.data.traces import GRID, FaceTraces

KINDS = ("none", "lamp", "mains", "screen", "jog", "nod", "chew", "ride", "key_frames", "held", "exposure")
_BLOOD = np.array([0.33, 0.78, 0.53])


def simulated(recordings: int, seed: int = 0) -> Iterator[tuple[FaceTraces, np.ndarray | None, str, str]]:
    """Yield (traces, rate in bpm at each frame or None, kind, person), three recordings a person; the third of them
    has no pulse: a photograph, a mask or an arm in front of the camera."""
    for number in range(recordings):
        person = number // 3
        own = np.random.default_rng([seed, person])
        tone = {
            "skin": np.array([150, 110, 90]) * own.uniform(0.35, 1.3) * (1 + 0.08 * own.standard_normal(3)),
            "bpm": own.uniform(45, 150),
            "strength": np.exp(own.uniform(np.log(0.0006), np.log(0.01))),
            "blood": _BLOOD * (1 + 0.08 * own.standard_normal(3)),
        }
        rng = np.random.default_rng([seed, person, number % 3, 1])
        alive = number % 3 != 2
        kind = str(rng.choice(KINDS, p=[0.3] + [0.07] * 10))
        traces, truth = _face(rng, tone, alive, kind)
        yield traces, truth, kind if alive else f"{kind}, no pulse", f"simulated-{seed}-{person}"


def _smooth(rng: np.random.Generator, frames: int, fps: float, low: float, high: float, columns: int = 1) -> np.ndarray:
    """Noise (frames, columns) of unit deviation between two frequencies, falling as 1 / f."""
    hz = np.fft.rfftfreq(frames, 1 / fps)[:, None]
    gain = np.where((hz >= low) & (hz <= high), 1 / np.maximum(hz, 0.1), 0)
    phases = rng.standard_normal((len(hz), columns)) + 1j * rng.standard_normal((len(hz), columns))
    wave = np.fft.irfft(gain * phases, frames, axis=0)
    return wave / np.maximum(wave.std(axis=0), 1e-12)


def _rhythm(rng: np.random.Generator, seconds: np.ndarray, hz: float, shape: int, drift: float = 0.01) -> np.ndarray:
    """A periodic wave (T,) of unit amplitude with `shape` harmonics, at a rate that wanders a little."""
    fps = 1 / (seconds[1] - seconds[0])
    phase = 2 * np.pi * np.cumsum(hz * (1 + drift * _smooth(rng, len(seconds), fps, 0, 0.2)[:, 0])) / fps
    wave = sum(rng.uniform(0.2, 0.6) ** (k - 1) * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, shape + 1))
    return wave / np.abs(wave).max()


def _light_up(
    rng: np.random.Generator, kind: str, seconds: np.ndarray, fps: float, hz: float, y: np.ndarray,
    strength: float, lights: tuple[np.ndarray, np.ndarray], shown: bool,
) -> None:  # fmt: skip
    """Add a lamp, the mains, a screen or exposure to the light of the face (T, P, 3) and of the wall (T, Q, 3).

    Args:
        y: (P,) where a patch is, down the crop.
        shown: whether the wall has it too.
    """
    face_light, wall_light = lights
    frames, patches, blocks = len(seconds), face_light.shape[1], wall_light.shape[1]
    tint = 1 + rng.choice([0.0, 0.05, 0.25]) * rng.standard_normal(3)
    if kind == "screen":
        steps = rng.random(frames) < rng.uniform(0.3, 2) / fps
        wave = np.cumsum(steps * rng.standard_normal(frames)) * 0.5
        wave = wave - np.convolve(np.pad(wave, frames // 2, "edge"), np.ones(frames) / frames, "same")[:frames]
        wave += rng.choice([0, 1]) * _rhythm(rng, seconds, hz, 2, 0.05)
    else:
        wave = _rhythm(rng, seconds, hz, 1 if kind == "mains" else int(rng.integers(1, 4)), 0.002)
    delays = np.zeros(patches), np.zeros(blocks)
    if kind == "mains" and rng.random() < 0.5:  # a rolling shutter
        turn = rng.uniform(0, 3)
        delays = turn * (y + 0.5) * 0.4 / (2 * np.pi * hz), turn * rng.random(blocks) / (2 * np.pi * hz)
    gains = rng.uniform(0.7, 1.3, patches) if kind != "exposure" else np.ones(patches)
    wall_gains = rng.uniform(0.2, 1.3, blocks) if kind != "exposure" else np.ones(blocks)
    lit = ((face_light, gains, delays[0], 1), (wall_light, wall_gains, delays[1], shown))
    for light, gain, delay, there in lit:
        late = np.stack([np.interp(seconds - d, seconds, wave) for d in delay], axis=1)
        light += there * strength * (late * gain)[:, :, None] * tint


def _shake(
    rng: np.random.Generator, kind: str, seconds: np.ndarray, hz: float, lights: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """How a head (T, 3) moves to the right, down and nearer, in shares of a side; what that does to the lights is added
    to them."""
    face_light, wall_light = lights
    shake, blocks = np.zeros((len(seconds), 3)), wall_light.shape[1]
    size = np.exp(rng.uniform(np.log(0.003), np.log(0.05)))
    wave, sideways = _rhythm(rng, seconds, hz, 2, 0.02), _rhythm(rng, seconds, hz / 2, 1, 0.02)
    shake[:, 1] = size * wave
    if kind == "jog":
        shake[:, 0] = size * rng.uniform(0, 0.7) * sideways
        shake[:, 2] = size * rng.uniform(0, 0.5) * wave
        face_light += (rng.uniform(0, 0.3) * size * wave)[:, None, None]  # nearer to and farther from the lamp
    if kind == "ride":
        slopes = rng.standard_normal((blocks, 1)) * 0.3 * (1 + 0.2 * rng.standard_normal((blocks, 3)))
        wall_light += shake[:, 1][:, None, None] * slopes
    return shake


def _pulse(
    rng: np.random.Generator, tone: dict, seconds: np.ndarray, fps: float, x: np.ndarray, y: np.ndarray,
    on_skin: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What a heart adds to the light of the patches (T, P, 3), and its rate in bpm (T,), a mean over ten seconds."""
    frames, patches = len(seconds), len(x)
    wander = rng.choice([1.0, 2.0, 6.0])
    rate = tone["bpm"] * (1 + 0.02 * rng.standard_normal()) + wander * _smooth(rng, frames, fps, 0.0, 0.1)[:, 0]
    rate = np.clip(rate + rng.uniform(0.5, 3) * np.sin(2 * np.pi * rng.uniform(0.15, 0.35) * seconds), 38, 210)
    phase = 2 * np.pi * np.cumsum(rate / 60) / fps
    late = phase[:, None] - 2 * np.pi * tone["bpm"] / 60 * rng.uniform(0, 0.06) * (y + 0.5 + 0.3 * x)
    second = rng.uniform(0.1, 0.5)
    wave = -(np.sin(late) + second * np.sin(2 * late + rng.uniform(0.5, 1.5))) / 1.2
    depth = tone["strength"] * rng.uniform(0.7, 1.3) * np.clip(1 + 0.4 * rng.standard_normal(patches), 0.1, 2)
    colour = tone["blood"] * (1 + rng.choice([0.0, 0.15]) * rng.uniform(-1, 1))
    beats = (wave * depth * on_skin)[:, :, None] * colour / 0.78
    grid = np.convolve(np.pad(rate, int(5 * fps), "edge"), np.ones(int(10 * fps)) / int(10 * fps), "same")
    return beats, grid[int(5 * fps) : int(5 * fps) + frames]


def _filmed(
    rng: np.random.Generator, fps: float, base: np.ndarray, wall: np.ndarray,
    lights: tuple[np.ndarray, np.ndarray], codec: tuple[np.ndarray, float, float],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Colours (T, P, 3) of the patches and (T, Q, 3) of the wall, in levels, as a camera and a codec (key frames, hold,
    jump) leave them."""
    (face_light, wall_light), (frames, patches), blocks = lights, lights[0].shape[:2], len(wall)
    gamma = rng.uniform(0.5, 1.0)  # of the camera
    noise = np.exp(rng.uniform(np.log(0.02), np.log(0.6)))  # levels, of a patch
    grey = face_light.mean(axis=2, keepdims=True)
    face_light = grey + rng.choice([1.0, rng.uniform(0.3, 1)]) * (face_light - grey)  # a codec thins out colour
    colours = base * np.maximum(face_light, 0.05) ** gamma
    coding = rng.choice([0.0, np.exp(rng.uniform(np.log(0.05), np.log(2.0)))])  # levels, of each patch by itself
    colours += coding * _smooth(rng, frames, fps, 0.2, 6, patches * 3).reshape(colours.shape)
    colours = _coded(rng, colours + noise * rng.standard_normal(colours.shape), *codec)
    walls = wall * np.maximum(wall_light, 0.05) ** gamma
    walls = _coded(rng, walls + noise * rng.uniform(0.3, 1) * rng.standard_normal(walls.shape), *codec)
    if rng.random() < 0.4:  # somebody walks past, a curtain moves
        walls += 3 * rng.random(blocks)[:, None] * _smooth(rng, frames, fps, 0.05, 1.5)[:, :, None] * np.ones(3)
    return colours, walls


def _boxes(rng: np.random.Generator, fps: float, seen: np.ndarray) -> np.ndarray:
    """The face's box (T, 4) of a head that is seen to move (T, 3), with a detector's tremble."""
    side = rng.uniform(80, 300)
    tremble = np.exp(rng.uniform(-8, -5.3)) * _smooth(rng, len(seen), fps, 0.1, 2.5, 3)
    return (side * (1 + seen + tremble))[:, [0, 1, 2, 2]]


def _at_rest(rng: np.random.Generator, tone: dict, on_skin: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours of the face's patches (P, 3) and of the wall's blocks (B, 3) in a light that does not change."""
    base = np.where(on_skin[:, None], tone["skin"], rng.uniform(15, 200, (1, 3)))
    base = base * (1 + 0.12 * rng.standard_normal((len(on_skin), 1)))
    return base, rng.uniform(20, 220, (blocks, 1)) * (1 + 0.15 * rng.standard_normal((blocks, 3)))


def _face(rng: np.random.Generator, tone: dict, alive: bool, kind: str) -> tuple[FaceTraces, np.ndarray | None]:
    fps = float(rng.choice([15, 24, 25, 29.97, 30, 30, 30, 50, 60]))
    seconds = np.arange(int(rng.uniform(15.2, 21) * fps)) / fps
    frames, patches, blocks = len(seconds), GRID * GRID, int(rng.integers(6, 40))
    y, x = (np.array(np.divmod(np.arange(patches), GRID)) + 0.5) / GRID - 0.5
    on_skin = (x / 0.38) ** 2 + ((y - 0.05) / 0.42) ** 2 < 1
    base, wall = _at_rest(rng, tone, on_skin, blocks)
    face_light, wall_light = np.ones((frames, patches, 3)), np.ones((frames, blocks, 3))

    drift = rng.uniform(0, 0.02) * _smooth(rng, frames, fps, 0.02, rng.uniform(0.2, 2), 2)
    face_light += drift[:, :1, None]
    wall_light += drift[:, rng.integers(2), None, None]
    move = _smooth(rng, frames, fps, 0.1, rng.uniform(0.5, 3), 3) * np.exp(rng.uniform(-8, -3.6))  # shares of a side
    hz, strength = rng.uniform(0.7, 3.4), np.exp(rng.uniform(np.log(0.002), np.log(0.04)))
    shake, jump = np.zeros((frames, 3)), 0.0
    hold = rng.choice([0.0, 0.0, rng.uniform(0.02, 0.5)]) if rng.random() < 0.7 else 0.0  # a codec
    keys = np.arange(frames) % int(rng.choice([250, 250, rng.integers(12, 61)])) == 0
    shown = rng.random() < 0.85  # what lights the face lights the wall too
    if kind in ("lamp", "mains", "screen", "exposure"):
        _light_up(rng, kind, seconds, fps, hz, y, strength, (face_light, wall_light), shown)
    elif kind in ("jog", "nod", "chew", "ride"):
        shake = _shake(rng, kind, seconds, hz, (face_light, wall_light))
    elif kind == "key_frames":
        period = max(6, round(fps / (hz / rng.choice([1, 1, 2]))))
        keys = np.arange(frames) % period == 0
        jump, hold = rng.uniform(0.3, 4), rng.choice([0.0, 0.1])
    elif kind == "held":
        hold = rng.uniform(0.2, 1.2)
    slopes = rng.standard_normal((patches, 2)) * rng.uniform(0.2, 1.5)  # relative brightness a side, over the crop
    slopes[~on_skin] *= 2
    shade = 1 + 0.25 * rng.standard_normal((patches, 3))  # edges between colours are not grey
    moved = move + shake
    lower = (y > 0.1) if kind == "chew" else np.ones(patches, dtype=bool)
    left = 1 - rng.uniform(0.3, 1)  # of the motion that the crop does not follow
    change = (move[:, :2] @ slopes.T) * left + (shake[:, :2] @ slopes.T) * lower * (left if kind != "chew" else 1)
    face_light += change[:, :, None] * shade

    beats, truth = _pulse(rng, tone, seconds, fps, x, y, on_skin) if alive else (0, None)
    face_light += beats
    colours, walls = _filmed(rng, fps, base, wall, (face_light, wall_light), (keys, hold, jump))
    boxes = _boxes(rng, fps, moved * (1.0 if kind != "chew" else 0.1))
    crops, known, still = rng.random(3) < (0.12, 0.7, 0.1)
    traces = FaceTraces(
        seconds,
        {"skin": np.clip(colours[:, on_skin].mean(axis=1), 0.5, 255).astype(np.float32)},
        np.clip(colours, 0.5, 255).astype(np.float32),
        None if crops else np.clip(walls, 0.5, 255).astype(np.float32),
        None if crops or still else boxes,
        keys if known else None,
    )
    return traces, truth


def _coded(rng: np.random.Generator, colours: np.ndarray, keys: np.ndarray, hold: float, jump: float) -> np.ndarray:
    """Colours (T, n, 3) as a codec leaves them: held until they change by `hold` levels, drawn anew at key frames."""
    if hold:
        out, threshold = colours.copy(), hold * rng.uniform(0.3, 1.5, colours.shape[1])
        for at in range(1, len(out)):
            small = (np.abs(out[at] - out[at - 1]).max(axis=1) < threshold) & ~keys[at]
            out[at, small] = out[at - 1, small]
        colours = out
    if jump:
        period = int(np.diff(np.flatnonzero(keys)[:2])[0])
        since = np.arange(len(colours)) % period
        error = rng.standard_normal((1, *colours.shape[1:])) + 0.7 * rng.standard_normal(3)
        fall = np.exp(-since / period * rng.uniform(0.5, 8))
        colours = colours + jump * 0.3 * error * (fall * (1 + 0.2 * rng.standard_normal(len(fall))))[:, None, None]
    return colours
