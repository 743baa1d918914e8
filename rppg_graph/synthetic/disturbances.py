"""What is periodic and no pulse: the kinds of disturbance, what has no pulse, and how their parameters are drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

CELLS = 3  # that either part has of a range, in turn
HERTZ = (0.7, 3.0)
MAINS = ((100, 4), (100, 4), (120, 5), (120, 4), (120, 4), (100, 3), (120, 3), (100, 2), (120, 2))  # Hz, by a frame
FPS = [24.0, 25.0, 29.97, 30.0]
LOSSY_VIDEO = ["h264", "hevc", "vp9", "mpeg4"]


class Disturbance(NamedTuple):
    """What to draw, and which of it says how strong and, in hertz, how fast it is."""

    strength: str | None
    rate: str | None
    ranges: dict[str, Any]


# What a codec does shows best where nothing else changes: a camera that takes its own noise away, even light.
QUIET_CAMERA = {"noise_levels": (0.0, 1.5), "light_drift": 0.0, "background_motion": 0.0, "auto_exposure": 0.0}
TINT = {"flicker_red": (0.5, 1.5), "flicker_blue": (0.5, 1.5)}
DISTURBANCES: dict[str, Disturbance] = {
    "nothing": Disturbance(None, None, {}),
    "lamp": Disturbance(
        "flicker", "flicker_hz", {"flicker": (0.003, 0.03), "flicker_hz": HERTZ, "flicker_harmonic": [0.0, 0.0, 0.4]}
    ),
    "coloured lamp": Disturbance(
        "flicker",
        "flicker_hz",
        {"flicker": (0.003, 0.03), "flicker_hz": HERTZ, "flicker_red": (0.0, 2.0), "flicker_blue": (0.0, 2.0)},
    ),
    "mains": Disturbance("flicker", "flicker_hz", {"flicker": (0.004, 0.03), "readout": [0.0, 0.0, 0.3, 0.8]} | TINT),
    "swinging lamp": Disturbance("light_swing", "flicker_hz", {"light_swing": (0.5, 5.0), "flicker_hz": HERTZ}),
    "lamp on the face": Disturbance(
        "spot",
        "spot_hz",
        {"spot": (0.003, 0.03), "spot_hz": HERTZ, "spot_on": ["head", "head", "left", "right"]} | TINT,
    ),
    "screen": Disturbance("screen", None, {"screen": (0.02, 0.3), "cuts_per_minute": (6.0, 40.0)}),
    "television": Disturbance(
        "screen", "cuts_per_minute", {"screen": (0.02, 0.3), "cuts_per_minute": (45.0, 180.0), "regular_cuts": True}
    ),
    "jogging": Disturbance("rhythm", "rhythm_hz", {"rhythm": (0.02, 0.12), "rhythm_hz": (1.2, 3.0)}),
    "nodding": Disturbance("nod_degrees", "rhythm_hz", {"nod_degrees": (1.0, 6.0), "rhythm_hz": (0.7, 2.0)}),
    "chewing": Disturbance("chewing", "rhythm_hz", {"chewing": (0.3, 1.0), "rhythm_hz": (0.8, 2.2)}),
    "car": Disturbance("shake", "shake_hz", {"shake": (0.01, 0.06), "shake_hz": (0.8, 2.5)}),
    "breathing": Disturbance(
        "breathing", "breaths_per_minute", {"breathing": (0.03, 0.15), "breaths_per_minute": (12.0, 40.0)}
    ),
    "key frames": Disturbance(
        "kbit_per_second",
        "key_frame_every",
        {"kbit_per_second": (60.0, 800.0), "key_frame_every": (15, 50), "codec": LOSSY_VIDEO} | QUIET_CAMERA,
    ),
    "rate control": Disturbance(
        "kbit_per_second",
        "key_frame_every",
        {"kbit_per_second": (40.0, 120.0), "key_frame_every": (51, 250), "codec": LOSSY_VIDEO} | QUIET_CAMERA,
    ),
}
LAST_ALONE = ("swinging lamp", "car")

PERSON = "person"
_DEAD = {"pulse_strength": 0.0, "blinks_per_minute": 0.0, "talking": 0.0, "expressions_per_minute": 0.0,
         "saccades_per_minute": 0.0, "ballistic": 0.0, "breathing": 0.0, "looks_per_minute": 0.0}  # fmt: skip
_PICTURE = _DEAD | {"printed": True, "sway": [0.0, 0.0, 0.01], "turn_degrees": 0.0}
SUBJECTS: dict[str, dict[str, Any]] = {  # all without a pulse but the first
    PERSON: {"mask": [False] * 9 + [True]},
    "photograph": _PICTURE,
    "face on a screen": _PICTURE | {"spot": [0.0, 0.003, 0.01], "spot_hz": HERTZ, "gloss": 0.0},
    "mannequin": _DEAD | {"sway": 0.0, "turn_degrees": 0.0, "gloss": (0.05, 0.3)},
    "mask": {"pulse_strength": 0.0, "gloss": (0.03, 0.2)},  # of the whole face; who wears it lives on
    "frames in no order": {},
    "one frame": {},
}
# What has no pulse under a disturbance: who chews wears a mask, and a single frame moves no more.
PULSELESS = ("photograph", "face on a screen", "mannequin", "mask")
PULSELESS_UNDER = dict.fromkeys(DISTURBANCES, PULSELESS) | {
    "nothing": (*PULSELESS, "frames in no order", "one frame"),
    "rate control": ("photograph", "mannequin", "one frame"),
    "key frames": ("photograph", "photograph", "mannequin", "one frame"),
    "chewing": ("mask",),
    "breathing": ("mask", "photograph"),
    "lamp on the face": ("photograph", "mannequin", "mask"),
}


def draw(choice: Any, rng: np.random.Generator, last: bool) -> Any:
    """Draw a parameter: one of a list; or from a range, of which the last test has other cells or odd whole numbers."""
    if isinstance(choice, list):
        return choice[rng.integers(len(choice))]
    if not isinstance(choice, tuple):
        return choice
    low, high = choice
    if isinstance(low, int):
        values = [value for value in range(low, high + 1) if value % 2 == last]
        return values[rng.integers(len(values))]
    cell, inside = divmod(rng.uniform(0, CELLS), 1.0)
    return low + (high - low) * (2 * cell + last + inside) / (2 * CELLS)


def draw_disturbance(
    kind: str, rng: np.random.Generator, *, fps: float | None = None, last: bool = False
) -> tuple[float, dict[str, Any]]:
    """Frame rate and parameters of a kind of disturbance; a frame rate that is given is kept."""
    drawn = {name: draw(choice, rng, last) for name, choice in DISTURBANCES[kind].ranges.items()}
    if kind == "mains":  # a camera whose rate is a little off a divisor of the light's
        alias = draw(HERTZ, rng, last) * (-1.0 if rng.random() < 0.5 else 1.0)
        hz, by = MAINS[rng.integers(len(MAINS))]
        fps, hz = ((hz + alias) / by, hz) if fps is None else (fps, round(hz / fps) * fps + alias)
        return fps, drawn | {"flicker_hz": float(hz)}
    return fps or draw(FPS, rng, last), drawn


def rate_hz(kind: str, p: dict[str, Any], fps: float) -> float | None:
    """How often a disturbance with these parameters comes, as a camera sees it; None where it has no rate."""
    name = DISTURBANCES[kind].rate
    if name is None or p[name] is None:
        return None
    if name == "key_frame_every":
        return fps / p[name]
    hz = p[name] / (60 if name.endswith("per_minute") else 1)
    return abs(hz - round(hz / fps) * fps)
