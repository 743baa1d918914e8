import cv2
import numpy as np
import pytest
from skin_maps import skin_maps

from rppg_graph import synthetic
from rppg_graph.synthetic.head import EYE_V, MOUTH_V

SMALL = {"seconds": 3.0, "fps": 15.0, "size": (96, 128), "head": "procedural", "skin_tone": 3.0}


def stack(recording) -> np.ndarray:
    return np.stack(list(recording.frames())).astype(np.float64)


def recording(still: dict, **overrides):
    return synthetic.generate("easy", 5, **SMALL | still | {"pulse_strength": 0.0} | overrides)


def changes(frames: np.ndarray) -> np.ndarray:
    """Where anything happens over time: (H, W)."""
    return np.ptp(frames, axis=0).max(axis=-1)


def test_without_pulse_and_disturbance_nothing_changes(still):
    assert changes(stack(recording(still))).max() == 0


ALONE = {
    "sway": 0.1, "turn_degrees": 5.0, "looks_per_minute": 60.0, "rhythm": 0.1, "nod_degrees": 5.0, "chewing": 1.0,
    "shake": 0.1, "ballistic": 0.1, "breathing": 0.2, "blinks_per_minute": 90.0, "talking": 0.8,
    "expressions_per_minute": 60.0, "saccades_per_minute": 240.0, "light_drift": 0.1, "flicker": 0.1, "spot": 0.1,
    "screen": 0.5, "shadows_per_minute": 60.0, "camera_steps_per_minute": 60.0, "background_motion": 1.0,
    "noise_levels": 2.0, "pulse_strength": 0.2,
}  # fmt: skip
TOGETHER = ({"flicker": 0.1, "readout": 0.9, "flicker_hz": 100.0}, {"light_swing": 10.0, "flicker_hz": 1.5})


@pytest.mark.parametrize("cause", [*({name: value} for name, value in ALONE.items()), *TOGETHER], ids="-".join)
def test_each_disturbance_shows(still, cause):
    assert changes(stack(recording(still, **cause))).max() >= 3


@pytest.mark.parametrize(
    "cover", [{"mask": True}, {"hand": True}, {"beard": 1.0}, {"makeup": 0.8}, {"glasses": True}], ids=str
)
def test_what_covers_the_skin_hides_its_pulse(still, cover):
    bare = {"beard": 0.0, "glasses": False}
    open_skin, covered = (next(skin_maps(recording(still, **bare | what))).sum() for what in ({}, cover))
    assert covered < 0.97 * open_skin


def test_a_moving_background_leaves_the_face_alone(still):
    moving = recording(still, background_motion=1.0)
    changed, skin = changes(stack(moving)) > 0, next(skin_maps(moving)) > 0.3
    skin = cv2.erode(skin.astype(np.uint8), np.ones((3, 3))) > 0  # without the soft edge
    assert changed[~skin].mean() > 0.3
    assert not changed[skin].any()


def test_saccades_move_the_eyes_alone_and_expressions_mouth_and_brows(still):
    def changed_rows(**cause) -> np.ndarray:
        """v of the changed pixels, in half face widths from the face's centre."""
        moved = recording(still, **cause)
        rows = np.nonzero(changes(stack(moved)) > 2)[0]
        return (rows + 0.5 - moved._scene.pose[0, 1]) / moved._scene.pose[0, 2]

    eyes = changed_rows(saccades_per_minute=240.0)
    assert np.abs(eyes - EYE_V).max() < 0.2
    face = changed_rows(expressions_per_minute=60.0)
    assert (np.abs(face - MOUTH_V) < 0.5).any()
    assert (face < EYE_V).any()
    assert face.min() > -1.2
    assert face.max() < 1.2


@pytest.mark.slow
def test_a_smile_widens_and_lifts_the_mouth(still):
    smiling = recording(still, expressions_per_minute=60.0, size=(240, 320), beard=0.0, seconds=6.0)
    smile = smiling._scene.smile
    rest, broad = (stack(smiling)[at] for at in (smile.argmin(), smile.argmax()))
    assert smile.max() > 0.5 > smile.min() + 0.3
    x, y, scale = smiling._scene.pose[0, :3]
    corner = (slice(int(y + 0.3 * scale), int(y + 0.55 * scale)), slice(int(x + 0.35 * scale), int(x + 0.6 * scale)))
    lifted = cv2.calcOpticalFlowFarneback(
        *(frame.mean(axis=-1).astype(np.uint8) for frame in (rest, broad)), None, 0.5, 2, 15, 3, 5, 1.1, 0
    )[corner]
    assert lifted[..., 1].mean() < -0.3  # upwards
    assert lifted[..., 0].mean() > 0  # outwards


