import cv2
import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt
from skin_maps import skin_maps

from rppg_graph import synthetic
from rppg_graph.data.face import FaceCropper, crop_square
from rppg_graph.synthetic.head import EYE_U, EYE_V, face_plane


def stack(frames) -> np.ndarray:
    return np.stack(list(frames)).astype(np.float64)


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)


@pytest.mark.parametrize("preset", synthetic.PRESETS)
def test_same_seed_same_bytes_and_another_seed_another_face(preset):
    one, same, other = (
        list(synthetic.generate(preset, seed, seconds=0.5, size=(64, 96)).frames()) for seed in (4, 4, 5)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one[0], other[0])


def test_shapes_and_labels_belong_to_the_frames():
    recording = synthetic.generate("hard", 2, seconds=3, fps=20, size=(96, 128), dropped=0.1, frame_jitter=0.2)
    frames = list(recording.frames())
    assert frames[0].shape == (96, 128, 3)
    assert frames[0].dtype == np.uint8
    assert len(frames) == len(recording.seconds) == len(recording.pulse) == len(recording.bpm) == len(recording.boxes)
    assert len(frames) < 60
    assert recording.seconds[0] == 0
    assert (np.diff(recording.seconds) > 0).all()
    assert recording.pulse.dtype == recording.bpm.dtype == np.float64


def test_skin_darkens_with_the_pulse_in_the_colour_of_blood(pulsing):
    frames = stack(pulsing.frames())
    skin = next(skin_maps(pulsing)) > 0.5
    assert skin.mean() > 0.02
    trace = frames[:, skin].mean(axis=1)  # (T, 3)
    relative = centred(trace / trace.mean(axis=0))
    pulse = centred(pulsing.pulse)
    assert np.corrcoef(relative[:, 1], pulse)[0, 1] < -0.999
    slope = relative.T @ pulse / (pulse @ pulse)
    assert slope / slope[1] == pytest.approx(np.array([0.33, 0.77, 0.53]) / 0.77, rel=0.08)


def test_local_amplitude_follows_the_strength_map(pulsing):
    frames = stack(pulsing.frames())[..., 1]
    strength = next(skin_maps(pulsing))
    pulse = centred(pulsing.pulse)
    slope = -np.tensordot(pulse, centred(frames) / np.maximum(frames.mean(axis=0), 1), 1) / (pulse @ pulse)
    inner = cv2.erode((strength > 0.1).astype(np.uint8), np.ones((5, 5))) > 0
    inner &= (frames.min(axis=0) > 40) & (frames.max(axis=0) < 250)  # neither coarsely rounded nor saturated
    assert np.corrcoef(slope[inner], strength[inner])[0, 1] > 0.97


def test_background_hair_eyes_and_clothes_have_no_pulse(pulsing):
    frames = stack(pulsing.frames())
    strength = next(skin_maps(pulsing))
    away = cv2.dilate(strength, np.ones((5, 5))) == 0
    assert away.mean() > 0.3
    assert np.abs(frames[:, away] - frames[0, away]).max() == 0
    u, v = face_plane()
    eye = np.minimum(np.hypot((u - EYE_U) / 0.2, (v - EYE_V) / 0.07), np.hypot((u + EYE_U) / 0.2, (v - EYE_V) / 0.07))
    assert pulsing._head.texture[eye < 0.8, 4].max() == 0


def test_the_pulse_reaches_the_neck_before_the_forehead(still):
    overrides = still | {"pulse_strength": 0.3, "transit_seconds": 0.2, "head": "procedural", "bpm": 60.0, "beard": 0.0}
    recording = synthetic.generate("easy", 1, seconds=8, size=(120, 160), skin_tone=3.0, drift_bpm=0.0, **overrides)
    frames, strength = stack(recording.frames())[..., 1], next(skin_maps(recording))
    _, y, _, height = recording.boxes[0]
    rows = np.arange(120)[:, None] * np.ones(160)
    forehead = (strength > 0.2) & (rows < y + 0.1 * height)
    low = (strength > 0.1) & (rows > y + 0.9 * height)

    def phase(mask):
        trace = centred(frames[:, mask].mean(axis=1))
        spectrum = np.fft.rfft(trace * np.hanning(len(trace)))
        at = 1 + np.abs(spectrum[1 : 2 * 8]).argmax()
        return np.angle(spectrum[at]), at / 8

    (later, hz), (earlier, _) = phase(forehead), phase(low)
    lag = -np.angle(np.exp(1j * (later - earlier))) / (2 * np.pi * hz)
    assert 0.04 < lag < 0.2


