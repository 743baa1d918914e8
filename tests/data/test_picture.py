"""A frame cut in the codec's planes, against the same frame turned to RGB first."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data

from rppg_graph.data.face import FaceCropper, background
from rppg_graph.data.picture import Picture, PlanarPicture, Turn, picture_of
from rppg_graph.data.video import read_pictures, write_video

BOX = (80.3, 20.7, 131.4, 131.4)
BT709, BT601, BT2020 = 1, 5, 9
LIMITED, FULL = 1, 2


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """RGB uint8 (270, 360, 3): a face with the noise of a sensor."""
    rgb = cv2.resize(skimage.data.astronaut()[:384], (360, 270), interpolation=cv2.INTER_AREA)
    return np.clip(rgb + np.random.default_rng(0).normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def stored(rgb, pixel_format, colorspace=2, color_range=0) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame = frame.reformat(format=pixel_format, dst_colorspace=colorspace if colorspace != 2 else None)
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def unlike(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Levels that two pictures differ by on average."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    return float(np.abs(ours.astype(float) - theirs).mean())


def assert_alike(planar: Picture, rgb: Picture) -> None:
    """All that a picture gives is what the RGB gives, to half a level on average."""
    assert isinstance(planar, PlanarPicture)
    assert planar.shape == rgb.shape
    scale = planar.shape[1] / 360 if planar.shape[1] > planar.shape[0] else planar.shape[0] / 360
    box = tuple(scale * value for value in (BOX if planar.shape[1] > planar.shape[0] else (20.7, 80.3, *BOX[2:])))
    part = (slice(int(box[1]), int(box[1] + 50)), slice(int(box[0]), int(box[0] + 70)))
    crops = [unlike(planar.cut(box, size), rgb.cut(box, size)) for size in (32, 64, 128)]
    assert np.mean(crops) < 0.5
    assert max(crops) < 0.6
    assert unlike(planar.shrunk((90, 60)), rgb.shrunk((90, 60))) < 0.5
    np.testing.assert_array_equal(planar.shrunk((320, 240)), rgb.shrunk((320, 240)))
    assert unlike(planar.shrunk((16, 16), *part), rgb.shrunk((16, 16), *part)) < 0.6
    assert unlike(planar.blocks(6, 4, 1), rgb.blocks(6, 4, 1)) < 0.5
    np.testing.assert_array_equal(np.asarray(planar), rgb.rgb)


@pytest.mark.parametrize("size", [(360, 270), (359, 269), (358, 270)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le"])
def test_formats_and_odd_sizes(person, pixel_format, size):
    frame = stored(cv2.resize(person, size), pixel_format)
    assert_alike(picture_of(frame), Picture(frame.to_ndarray(format="rgb24")))


@pytest.mark.parametrize(
    ("colorspace", "color_range", "bits"), [*itertools.product([BT601, BT709, BT2020], [LIMITED, FULL], ["", "10le"])]
)
def test_matrices_and_ranges(person, colorspace, color_range, bits):
    frame = stored(person, f"yuv420p{bits}", colorspace, color_range)
    assert_alike(picture_of(frame), Picture(frame.to_ndarray(format="rgb24")))


@pytest.mark.parametrize("turn", [Turn(*flags) for flags in itertools.product([False, True], repeat=3)])
def test_turned_pictures(person, turn):
    frame = stored(person, "yuv420p")
    assert_alike(PlanarPicture(frame, turn), Picture(turn(frame.to_ndarray(format="rgb24"))))


@pytest.mark.parametrize(
    "pixel_format", ["gray", "rgb24", "bgra", "gbrp", "nv12", "yuv411p", "yuv440p", "yuva420p", "pal8"]
)
def test_other_formats_take_the_general_way(person, pixel_format):
    if pixel_format == "pal8":
        frame = av.VideoFrame.from_ndarray((person[..., 0], np.zeros((256, 4), np.uint8)), format="pal8")
    else:
        frame = stored(person, pixel_format)
    picture = picture_of(frame)
    assert type(picture) is Picture
    np.testing.assert_array_equal(picture.rgb, frame.to_ndarray(format="rgb24"))


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mp4"), ("mpeg4", ".avi"), ("mjpeg", ".mov"), ("vp9", ".mkv"), ("ffv1", ".mkv")]
)
def test_faces_of_a_video_are_those_of_its_rgb_frames(tmp_path, person, codec, suffix):
    shown = [cv2.warpAffine(person, np.array([[1.0, 0, n], [0, 1, 0]]), (360, 270)) for n in range(14)]
    read = list(read_pictures(write_video(tmp_path / f"a{suffix}", shown, 30, codec=codec)))
    assert {type(picture) for _, picture, _ in read} == {Picture if codec == "ffv1" else PlanarPicture}
    faces = FaceCropper().crops(iter(read))
    of_rgb = FaceCropper().crops((at, picture.rgb, key) for at, picture, key in read)
    for face, other in zip(faces, of_rgb, strict=True):
        assert face.box == other.box
        assert unlike(face.crop, other.crop) < 0.5
        assert np.nanmean(np.abs(face.background - other.background)) < 0.5


def test_a_plane_of_an_odd_layout_takes_the_general_way(person, monkeypatch):
    frame = stored(person, "yuv420p")
    monkeypatch.setattr("rppg_graph.data.picture._plane", lambda *_: (_ for _ in ()).throw(ValueError("no line")))
    assert type(picture_of(frame)) is Picture


def test_a_change_of_format_within_a_video(tmp_path, person):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30, options={"strict": "unofficial"})
        stream.width, stream.height, stream.pix_fmt = 360, 270, "yuvj420p"
        for number in range(3):
            frame = stored(person, "yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for _, picture, _ in read_pictures(path):
        assert_alike(picture, Picture(picture.rgb))


def test_the_background_of_a_video_leaves_out_the_face(person):
    picture = picture_of(stored(person, "yuv420p"))
    ours, theirs = background(picture, BOX), background(picture.rgb, BOX)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in Linux's /proc")
@pytest.mark.parametrize("pixel_format", ["yuv420p", "bgr24"])
def test_frames_become_rgb_without_threads_of_their_own(person, pixel_format):
    pictures = [picture_of(stored(person, pixel_format)) for _ in range(20)]
    before = len(list(Path("/proc/self/task").iterdir()))
    assert all(picture.rgb.shape == person.shape for picture in pictures)
    assert len(list(Path("/proc/self/task").iterdir())) <= before
