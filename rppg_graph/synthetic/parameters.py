"""The parameters of a synthetic recording, their limits, and how a preset's are drawn."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rppg_graph.errors import InputError
from rppg_graph.registry import choose
from rppg_graph.synthetic.codec import CODECS
from rppg_graph.synthetic.presets import PRESETS, Range


class Parameters(BaseModel):
    """One recording's settings; lengths on the head are in half face widths, levels in 8-bit levels."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)

    # who
    head: str = "procedural"  # "procedural", "astronaut", or the path of a portrait
    skin_tone: float = Field(3.0, ge=1, le=10)  # Monk scale
    age: float = Field(30.0, ge=5, le=100)
    beard: float = Field(0.0, ge=0, le=1)
    glasses: bool = False
    mask: bool = False
    hand: bool = False  # over one cheek
    printed: bool = False  # the head is a picture on a flat card
    makeup: float = Field(0.0, ge=0, le=1)  # share of the pulse it hides
    # heart
    bpm: float = Field(72.0, ge=40, le=180)
    drift_bpm: float = Field(1.0, ge=0, le=10)
    recovery_bpm: float = Field(0.0, ge=0, le=60)
    sinus_arrhythmia_bpm: float = Field(2.0, ge=0, le=15)
    breaths_per_minute: float = Field(15.0, ge=5, le=40)
    ectopic_per_minute: float = Field(0.0, ge=0, le=30)
    # pulse in the skin
    pulse_strength: float = Field(0.02, ge=0, le=0.5)  # peak to peak change of linear green on light skin
    pulse_colour_jitter: float = Field(0.05, ge=0, le=0.3)  # deviation of each channel's share
    strength_variation: float = Field(0.25, ge=0, le=0.8)  # over the skin, beside the anatomical pattern
    transit_seconds: float = Field(0.04, ge=0, le=0.3)  # latest minus earliest skin
    # where and how the head moves
    face_size: float = Field(0.18, ge=0.03, le=0.5)  # half face width over frame height
    face_x: float = Field(0.5, ge=0, le=1)
    face_y: float = Field(0.46, ge=0, le=1)
    sway: float = Field(0.02, ge=0, le=1)  # deviation
    turn_degrees: float = Field(1.5, ge=0, le=25)  # deviation of yaw; pitch and roll get half of it
    motion_hz: float = Field(0.4, gt=0, le=5)  # fastest of the above
    looks_per_minute: float = Field(0.0, ge=0, le=60)  # looking aside
    rhythm: float = Field(0.0, ge=0, le=1)  # deviation of a periodic motion, as on an exercise machine
    rhythm_hz: float = Field(1.2, gt=0, le=5)
    nod_degrees: float = Field(0.0, ge=0, le=15)  # deviation of a pitch at rhythm_hz
    chewing: float = Field(0.0, ge=0, le=1)  # opening of the jaw at rhythm_hz
    shake: float = Field(0.0, ge=0, le=1)  # deviation of a vehicle's shaking
    shake_hz: float = Field(1.5, gt=0, le=10)
    ballistic: float = Field(0.004, ge=0, le=0.1)  # nodding with each beat, peak to peak
    breathing: float = Field(0.01, ge=0, le=0.3)
    blinks_per_minute: float = Field(12.0, ge=0, le=90)
    talking: float = Field(0.0, ge=0, le=1)  # share of the time
    expressions_per_minute: float = Field(0.0, ge=0, le=60)  # smiles and raised brows
    saccades_per_minute: float = Field(0.0, ge=0, le=240)  # of the eyes
    # light
    light_azimuth: float = Field(20.0, ge=-180, le=180)  # degrees, to the camera's right
    light_elevation: float = Field(30.0, ge=-90, le=90)
    light_kelvin: float = Field(5000.0, ge=2000, le=12000)
    ambient: float = Field(0.5, ge=0, le=1)  # share
    light_drift: float = Field(0.01, ge=0, le=0.5)  # deviation
    flicker: float = Field(0.0, ge=0, le=0.5)  # amplitude
    flicker_hz: float = Field(4.0, gt=0, le=1000)  # of the lamp; the frame rate aliases it
    flicker_harmonic: float = Field(0.0, ge=0, le=1)  # amplitude at twice flicker_hz, over flicker
    flicker_red: float = Field(1.0, ge=0, le=3)  # amplitude of red over that of green, of flicker and spot
    flicker_blue: float = Field(1.0, ge=0, le=3)
    light_swing: float = Field(0.0, ge=0, le=60)  # degrees that the lamp swings to either side at flicker_hz
    spot: float = Field(0.0, ge=0, le=0.5)  # amplitude of a light that falls on spot_on alone, not on the background
    spot_hz: float = Field(1.5, gt=0, le=1000)
    spot_on: Literal["head", "left", "right"] = "head"  # in the picture, of a face that looks straight ahead
    screen: float = Field(0.0, ge=0, le=1)  # light of a screen that changes its colour, over the main light
    cuts_per_minute: float = Field(20.0, gt=0, le=300)  # of the screen's picture
    regular_cuts: bool = False
    shadows_per_minute: float = Field(0.0, ge=0, le=60)
    shadow_depth: float = Field(0.3, ge=0, le=1)
    gloss: float = Field(0.03, ge=0, le=0.5)
    # camera
    exposure: float = Field(150.0, ge=5, le=250)  # level of the green of light-brown skin; darker skin comes out darker
    camera_steps_per_minute: float = Field(0.0, ge=0, le=60)  # of exposure and white balance
    camera_step: float = Field(0.04, ge=0, le=0.5)
    auto_exposure: float = Field(0.0, ge=0, le=1)  # share of slow light changes that it takes back
    background_motion: float = Field(0.0, ge=0, le=1)
    blur_pixels: float = Field(0.5, ge=0, le=10)
    shutter: float = Field(0.0, ge=0, le=1)  # share of the frame interval that it is open, and the head smears
    readout: float = Field(0.0, ge=0, le=1)  # share of the frame interval from first to last row: a rolling shutter
    noise_levels: float = Field(1.0, ge=0, le=60)
    gamma: float = Field(2.4, ge=1, le=3)
    frame_jitter: float = Field(0.0, ge=0, le=0.45)  # deviation, of the frame interval
    dropped: float = Field(0.0, ge=0, le=0.5)  # share of frames
    codec: str = "none"
    kbit_per_second: float | None = Field(None, gt=0)  # at the recording's own size; None: nearly lossless
    key_frame_every: int | None = Field(None, ge=1, le=1000)  # frames; None: as the encoder likes
    # detector
    box_jitter: float = Field(0.001, ge=0, le=0.3)  # deviation, of the box's size, as of `data.face.FaceCropper`


