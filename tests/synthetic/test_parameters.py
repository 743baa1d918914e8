import json

import numpy as np
import pytest

from rppg_graph import synthetic
from rppg_graph.errors import InputError
from rppg_graph.synthetic.parameters import draw_parameters
from rppg_graph.synthetic.presets import PRESETS


def drawn(preset: str, seed: int, **overrides) -> dict:
    rngs = (np.random.default_rng([seed, part]) for part in (0, 1))
    return draw_parameters(preset, *rngs, overrides).model_dump()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_draw_of_a_preset_is_possible_and_in_its_ranges(preset):
    for seed in range(50):
        parameters = drawn(preset, seed)
        for name, choice in PRESETS[preset].items():
            if isinstance(choice, tuple):
                assert choice[0] <= parameters[name] <= choice[1]
            else:
                assert parameters[name] in (choice if isinstance(choice, list) else [choice])


def test_an_override_leaves_the_other_parameters_alone():
    plain, changed = drawn("hard", 3), drawn("hard", 3, bpm=61.0, head="astronaut")
    assert {name for name in plain if plain[name] != changed[name]} <= {"bpm", "head"}
    assert changed["bpm"] == 61.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"bpm": 0}, "bpm = 0"),
        ({"bpm": float("nan")}, "bpm"),
        ({"noise_levels": -1}, "noise_levels = -1"),
        ({"skin_tone": 11}, "skin_tone = 11"),
        ({"talking": 1.5}, "talking = 1.5"),
        ({"pulse_strength": "much"}, "pulse_strength = 'much'"),
        ({"codec": "h265"}, "did you mean h264"),
        ({"kbit_per_second": 0}, "kbit_per_second = 0"),
        ({"bmp": 60}, "did you mean bpm"),
        ({"seconds": 0}, "seconds = 0"),
        ({"seconds": float("nan")}, "seconds = nan"),
        ({"fps": 5}, "fps = 5"),
        ({"size": (241, 320)}, "size = \\(241, 320\\)"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 1.5}, "seed = 1.5"),
    ],
)
def test_impossible_parameters_are_refused_with_name_and_value(overrides, message):
    with pytest.raises(InputError, match=message):
        synthetic.generate("easy", **{"seed": 0} | overrides)


def test_an_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean office"):
        synthetic.generate("ofice", 0)


def test_all_parameters_are_stored_and_make_the_same_recording_again():
    recording = synthetic.generate("hard", 11, seconds=1, size=(64, 96))
    stored = json.loads(json.dumps(recording.parameters))
    preset, seed, person = (stored.pop(name) for name in ("preset", "seed", "person"))
    size, seconds = tuple(stored.pop("size")), stored.pop("duration_seconds")
    again = synthetic.generate(preset, seed, person=person, size=size, seconds=seconds, **stored)
    assert all(np.array_equal(a, b) for a, b in zip(recording.frames(), again.frames(), strict=True))


def test_the_presets_ask_for_what_makes_them_hard():
    def share(preset: str, test) -> float:
        return float(np.mean([test(drawn(preset, seed)) for seed in range(200)]))

    assert 0.5 < share("hard", lambda p: p["recovery_bpm"] > 0) < 0.8
    assert 0.15 < share("office", lambda p: p["ectopic_per_minute"] > 0) < 0.35
    always = ("expressions_per_minute", "saccades_per_minute", "shutter", "screen", "camera_steps_per_minute")
    for name in (*always, "dropped", "frame_jitter", "shadows_per_minute", "background_motion", "talking"):
        assert share("hard", lambda p, name=name: p[name] > 0) == 1
        assert share("easy", lambda p, name=name: p[name] == 0) == 1
