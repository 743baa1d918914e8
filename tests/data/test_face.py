"""Face boxes and crops, on photographs and real video."""

from itertools import islice

import cv2
import numpy as np
import pytest

from rppg_graph.data.face import MAX_GAP_SECONDS, FaceCropper, crop_square
from rppg_graph.data.face_detectors import FACE_DETECTORS, TURNS
from rppg_graph.data.face_track import DETECT_EVERY_FRAMES, HOLD_SECONDS, OneEuroFilter
from rppg_graph.data.video import read_video
from rppg_graph.errors import InputError

FPS = 30.0
EYES, CHIN = (139.0, 64.0), (139.0, 111.0)  # of the portrait, by eye


def timed(frames, fps=FPS):
    return ((number / fps, frame) for number, frame in enumerate(frames))


@pytest.mark.parametrize("name", FACE_DETECTORS)
class TestDetectors:
    def test_finds_the_face(self, name, portrait):
        [[x, y, width, height]] = FACE_DETECTORS[name]()(portrait)
        assert x < EYES[0] < x + width
        assert y < EYES[1]
        assert abs(y + height - CHIN[1]) < 8, "the box ends at the chin, whichever detector"
        assert 35 < width < 70

    def test_no_face(self, name, faceless):
        detect = FACE_DETECTORS[name]()
        for picture in (faceless, np.zeros_like(faceless), np.full_like(faceless, 255)):
            assert detect(picture).shape == (0, 4)

    def test_two_faces(self, name, portrait):
        boxes = FACE_DETECTORS[name]()(np.hstack([portrait, portrait[:, ::-1]]))
        np.testing.assert_allclose(sorted(boxes[:, 0] + boxes[:, 2] / 2), [EYES[0], 640 - EYES[0]], atol=8)

    @pytest.mark.parametrize("scale", [0.5, 2.0, 4.5])
    def test_any_size_of_frame(self, name, portrait, scale):
        [small] = FACE_DETECTORS[name]()(portrait)
        [scaled] = FACE_DETECTORS[name]()(cv2.resize(portrait, None, fx=scale, fy=scale))
        np.testing.assert_allclose(scaled / scale, small, atol=6)


def test_default_detector_finds_a_dim_face(portrait):
    dim = (portrait * 0.15).round().astype(np.uint8)
    assert len(FACE_DETECTORS["ultra-light"]()(dim)) == 1