def test_noise_has_the_deviation_asked_for_and_is_white(still):
    overrides = still | {"noise_levels": 4.0, "pulse_strength": 0.0}
    frames = stack(synthetic.generate("easy", 3, seconds=2, size=(64, 96), **overrides).frames())
    noise = centred(frames)[:, (frames.mean(axis=0) > 30).all(-1) & (frames.mean(axis=0) < 220).all(-1)]
    assert noise.std() == pytest.approx(4.0, rel=0.05)
    flat = noise[..., 0]
    assert abs(np.corrcoef(flat[1:].ravel(), flat[:-1].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_darker_skin_shows_less_pulse(still):
    def amplitude(tone):
        overrides = still | {
            "pulse_strength": 0.2,
            "skin_tone": tone,
            "head": "procedural",
            "gamma": 1.0,
            "exposure": 60.0,
        }
        recording = synthetic.generate("easy", 5, seconds=3, size=(96, 128), **overrides)
        green = stack(recording.frames())[:, next(skin_maps(recording)) > 0.3, 1].mean(axis=1)
        return np.ptp(green) / green.mean()

    light, brown, dark = (amplitude(tone) for tone in (1.0, 5.0, 10.0))
    assert light > brown > dark > 0.3 * light


def test_crops_show_what_the_frame_shows_there(still):
    recording = synthetic.generate("easy", 8, seconds=0.5, head="astronaut", **still)
    for frame, crop, (left, top, side) in zip(
        recording.frames(), recording.crops(64), recording.crop_boxes(), strict=True
    ):
        cut = crop_square(frame, (left, top, side, side), 64)
        assert np.abs(cut.astype(float) - crop).mean() < 2.0


@pytest.mark.parametrize("moving", [{}, {"sway": 0.3, "motion_hz": 2.0, "shutter": 1.0}], ids=["still", "moving"])
def test_coded_crops_without_a_codec_are_those_of_the_frames(still, moving):
    recording = synthetic.generate("easy", 8, seconds=1, **still | moving)
    for frame, crop, (left, top, side) in zip(
        recording.frames(), recording.coded_crops(64), recording.crop_boxes(), strict=True
    ):
        assert np.array_equal(crop_square(frame, (left, top, side, side), 64), crop)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "rate"), [("h264", 200.0), ("h264", 2000.0), ("mjpeg", 3000.0), ("h264", None)])
def test_coded_crops_lose_about_what_the_whole_frame_loses(codec, rate):
    steady = {"dropped": 0.0, "frame_jitter": 0.0}

    def crops(frames) -> np.ndarray:
        return stack(
            crop_square(frame, (x, y, side, side), 64) for frame, (x, y, side) in zip(frames, boxes, strict=True)
        )

    whole_error, part_error = [], []
    for seed in (301, 302):
        coded = synthetic.generate("office", seed, seconds=1, codec=codec, kbit_per_second=rate, **steady)
        clean = synthetic.generate("office", seed, seconds=1, codec="none", **steady)
        boxes = coded.crop_boxes()
        whole_error.append(np.square(crops(coded.frames()) - crops(coded.camera_frames())).mean())
        part_error.append(np.square(stack(coded.coded_crops(64)) - stack(clean.coded_crops(64))).mean())
    assert np.mean(part_error) == pytest.approx(np.mean(whole_error), rel=0.35)


