"""Real video files, read back, good and bad."""

import gc
import os
import warnings
import wave
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from rppg_graph.data.video import CODECS, probe, read_pictures, read_video, write_video
from rppg_graph.errors import InputError

FPS = 29.97


def encoded(path, pictures, *, encoder="libx264", pixel_format="yuv420p", options=None, container_options=None):
    """A file written by PyAV directly, for what write_video does not make; pictures are av.VideoFrames."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(encoder, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, pixel_format
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def pictures_of(frames) -> list[av.VideoFrame]:
    return [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        *[("ffv1", ".mkv"), ("ffv1", ".avi"), ("rawvideo", ".avi"), ("mjpeg", ".avi"), ("mjpeg", ".mov")],
        *[("mpeg4", ".avi"), ("mpeg4", ".mp4"), ("h264", ".mp4"), ("h264", ".mkv"), ("h264", ".avi")],
        *[("hevc", ".mp4"), ("vp9", ".mkv")],
    ],
)
def test_round_trip(tmp_path, frames, codec, suffix):
    path = write_video(tmp_path / f"a{suffix}", frames, FPS, codec=codec, crf=12 if codec == "hevc" else None)
    seconds, read = zip(*read_video(path), strict=True)
    assert len(read) == 60
    resolution = 1e-3 if suffix == ".mkv" else 1e-6  # Matroska counts in milliseconds
    np.testing.assert_allclose(seconds, np.arange(60) / FPS, atol=resolution)
    difference = np.abs(np.array(read, dtype=float) - np.array(frames))
    assert difference.mean() == 0 if codec in ("ffv1", "rawvideo") else difference.mean() < 3
    assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in read)


@pytest.mark.parametrize("codec", CODECS)
def test_same_frames_give_the_same_bytes(tmp_path, frames, codec):
    suffix = ".avi" if codec == "rawvideo" else ".mp4" if codec != "ffv1" else ".mkv"
    written = [write_video(tmp_path / f"{n}{suffix}", frames, FPS, codec=codec).read_bytes() for n in range(3)]
    assert written[0] == written[1] == written[2]


def test_compression_is_controlled(tmp_path, frames):
    noisy = [np.random.default_rng(n).integers(0, 256, (48, 64, 3)).astype(np.uint8) for n in range(60)]
    size = {crf: write_video(tmp_path / f"{crf}.mp4", noisy, 30, crf=crf).stat().st_size for crf in (10, 40)}
    assert size[40] < size[10] / 3
    at_rate = write_video(tmp_path / "rate.mp4", noisy, 30, kbit_per_second=150).stat().st_size
    assert 0.5 < at_rate * 8 / 2.0 / 150e3 < 1.5  # two seconds


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "mpeg4"])
def test_key_frames_lie_at_the_distance_that_is_asked_for_and_nowhere_else(tmp_path, frames, codec):
    noise = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3)).astype(np.uint8)
    cut = [*frames[:30], *noise, *frames[30:58]]  # a change of scene asks for a key frame of its own
    path = write_video(tmp_path / "a.mp4", cut, FPS, codec=codec, kbit_per_second=100, key_frame_every=17)
    with av.open(str(path)) as container:
        keys = [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 17, 34, 51]


@pytest.mark.parametrize(("suffix", "resolution"), [(".mp4", 2e-5), (".mov", 2e-5), (".mkv", 1e-3)])
def test_variable_rate_is_kept(tmp_path, frames, suffix, resolution):
    stamps = 1000.0 + np.cumsum(np.random.default_rng(3).uniform(0.015, 0.09, 60))
    path = write_video(tmp_path / f"a{suffix}", frames, 30, seconds=stamps)
    np.testing.assert_allclose([at for at, _ in read_video(path)], stamps - stamps[0], atol=resolution)


def test_b_frames_in_avi_keep_their_order(tmp_path, frames):
    path = encoded(tmp_path / "a.avi", pictures_of(frames), options={"bf": "3", "x264-params": "b-adapt=0"})
    with av.open(str(path)) as container:
        assert any(frame.pict_type == 3 for frame in container.decode(video=0)), "the file is to hold B-frames"
    seconds, read = zip(*read_video(path), strict=True)
    np.testing.assert_allclose(seconds, np.arange(60) / 30, atol=1e-6)
    assert (np.diff([frame.mean() for frame in read]) > 0).all()


@pytest.mark.parametrize(
    ("matrix", "turns", "mirrored"),  # of the track header: a, b, c, d in 16.16; how it is shown: quarter turns
    [  # counter-clockwise, after left and right were exchanged
        *[((0, 1, -1, 0), -1, False), ((-1, 0, 0, -1), 2, False), ((0, -1, 1, 0), 1, False)],
        *[((-1, 0, 0, 1), 0, True), ((1, 0, 0, -1), 2, True), ((0, 1, 1, 0), 1, True), ((0, -1, -1, 0), -1, True)],
    ],
)
def test_rotation_and_mirroring_by_metadata(tmp_path, frames, matrix, turns, mirrored):
    plain = write_video(tmp_path / "plain.mp4", frames, 30)
    data = bytearray(plain.read_bytes())
    header = data.index(b"tkhd")  # version 0: the matrix begins 44 bytes after the name
    for position, value in zip((44, 48, 56, 60), matrix, strict=True):
        data[header + position : header + position + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    rotated = tmp_path / "rotated.mp4"
    rotated.write_bytes(data)
    for (_, frame), (_, upright) in zip(read_video(rotated), read_video(plain), strict=True):
        np.testing.assert_array_equal(frame, np.rot90(upright[:, ::-1] if mirrored else upright, turns))
    info = probe(rotated)
    assert (info.width, info.height) == ((48, 64) if turns % 2 else (64, 48))


@pytest.mark.parametrize(
    ("pixel_format", "dtype", "scale"),
    [("gray", np.uint8, 1), ("gray16le", np.uint16, 257), ("gray10le", np.uint16, 4)],
)
def test_grey_and_deep_video_becomes_rgb_uint8(tmp_path, pixel_format, dtype, scale):
    ramp = np.tile(np.arange(0, 256, 4), (48, 1))
    pictures = [av.VideoFrame.from_ndarray((ramp * scale).astype(dtype), format=pixel_format) for _ in range(3)]
    path = encoded(tmp_path / "a.mkv", pictures, encoder="ffv1", pixel_format=pixel_format)
    for _, frame in read_video(path):
        assert frame.shape == (48, 64, 3)
        assert frame.dtype == np.uint8
        np.testing.assert_allclose(frame, np.repeat(ramp[..., np.newaxis], 3, axis=2), atol=1)


def test_sixteen_bit_colour_becomes_uint8(tmp_path, frames):
    deep = [av.VideoFrame.from_ndarray(frame.astype(np.uint16) * 257, format="rgb48le") for frame in frames[:3]]
    path = encoded(tmp_path / "a.mkv", deep, encoder="ffv1", pixel_format="gbrp16le")
    for (_, read), frame in zip(read_video(path), frames[:3], strict=True):
        np.testing.assert_allclose(read, frame, atol=1)


def motion_jpeg(path, frames):
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames))
    return path


def test_change_of_resolution_is_scaled_to_the_first_frame(tmp_path, frames):
    larger = [cv2.resize(frame, (128, 96)) for frame in frames[30:]]
    path = motion_jpeg(tmp_path / "a.mjpeg", frames[:30] + larger)
    with pytest.warns(UserWarning, match="30 frames were scaled"):
        read = [frame for _, frame in read_video(path)]
    assert {frame.shape for frame in read} == {(48, 64, 3)}
    assert np.abs(read[45].astype(float) - frames[45]).mean() < 4


def test_change_of_aspect_ratio_is_refused(tmp_path, frames):
    turned = [np.ascontiguousarray(frame.transpose(1, 0, 2)) for frame in frames[30:]]
    with pytest.raises(InputError, match=r"frame 30 .*from 64×48 to 48×64"):
        list(read_video(motion_jpeg(tmp_path / "a.mjpeg", frames[:30] + turned)))


@pytest.mark.parametrize("name", ["Ärger mit\nUmbruch.mp4", "a:b c%d.mp4", "-x.mp4", "file:a.mp4"])
def test_any_file_name(tmp_path, frames, name):
    assert len(list(read_video(write_video(tmp_path / name, frames, 30)))) == 60


@pytest.mark.parametrize(
    ("size", "still", "read"),  # of the second stream; whether the first stands still; which is read
    [((64, 48), True, 1), ((128, 96), False, 1), ((32, 24), False, 0)],
)
def test_the_stream_in_which_most_moves_is_read(tmp_path, frames, size, still, read):
    path, rng = tmp_path / "two.mkv", np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=30, options={"crf": "18"}) for _ in range(2)]
        for stream, (width, height) in zip(streams, [(64, 48), size], strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(30):
            noisy = np.clip(frames[number] + rng.normal(0, 8, (48, 64, 3)), 0, 255).astype(np.uint8)
            for stream, shown in zip(streams, [frames[0] if still else noisy, cv2.resize(noisy, size)], strict=True):
                picture = av.VideoFrame.from_ndarray(shown, format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, 30)
                container.mux(stream.encode(picture))
        for stream in streams:
            container.mux(stream.encode(None))
    with pytest.warns(UserWarning, match="2 video streams; the one in which most moves"):
        shapes = [frame.shape for _, frame in read_video(path)]
    width, height = [(64, 48), size][read]
    assert shapes == [(height, width, 3)] * 30
    assert probe(path).width == width


def test_a_cover_is_no_video(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sum(1 for _ in read_video(shared_data / "disturbed" / "cover_picture_first.mp4")) == 270


def test_a_wrong_clock_is_replaced(tmp_path, frames):
    path = write_video(tmp_path / "a.mp4", frames, 15)
    np.testing.assert_allclose([at for at, _ in read_video(path, fps=20)], np.arange(60) / 20)


@pytest.mark.parametrize(("fps", "odd"), [(30, False), (29.03, False), (25, False), (17, True), (7, True), (999, True)])
def test_an_odd_rate_is_remarked(tmp_path, frames, fps, odd):
    path = write_video(tmp_path / "a.mp4", frames, fps)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(read_video(path))
        list(read_video(path, fps=30))
    said = f"{fps} frames a second, as its header says, is an odd rate"
    assert [said in str(warning.message) for warning in caught] == [True] * odd


@pytest.mark.parametrize(
    ("source", "message"),
    [("rtsp://host/stream", "an address.*save some of it"), ("-", "standard input"), ("/dev/null", "live --camera")],
)
def test_a_source_that_is_no_file_says_what_is_possible(source, message):
    with pytest.raises(InputError, match=message):
        probe(source)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe, which can be read only once"):
        probe(tmp_path / "pipe")


def test_probe(tmp_path, frames):
    info = probe(write_video(tmp_path / "a.mp4", frames, 25))
    assert (info.width, info.height, info.fps, info.frames, info.seconds) == (64, 48, 25.0, 60, 2.4)


def text_file(path):
    path.write_text("0.1 0.2 0.3\n" * 1000)


def wave_file(path):
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))


def video_without_frames(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("absent.mp4", lambda path: None, "no such file"),
        ("folder.mp4", lambda path: path.mkdir(), "not a file"),
        ("empty.mp4", lambda path: path.touch(), "empty"),
        ("text.mp4", text_file, "not a"),
        ("ground_truth.txt", text_file, "not a video"),
        ("random.avi", lambda path: path.write_bytes(np.random.default_rng(0).bytes(50000)), "not a"),
        ("picture.png", lambda path: cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8)), "not a video"),
        ("sound.wav", wave_file, "audio only"),
        ("no_frames.avi", video_without_frames, "no frame"),
    ],
)
@pytest.mark.parametrize("read", [probe, lambda path: list(read_video(path))], ids=["probe", "read"])
def test_bad_files_are_refused_by_name(tmp_path, name, make, message, read):
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=message) as refusal:
        read(path)
    assert name in str(refusal.value)


def test_no_read_permission(tmp_path, frames):
    path = write_video(tmp_path / "a.mp4", frames, 30)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user (root) may read files without permission")
    with pytest.raises(InputError, match="no permission"):
        probe(path)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mp4"), ("mjpeg", ".mov"), ("ffv1", ".mkv"), ("mjpeg", ".avi"), ("mpeg4", ".avi"), ("rawvideo", ".avi")],
)
def test_truncated_files_are_refused(tmp_path, frames, codec, suffix):
    path = write_video(tmp_path / f"a{suffix}", frames, FPS, codec=codec, crf=12 if codec == "hevc" else None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.\w+: (not a readable video|.* s of the video are missing)"):
        list(read_video(path))


def test_truncation_after_the_header_says_where(tmp_path, frames):
    faststart = {"movflags": "faststart"}
    pictures = pictures_of(frames)
    path = encoded(tmp_path / "a.mov", pictures, encoder="mjpeg", pixel_format="yuvj420p", container_options=faststart)
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * 0.6)])
    read = []
    with pytest.raises(InputError, match=r"decodes to frame \d+ \(\d\.\d s\) of 2\.0 s that its header declares"):
        read.extend(read_video(path))
    assert 10 < len(read) < 50, "what can be decoded is yielded before the refusal"


def test_a_few_frames_lost_at_the_end_are_a_warning(tmp_path, frames):
    path = write_video(tmp_path / "a.avi", frames, FPS, codec="rawvideo")
    path.write_bytes(path.read_bytes()[: -8 * 48 * 64 * 3])
    with pytest.warns(UserWarning, match=r"0\.\d s of the video are missing"):
        assert 50 <= len(list(read_video(path))) < 56


def test_a_whole_file_gives_no_warning(tmp_path, frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(read_video(write_video(tmp_path / "a.mp4", frames, FPS)))


def test_short_real_video_is_whole(shared_data):
    assert len(list(read_video(shared_data / "ubfc_subject1_clip" / "vid.avi"))) == 74


def test_real_portrait_video_stands_upright(shared_data):
    path = shared_data / "clips" / "headturn_half_faces.mp4"
    assert (probe(path).width, probe(path).height) == (576, 1024)
    assert next(read_video(path))[1].shape == (1024, 576, 3)


def test_frames_that_were_read_are_given_back_at_once(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.full((64, 96, 3), 10 * n, np.uint8) for n in range(20)], 30.0)

    def frames() -> int:
        return sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())

    gc.collect()
    before = frames()
    gc.disable()  # what only the garbage collector would find stays
    try:
        assert sum(1 for _ in read_pictures(path)) == 20
        assert frames() - before <= 2
    finally:
        gc.enable()
