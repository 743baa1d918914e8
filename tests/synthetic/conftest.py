"""A recording without noise, codec and motion, on which the pulse can be measured exactly."""

import pytest

from rppg_graph import synthetic

STILL = dict.fromkeys(
    ("noise_levels", "sway", "turn_degrees", "looks_per_minute", "rhythm", "ballistic", "breathing",
     "blinks_per_minute", "talking", "light_drift", "flicker", "screen", "shadows_per_minute",
     "camera_steps_per_minute", "background_motion", "frame_jitter", "dropped", "box_jitter", "blur_pixels", "gloss"),
    0.0,
) | {"codec": "none", "exposure": 110.0}  # fmt: skip


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