def test_crop_of_a_whole_multiple_is_the_mean_of_blocks():
    frame = np.random.default_rng(2).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    for factor in (1, 2, 5):
        crop = crop_square(frame, (7.0, 3.0, 16.0 * factor, 16.0 * factor), 16)
        cut = frame[3 : 3 + 16 * factor, 7 : 7 + 16 * factor].astype(float)
        blocks = cut.reshape(16, factor, 16, factor, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(crop, blocks, atol=0.51)


@pytest.mark.parametrize("side", [20.0, 40.0, 77.7, 200.0])
def test_crop_keeps_fractions_of_a_pixel(side):
    """A plane of brightness is resized exactly by any fair method: the crop's pixel centres say where it was cut."""
    x = np.arange(300) + 0.5
    frame = np.repeat(np.tile(x * 0.8, (300, 1))[..., np.newaxis], 3, axis=2).round().astype(np.uint8)
    crop = crop_square(frame, (30.4, 20.0, side, side), 32)
    expected = 0.8 * (30.4 + (np.arange(32) + 0.5) * side / 32)
    np.testing.assert_allclose(crop[16, 1:-1, 0], expected[1:-1], atol=0.8)


def test_a_shrunk_crop_keeps_less_noise_than_bicubic_samples():
    rng = np.random.default_rng(3)
    frames = [np.clip(120 + rng.normal(0, 10, (256, 256, 3)), 0, 255).astype(np.uint8) for _ in range(10)]
    ours = np.std([crop_square(frame, (10.0, 10.0, 230.0, 230.0), 64) for frame in frames])
    bicubic = np.std([cv2.resize(frame[10:240, 10:240], (64, 64), interpolation=cv2.INTER_CUBIC) for frame in frames])
    assert ours < 0.5 * bicubic


def test_box_is_a_square_in_the_frame_around_the_face(portrait):
    frames = list(FaceCropper().crops(timed([portrait] * 20)))
    for frame in frames:
        x, y, width, height = frame.box
        assert width == height
        assert min(x, y, 320 - x - width, 240 - y - height) >= 0
        assert x < EYES[0] - 20 < EYES[0] + 20 < x + width
        assert y < EYES[1] - 15 < CHIN[1] < y + height
        assert frame.crop.shape == (64, 64, 3)
        assert frame.crop.dtype == np.uint8
        assert frame.detected


def test_face_that_fills_the_frame_is_not_padded(portrait):
    close = cv2.resize(portrait[35:115, 108:172], (256, 320))
    [frame] = FaceCropper().crops(timed([close]))
    assert frame.box[2] == 256
    top = round(frame.box[1])
    plain = cv2.resize(close[top : top + 256], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(frame.crop.astype(float) - plain).mean() < 2


def test_the_larger_of_two_faces_is_taken_and_kept(portrait):
    large = cv2.resize(portrait, None, fx=1.5, fy=1.5)[:240, 100:420]
    scene = np.hstack([portrait, large])
    xs = [frame.box[0] + frame.box[2] / 2 for frame in FaceCropper().crops(timed([scene] * 15))]
    assert np.min(xs) > 320
    growing = [np.hstack([cv2.resize(portrait, None, fx=s, fy=s)[:240, :320], large]) for s in np.linspace(1, 1.7, 30)]
    xs = [frame.box[0] + frame.box[2] / 2 for frame in FaceCropper().crops(timed(growing))]
    assert np.min(xs) > 320, "another face that becomes the larger one does not take over"


@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0), (255, 255, 255), (90, 90, 90)])
def test_frames_without_colour_are_gaps(moving_portrait, colour):
    shown = list(moving_portrait(40))
    for number in (20, 21, 33):
        shown[number] = np.full_like(shown[number], colour)
    frames = list(FaceCropper().crops(timed(shown)))
    assert [number for number, frame in enumerate(frames) if frame.crop is None] == [20, 21, 33]
    assert not any(frame.detected or frame.box for frame in frames if frame.crop is None)


@pytest.mark.parametrize("policy", ["fail", "skip", "full-frame"])
def test_a_grey_video_is_said_to_be_grey(moving_portrait, policy):
    grey = [np.repeat(frame[..., 1:2], 3, axis=2) for frame in moving_portrait(20)]
    with pytest.raises(InputError, match=r"a\.mp4: the video is grey.*20 of 20 frames"):
        list(FaceCropper(policy=policy).crops(timed(grey), "a.mp4"))


def test_a_face_that_is_too_small_is_refused_with_the_size_wanted(portrait):
    small = cv2.copyMakeBorder(cv2.resize(portrait, None, fx=0.6, fy=0.6), 0, 96, 0, 128, cv2.BORDER_REPLICATE)
    with pytest.raises(InputError, match=r"the face is 3\d pixels high .* 48 are needed and 80 are good"):
        list(FaceCropper().crops(timed([small] * 20)))


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_picture_is_said_to_be_turned(portrait, turn):
    turned = np.ascontiguousarray(np.rot90(portrait, -turn))
    for shown, expected in ((turned, [f"after {TURNS[turn]}"]), (portrait, [])):
        cropper = FaceCropper()
        for at, frame in timed([shown] * 10):
            cropper.push(at, frame)
        said = cropper.remarks()
        assert [remark.split("better ")[1].split(";")[0] for remark in said] == expected


@pytest.fixture(scope="module")
def beside_a_poster(portrait, moving_portrait):
    """A still portrait, half as large again, and right of it one that moves."""
    poster = cv2.resize(portrait, None, fx=1.5, fy=1.5)[:240, 100:420]
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 2, (240, 640, 3)) for _ in range(5)]
    return [
        np.clip(np.hstack([poster, person]) + noise[number % 5], 0, 255).astype(np.uint8)
        for number, person in enumerate(moving_portrait(150))
    ]