PERSONAL = ("head", "skin_tone", "age", "beard", "glasses")  # the same in every recording of a person


def draw_parameters(
    preset: str, rng: np.random.Generator, person: np.random.Generator, overrides: dict[str, Any]
) -> Parameters:
    """Draw each parameter from the preset's range; overrides are taken as they are.

    Args:
        rng: draws what is the recording's own; person: draws what belongs to the person.

    Raises:
        InputError: unknown preset, unknown parameter, or a value outside the limits of `Parameters`.
    """
    ranges = choose("synthetic preset", PRESETS, preset)
    for name in overrides:
        choose("parameter of a synthetic recording", Parameters.model_fields, name)
    # every range is drawn, also the overridden ones, so that an override leaves all other parameters as they were
    drawn = {name: _draw(choice, rng) for name, choice in ranges.items() if name not in PERSONAL}
    drawn |= {name: _draw(ranges[name], person) for name in PERSONAL}
    drawn |= overrides
    choose("codec", CODECS, drawn.get("codec", "none"))
    try:
        return Parameters(**drawn)
    except ValidationError as error:
        problem = error.errors()[0]
        name = problem["loc"][0]
        raise InputError(
            f"synthetic recording: {name} = {problem['input']!r} is impossible: {problem['msg']}"
        ) from None


def _draw(choice: Range, rng: np.random.Generator):
    if isinstance(choice, tuple):
        return float(rng.uniform(*choice))
    if isinstance(choice, list):
        return choice[int(rng.integers(len(choice)))]
    return choice
