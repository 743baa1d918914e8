"""The presets: for each parameter a range to draw from; what is not named has its default in `Parameters`.

A line is about one thing, as the groups of `Parameters` are. Parameters are drawn in the order of the keys: in another
order, the same seed is another person.
"""

from __future__ import annotations

Range = tuple[float, float] | list | float | str | bool | None  # drawn evenly, one of, or fixed

EASY: dict[str, Range] = {
    "head": ["procedural", "procedural", "astronaut"], "skin_tone": (1.0, 8.0), "age": (18.0, 75.0),
    "beard": [0.0, 0.0, 0.4, 1.0], "glasses": [False, False, True],
    "bpm": (45.0, 150.0), "drift_bpm": (0.3, 1.0), "sinus_arrhythmia_bpm": (0.5, 2.5),
    "breaths_per_minute": (10.0, 20.0),
    "pulse_strength": (0.025, 0.05), "transit_seconds": (0.0, 0.06),
    "face_size": (0.17, 0.23), "face_x": (0.42, 0.58), "face_y": (0.42, 0.50), "sway": (0.003, 0.012),
    "turn_degrees": (0.2, 1.0), "motion_hz": (0.2, 0.5),
    "light_azimuth": (-60.0, 60.0), "light_elevation": (10.0, 60.0), "light_kelvin": (4000.0, 6500.0),
    "ambient": (0.4, 0.8), "light_drift": (0.0, 0.01),
    "exposure": (120.0, 175.0), "blur_pixels": (0.4, 0.8), "noise_levels": (0.5, 1.5), "gamma": (2.0, 2.4),
    "box_jitter": (0.0003, 0.0012),
    "codec": "h264",
}  # fmt: skip

OFFICE: dict[str, Range] = EASY | {
    "skin_tone": (1.0, 10.0),
    "drift_bpm": (0.5, 2.0), "sinus_arrhythmia_bpm": (0.5, 4.0), "bpm": (48.0, 130.0),
    "ectopic_per_minute": [0.0, 0.0, 0.0, 2.0],
    "makeup": [0.0, 0.0, 0.0, 0.5],
    "pulse_strength": (0.018, 0.04), "pulse_colour_jitter": 0.06,
    "sway": (0.01, 0.04), "turn_degrees": (0.5, 2.0), "motion_hz": (0.3, 0.7), "looks_per_minute": (0.0, 2.0),
    "talking": (0.0, 0.3), "blinks_per_minute": (8.0, 25.0),
    "light_kelvin": (2800.0, 7500.0), "light_drift": (0.005, 0.02), "flicker": (0.0, 0.003), "flicker_hz": (0.2, 12.0),
    "screen": (0.0, 0.015),
    "exposure": (90.0, 180.0), "camera_steps_per_minute": (0.0, 1.5), "camera_step": 0.015, "auto_exposure": (0.0, 0.8),
    "background_motion": (0.0, 0.3), "blur_pixels": (0.4, 1.2), "noise_levels": (1.0, 3.0), "frame_jitter": (0.0, 0.05),
    "box_jitter": (0.0005, 0.002),
    "codec": ["h264", "mjpeg"], "kbit_per_second": (3000.0, 8000.0),
    "expressions_per_minute": (0.0, 4.0), "saccades_per_minute": (10.0, 40.0),
    "shutter": (0.1, 0.5),
}  # fmt: skip

PRESETS: dict[str, dict[str, Range]] = {
    "easy": EASY,
    "office": OFFICE,
    "motion": OFFICE | {
        "bpm": (50.0, 160.0), "recovery_bpm": (0.0, 20.0),
        "sway": (0.08, 0.25), "turn_degrees": (4.0, 9.0), "motion_hz": (0.8, 2.0), "looks_per_minute": (4.0, 15.0),
        "rhythm": [0.0, 0.03, 0.08], "rhythm_hz": (0.8, 2.2), "talking": (0.3, 0.9),
        "expressions_per_minute": (2.0, 12.0),
        "shutter": (0.2, 0.8),
    },
    "dark": OFFICE | {
        "exposure": (45.0, 85.0), "noise_levels": (3.0, 7.0),
        "ambient": (0.2, 0.6), "light_kelvin": (2400.0, 5000.0), "screen": (0.02, 0.2),
        "shutter": (0.6, 1.0), "blur_pixels": (0.8, 1.8),
    },
    "compressed": OFFICE | {"codec": "h264", "kbit_per_second": (120.0, 500.0)},
    "hard": OFFICE | {
        "bpm": (45.0, 150.0), "recovery_bpm": [0.0, 10.0, 25.0],
        "mask": [False, False, False, False, True],
        "sway": (0.06, 0.25), "turn_degrees": (3.0, 9.0), "motion_hz": (0.8, 2.5), "looks_per_minute": (3.0, 15.0),
        "rhythm": [0.0, 0.03, 0.08], "rhythm_hz": (0.8, 2.2), "talking": (0.2, 0.9),
        "expressions_per_minute": (0.0, 12.0),
        "shutter": (0.2, 0.9),
        "pulse_strength": (0.010, 0.022),
        "light_drift": (0.02, 0.08), "flicker": (0.0, 0.015), "screen": (0.0, 0.3), "shadows_per_minute": (0.0, 6.0),
        "shadow_depth": (0.1, 0.4),
        "exposure": (45.0, 190.0), "camera_steps_per_minute": (0.0, 8.0), "camera_step": 0.04,
        "background_motion": (0.0, 1.0), "blur_pixels": (0.5, 1.8), "noise_levels": (2.0, 6.0),
        "frame_jitter": (0.0, 0.15), "dropped": (0.0, 0.03),
        "box_jitter": (0.001, 0.006),
        "kbit_per_second": (120.0, 1500.0),
    },
    # Somebody who sits still in even light with a weak pulse, as the people of UBFC-rPPG.
    "still": EASY | {
        "skin_tone": (1.0, 10.0),
        "drift_bpm": (0.5, 2.0), "sinus_arrhythmia_bpm": (0.5, 4.0),
        "pulse_strength": (0.004, 0.016), "pulse_colour_jitter": 0.06,
        "face_size": (0.14, 0.22), "sway": (0.002, 0.015), "turn_degrees": (0.1, 0.8), "motion_hz": (0.2, 0.6),
        "looks_per_minute": (0.0, 1.0), "blinks_per_minute": (8.0, 25.0), "talking": [0.0, 0.0, 0.1],
        "expressions_per_minute": (0.0, 2.0), "saccades_per_minute": (10.0, 40.0),
        "shutter": (0.1, 0.5),
        "light_kelvin": (2800.0, 7500.0), "light_drift": (0.0, 0.006), "screen": [0.0, 0.0, 0.008],
        "blur_pixels": (0.4, 1.2), "exposure": (90.0, 180.0), "frame_jitter": (0.0, 0.03),
        "box_jitter": (0.0005, 0.002),
        "kbit_per_second": (90.0, 260.0),
    },
    # One half of the face disturbed, the other not: a lamp that flickers or swings at one side, a hand, glasses.
    "local": OFFICE | {
        "flicker": 0.0, "flicker_hz": (0.7, 3.0), "light_swing": [0.0, 0.0, 3.0], "spot": (0.005, 0.06),
        "spot_hz": (0.7, 3.0), "spot_on": ["left", "right"], "flicker_red": (0.7, 1.3), "flicker_blue": (0.7, 1.3),
        "hand": [False, False, True], "glasses": [False, True],
    },
}  # fmt: skip