def test_who_moves_is_preferred_to_a_poster(beside_a_poster):
    cropper = FaceCropper()
    with pytest.warns(UserWarning, match="2 faces; number 2 from the left is read"):
        frames = list(cropper.crops(timed(beside_a_poster)))
    xs = np.array([np.nan if frame.box is None else frame.box[0] + frame.box[2] / 2 for frame in frames])
    assert xs[0] < 320 < xs[-1]
    changed = np.flatnonzero(xs > 320)[0]
    assert changed < 3 * FPS
    assert (xs[changed:] > 320).all()
    gap = frames[changed].seconds - frames[np.flatnonzero(xs < 320)[-1]].seconds
    assert gap > MAX_GAP_SECONDS, "no wave spans both"


@pytest.mark.parametrize("face", [1, 2])
def test_a_face_is_chosen_by_its_number(beside_a_poster, face):
    frames = list(FaceCropper(face=face).crops(timed(beside_a_poster[:60])))
    assert {frame.box[0] + frame.box[2] / 2 > 320 for frame in frames} == {face == 2}


def test_a_face_that_is_not_there_is_named(portrait):
    with pytest.raises(InputError, match="no face"):
        list(FaceCropper(face=2).crops(timed([portrait] * 10)))


def test_another_person_elsewhere_begins_anew(portrait):
    wide = cv2.copyMakeBorder(portrait, 0, 0, 0, 320, cv2.BORDER_REPLICATE)
    cropper = FaceCropper()
    frames = list(cropper.crops(timed([wide] * 30 + [np.ascontiguousarray(wide[:, ::-1])] * 80)))
    there = [frame.seconds for frame in frames if frame.detected]
    assert max(np.diff(there)) > MAX_GAP_SECONDS
    assert there[-1] == frames[-1].seconds
    assert any("another face takes the place 1 times" in remark for remark in cropper.remarks())


def test_a_cut_to_another_picture_begins_anew(monkeypatch, portrait):
    monkeypatch.setitem(FACE_DETECTORS, "here", lambda: lambda rgb: np.array([[113.0, 56.0, 58.0, 55.0]]))
    frames = list(FaceCropper(detector="here").crops(timed([portrait] * 30 + [255 - portrait] * 30)))
    missing = [number for number, frame in enumerate(frames) if frame.crop is None]
    assert missing == list(range(30, 45)), "half a second, so that no wave spans the cut"


def test_still_face_in_noise_has_a_still_box(portrait):
    rng = np.random.default_rng(4)
    frames = [np.clip(portrait + rng.normal(0, 8, portrait.shape), 0, 255).astype(np.uint8) for _ in range(150)]
    boxes = np.array([frame.box for frame in FaceCropper().crops(timed(frames))])[30:]
    detect = FACE_DETECTORS["ultra-light"]()
    raw = np.array([1.35 * detect(frame)[0][3] for frame in frames[30::DETECT_EVERY_FRAMES]])
    assert boxes[:, 2].std() < 0.5 * raw.std()
    assert np.abs(np.diff(boxes, axis=0)).max() < 0.15


def test_moving_face_stays_in_place(portrait):
    """A sway of 25 pixels in 2 s, faster than people move: the box lags by less than 6 % of its side."""
    wide = cv2.copyMakeBorder(portrait, 0, 0, 60, 60, cv2.BORDER_REPLICATE)
    truth = 25 * np.sin(2 * np.pi * np.arange(150) / FPS / 2)
    moved = [cv2.warpAffine(wide, np.array([[1.0, 0, dx], [0, 1, 0]]), (440, 240)) for dx in truth]
    boxes = np.array([frame.box for frame in FaceCropper().crops(timed(moved))])
    error = boxes[:, 0] + boxes[:, 2] / 2 - truth
    assert np.abs(error - np.median(error)).max() < 0.06 * boxes[:, 2].mean()


def test_one_euro_filter_passes_a_constant_and_reaches_a_step():
    smooth = OneEuroFilter()
    values = [smooth(number / 5, np.array([float(number >= 5), 3.0, 1.0])) for number in range(15)]
    np.testing.assert_array_equal(np.array(values)[:, 1], 3.0)
    assert values[4][0] == 0.0
    assert values[7][0] > 0.9


