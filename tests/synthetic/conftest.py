"""A recording without noise, codec and motion, on which the pulse can be measured exactly."""

import pytest

from rppg_graph import synthetic

STILL = {
    "noise_levels": 0.0,
    "codec": "none",
    "sway": 0.0,
    "turn_degrees": 0.0,
    "looks_per_minute": 0.0,
    "rhythm": 0.0,
    "ballistic": 0.0,
    "breathing": 0.0,
    "blinks_per_minute": 0.0,
    "talking": 0.0,
    "light_drift": 0.0,
    "flicker": 0.0,
    "screen": 0.0,
    "shadows_per_minute": 0.0,
    "camera_steps_per_minute": 0.0,
    "background_motion": 0.0,
    "frame_jitter": 0.0,
    "dropped": 0.0,
    "box_jitter": 0.0,
    "blur_pixels": 0.0,
    "gloss": 0.0,
    "exposure": 110.0,
}


@pytest.fixture(scope="session")
def still() -> dict:
    """Overrides after which nothing but the pulse changes from frame to frame."""
    return dict(STILL)


@pytest.fixture(scope="session", params=["procedural", "astronaut"])
def pulsing(request, still) -> synthetic.SyntheticRecording:
    """Six seconds of a light face with a strong pulse that arrives everywhere at once."""
    overrides = still | {"pulse_strength": 0.2, "transit_seconds": 0.0, "skin_tone": 3.0, "beard": 0.0}
    return synthetic.generate(
        "easy",
        5,
        seconds=6,
        size=(120, 160),
        head=request.param,
        pulse_colour_jitter=0.0,
        gamma=1.0,
        **overrides | {"exposure": 70.0},
    )