def test_coded_crops_are_the_same_every_time():
    one, two = (stack(synthetic.generate("hard", 12, seconds=1).coded_crops(32)) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("head", ["procedural", "astronaut"])
@pytest.mark.parametrize("tone", [2.0, 5.0, 8.0])
def test_the_face_detector_finds_every_face_where_the_boxes_say(head, tone):
    overlaps, found, total = [], 0, 0
    for seed in range(3):
        recording = synthetic.generate("easy", seed, seconds=1, fps=15, head=head, skin_tone=tone)
        cropper = FaceCropper(policy="skip")
        faces = list(cropper.crops(zip(recording.seconds, recording.frames(), strict=True)))
        found, total = found + sum(face.detected for face in faces), total + len(faces)
        for face, (left, top, side) in zip(faces, recording.crop_boxes(), strict=True):
            if face.detected:
                x, y, width, _ = face.box
                across = min(x + width, left + side) - max(x, left)
                down = min(y + width, top + side) - max(y, top)
                overlaps.append(across * down / (width**2 + side**2 - across * down))
    assert found >= 0.9 * total
    assert np.mean(overlaps) > 0.75


def wobble(boxes: np.ndarray) -> float:
    """Deviation of a box's centre at 0.7 to 4 Hz, where it would be taken for a pulse, over the box's size."""
    centres = (boxes[:, :2] + boxes[:, 2:] / 2) / boxes[:, 2].mean()
    return sosfiltfilt(butter(2, [0.7, 4.0], "band", fs=30, output="sos"), centres, axis=0).std(axis=0).mean()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["easy", "office"])
def test_rendered_boxes_jitter_as_those_of_the_cropper(preset):
    rendered, cropped = [], []
    for seed in range(3, 6):
        recording = synthetic.generate(preset, seed, seconds=4, fps=30)
        rendered.append(wobble(recording.crop_boxes()[:, [0, 1, 2, 2]]))
        faces = FaceCropper().crops(zip(recording.seconds, recording.frames(), strict=True))
        cropped.append(wobble(np.array([face.box for face in faces], dtype=np.float64)))
    assert 0.4 < np.median(rendered) / np.median(cropped) < 2.5


@pytest.mark.parametrize("fps", [15.0, 25.0, 60.0])
def test_the_pulse_in_the_crops_has_the_rate_of_the_label(fps):
    recording = synthetic.generate("easy", 21, seconds=10, fps=fps, bpm=90.0)
    green = stack(recording.crops(32))[..., 1].mean(axis=(1, 2))
    seconds = np.arange(len(green)) / fps
    green = green - np.polyval(np.polyfit(seconds, green, 5), seconds)
    power = np.abs(np.fft.rfft(green * np.hanning(len(green)), 2**14))
    hz = np.fft.rfftfreq(2**14, 1 / fps)
    band = (hz > 0.7) & (hz < 3.5)
    assert 60 * hz[band][power[band].argmax()] == pytest.approx(recording.bpm.mean(), abs=2.0)


def test_a_turning_head_moves_the_nose_more_than_the_ears(still):
    overrides = still | {"turn_degrees": 12.0, "motion_hz": 1.0, "head": "procedural"}
    recording = synthetic.generate("easy", 6, seconds=2, **overrides)
    centre = recording.boxes[:, 0] + recording.boxes[:, 2] / 2
    yaw = recording._scene.pose[:, 3]
    assert np.ptp(centre) > 5
    assert np.corrcoef(centre, np.sin(yaw))[0, 1] > 0.95


def test_one_person_in_two_recordings_has_two_pulses():
    first, second = (synthetic.generate("office", seed, person=9, seconds=4) for seed in (1, 2))
    assert np.array_equal(first._head.texture[..., :4], second._head.texture[..., :4])  # albedo and alpha
    assert first.parameters["skin_tone"] == second.parameters["skin_tone"]
    assert not np.allclose(np.angle(hilbert(centred(first.pulse))), np.angle(hilbert(centred(second.pulse))), atol=0.5)


@pytest.mark.parametrize("name", ["drift_bpm", "recovery_bpm", "sinus_arrhythmia_bpm", "ectopic_per_minute"])
def test_the_rhythm_asked_for_reaches_the_recording(name):
    steady = dict.fromkeys(("drift_bpm", "recovery_bpm", "sinus_arrhythmia_bpm", "ectopic_per_minute"), 0.0)
    regular, irregular = (
        synthetic.generate("easy", 3, seconds=30, fps=15, bpm=70.0, **overrides)
        for overrides in (steady, steady | {name: 10.0})
    )
    assert np.ptp(regular.bpm) < 1e-9
    assert np.abs(regular.pulse - irregular.pulse).max() > 0.5
    assert np.ptp(irregular.bpm) > 5 or name == "ectopic_per_minute"