def test_a_box_is_held_for_a_second_at_most(portrait, faceless):
    shown = [portrait] * 30 + [faceless] * 60 + [portrait] * 60
    frames = list(FaceCropper().crops(timed(shown)))
    seconds = np.array([frame.seconds for frame in frames])
    boxed = np.array([frame.box is not None for frame in frames])
    detected = np.array([frame.detected for frame in frames])
    np.testing.assert_allclose(seconds, np.arange(150) / FPS)
    assert not detected[30:90].any(), "no frame without a face counts as one with a face"
    last = seconds[:30][detected[:30]].max()
    held = (seconds > last) & (seconds <= last + HOLD_SECONDS + 1e-9)
    assert boxed[held].all()
    assert not boxed[(seconds > last + HOLD_SECONDS + 1e-9) & (seconds < 3.0)].any()
    assert detected[90:].all(), "it is found again in the first frame that shows it"
    assert detected[:25].all()
    assert len({frames[i].box for i in np.flatnonzero(held)}) == 1
    for frame, has_box in zip(frames, boxed, strict=True):
        assert (frame.crop is not None) == has_box


def test_held_and_reported_share(portrait, faceless):
    cropper = FaceCropper()
    list(cropper.crops(timed([portrait] * 60 + [faceless] * 40)))
    assert 0.54 <= cropper.detection_rate <= 0.6
    list(cropper.crops(timed([portrait] * 7)))
    assert cropper.detection_rate == 1.0, "each video counts for itself"


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_no_face_in_any_frame_is_refused(faceless, policy):
    with pytest.raises(InputError, match=r"a\.mp4: no face in any of the 20 frames"):
        list(FaceCropper(policy=policy).crops(timed([faceless] * 20), "a.mp4"))


def test_face_in_under_half_of_the_frames(portrait, faceless):
    shown = [portrait] * 18 + [faceless] * 42
    with pytest.raises(InputError, match=r"in 1\d of 60 frames \((2\d|30)%\), under half"):
        list(FaceCropper(policy="fail").crops(timed(shown)))
    kept = [frame for frame in FaceCropper(policy="skip").crops(timed(shown)) if frame.crop is not None]
    assert 13 <= len(kept) <= 49


def test_full_frame_stands_in_where_there_is_no_face(faceless):
    [frame, *_] = FaceCropper(policy="full-frame").crops(timed([faceless] * 3))
    assert frame.box == (40.0, 0.0, 240.0, 240.0)
    assert not frame.detected
    np.testing.assert_array_equal(frame.crop, crop_square(faceless, frame.box, 64))


def test_frames_are_streamed(portrait):
    taken = 0

    def counted():
        nonlocal taken
        for item in timed([portrait] * 60):
            taken += 1
            yield item

    for given, _ in enumerate(FaceCropper().crops(counted()), start=1):
        assert taken - given < DETECT_EVERY_FRAMES


@pytest.mark.parametrize("fps", [4.0, 15.0, 120.0])
def test_any_frame_rate(portrait, fps):
    frames = list(FaceCropper().crops(timed([portrait] * 25, fps)))
    assert all(frame.detected for frame in frames)
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(25) / fps)


@pytest.mark.parametrize("arguments", [{"detector": "eyes"}, {"policy": "hope"}])
def test_unknown_names_are_refused(arguments):
    with pytest.raises(InputError, match=r"unknown face .*; valid: "):
        FaceCropper(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evm_face_53bpm.mp4", "evm_face2_54bpm.mp4", "dim_50fps.mp4", "webcam_59bpm.mp4"])
def test_real_faces(shared_data, name):
    cropper = FaceCropper()
    for _ in cropper.crops(read_video(shared_data / "clips" / name)):
        pass
    assert cropper.detection_rate > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no_face_wrist.mp4", "dark_no_face_50fps.mp4"])
def test_real_videos_without_a_face(shared_data, name):
    with pytest.raises(InputError, match="no face in any"):
        for _ in FaceCropper().crops(islice(read_video(shared_data / "clips" / name), 40), name):
            pass


@pytest.mark.slow
def test_profile_faces_are_found_by_the_default_and_missed_by_haar(shared_data):
    rates = {}
    for detector in FACE_DETECTORS:
        cropper = FaceCropper(detector=detector, policy="skip")
        for _ in cropper.crops(islice(read_video(shared_data / "clips" / "headturn_half_faces.mp4"), 0, None, 3)):
            pass
        rates[detector] = cropper.detection_rate
    assert rates["ultra-light"] > 0.95
    assert 0.4 < rates["haar"] < 0.75