def test_white_balance_steps_change_the_colour_and_exposure_steps_the_level(still):
    gain = recording(still, camera_steps_per_minute=60.0, camera_step=0.1)._scene.gain
    assert np.ptp(gain[:, 0] / gain[:, 1]) > 0.005
    assert np.ptp(gain[:, 1]) / gain[0, 1] > 0.01
    steady = recording(still)._scene.gain
    assert np.ptp(steady, axis=0).max() == 0


def test_a_screen_lights_in_its_own_changing_colour(still):
    lit = recording(still, screen=0.5, seconds=12.0)
    screen = lit._scene.lights[:, 1, 3:]
    assert np.ptp(screen[:, 0] / screen[:, 2]) > 0.1
    assert np.abs(np.diff(screen[:, 1])).max() > 5 * np.median(np.abs(np.diff(screen[:, 1])))  # pictures change at once


def test_a_shadow_passes_and_takes_its_depth_of_the_light(still):
    shaded = recording(still, shadows_per_minute=60.0, shadow_depth=0.5, gamma=1.0, seconds=6.0)
    green = stack(shaded)[..., 1]
    linear = (green[:, green.min(axis=0) > 10] / 255 + 0.055) / 1.055  # the tone curve's inverse
    left = linear.min(axis=0) / linear.max(axis=0)
    assert np.quantile(left, 0.2) == pytest.approx(0.5, abs=0.06)


def test_automatic_exposure_takes_slow_changes_back(still):
    fixed, automatic = (
        stack(recording(still, light_drift=0.2, auto_exposure=share, seconds=10.0))[:, 40:50, 60:70].mean(
            axis=(1, 2, 3)
        )
        for share in (0.0, 1.0)
    )
    assert automatic.std() < 0.75 * fixed.std()  # it follows with a lag of 0.7 s


@pytest.mark.parametrize("fps", [15.0, 24.0, 60.0])
def test_frames_are_dropped_and_late_as_asked(still, fps):
    on_time = synthetic.generate("easy", 1, seconds=20, fps=fps, size=(32, 32), **still).seconds
    assert np.diff(on_time) == pytest.approx(1 / fps)
    overrides = still | {"dropped": 0.1, "frame_jitter": 0.1}
    seconds = synthetic.generate("easy", 1, seconds=20, fps=fps, size=(32, 32), **overrides).seconds
    assert 0.84 < len(seconds) / len(on_time) < 0.96
    steps = np.diff(seconds) * fps
    assert (steps > 0).all()
    assert steps[steps < 1.5].std() == pytest.approx(0.1 * np.sqrt(2), rel=0.2)
    assert (steps > 1.5).mean() == pytest.approx(0.1, abs=0.05)


def test_mains_light_comes_at_its_alias_and_in_bands_where_rows_are_read_one_after_the_other(still):
    def green(readout: float) -> np.ndarray:
        lit = recording(still, flicker=0.2, flicker_hz=120.0, readout=readout, gamma=1.0, fps=29.5, seconds=8.0)
        frames = stack(lit)[..., 1]
        return centred(frames[:, :, frames.mean(axis=(0, 1)).argmax()])  # (T, H), one column

    def at_alias(wave: np.ndarray) -> complex:
        return wave.T @ np.exp(-2j * np.pi * 2.0 * np.arange(len(wave)) / 29.5)  # 120 = 4 · 29.5 + 2

    at_once, rolling = at_alias(green(0.0)), at_alias(green(0.9))
    assert np.abs(np.angle(at_once / at_once.mean()))[np.abs(at_once) > 0.3 * np.abs(at_once).max()].max() < 0.3
    turns = np.unwrap(np.angle(rolling))[[0, -1]]
    assert np.ptp(turns) / (2 * np.pi) == pytest.approx(120 * 0.9 / 29.5, rel=0.05)


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)


def test_a_light_on_one_half_of_the_face_leaves_the_other_and_the_background_alone(still):
    half = recording(still, spot=0.2, spot_on="left", gloss=0.0)
    changed, middle = changes(stack(half)) > 2, int(half._scene.pose[0, 0])
    skin = next(skin_maps(half)) > 0.3
    assert changed[:, : middle - 4][skin[:, : middle - 4]].mean() > 0.9
    assert not changed[:, middle + 4 :].any()
    assert not changed[:, : int(half.boxes[0, 0] - half.boxes[0, 2])].any()


def test_a_printed_head_is_flat_and_has_neither_pulse_nor_lids(still):
    alive = {"pulse_strength": 0.3, "blinks_per_minute": 90.0}
    card = recording(still, printed=True, **alive)
    assert changes(stack(card)).max() == 0
    assert next(skin_maps(card)).max() == 0
    head, card = next(recording(still).frames()).astype(float), next(card.frames()).astype(float)
    face = (slice(40, 55), slice(58, 70))
    assert np.corrcoef(head[face].ravel(), card[face].ravel())[0, 1] > 0.8  # of the same person
