"""Broken recordings, each a real file: the message names file, place and cure, and nothing else comes out."""

from __future__ import annotations

import multiprocessing
import os
import re

import cv2
import h5py
import numpy as np
import pytest

from rppg_graph.data.recordings import find_recordings, ubfc_rppg, ubfc_rppg_1
from rppg_graph.errors import InputError


def _read_everything(root):
    for recording in find_recordings(root):
        recording.reference()
        for _ in recording.frames():
            pass


def _three_rows(pulse="1 2 3 4", bpm="70 70 71 71", seconds="0 0.03 0.07 0.1"):
    return f"{pulse}\n{bpm}\n{seconds}\n"


GROUND_TRUTHS = {
    "two rows": ("1 2 3\n70 70 70\n", "2 rows; three are wanted"),
    "empty": ("", "0 rows"),
    "unequal rows": (_three_rows(bpm="70 70"), "rows of 4, 2 and 4 values"),
    "NaN in the pulse": (_three_rows(pulse="1 2 nan 4"), "value 3 of each row: the pulse is nan"),
    "infinite time": (_three_rows(seconds="0 0.03 inf 0.1"), "value 3 of each row: the time is inf"),
    "text": (_three_rows(seconds="0 0.03 late 0.1"), r"row 3 \(seconds\), value 3: 'late' is not a number"),
    "decimal commas": (_three_rows(pulse="1,5 2,5 3,5 4,5"), r"row 1 \(pulse\), value 1: '1,5' is not a number"),
    "underscores": (_three_rows(pulse="1_0 2 3 4"), r"row 1 \(pulse\), value 1: '1_0' is not a number"),
    "backward times": (
        _three_rows(seconds="0 0.07 0.03 0.1"),
        "value 3 of each row: time runs backwards, from 0.070 s",
    ),
    "zeros": (_three_rows(pulse="0 0 0 0"), "the pulse is 0 at all 4 times"),
    "one sample": (_three_rows("1", "70", "0"), "samples of 1 times; a reference needs at least two"),
    "one time": (_three_rows("1 2", "70 70", "3 3"), "samples of 1 times; a reference needs at least two"),
}


@pytest.mark.parametrize("case", GROUND_TRUTHS)
def test_bad_ground_truth_is_refused_with_file_place_and_cure(tmp_path, writers, case):
    content, message = GROUND_TRUTHS[case]
    writers["ubfc-rppg"](tmp_path)
    path = tmp_path / "subject7" / "ground_truth.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}: {message}.*(leave|Leave) this recording out"):
        _read_everything(tmp_path)


def test_binary_ground_truth_is_refused(tmp_path, writers):
    writers["ubfc-rppg"](tmp_path)
    (tmp_path / "subject7" / "ground_truth.txt").write_bytes(b"1 2\xff\xfe 3")
    with pytest.raises(InputError, match=r"ground_truth.txt: byte 3 is not text"):
        _read_everything(tmp_path)


def test_equal_times_are_averaged_and_a_missing_heart_rate_is_nan(tmp_path):
    path = tmp_path / "gtdump.xmp"
    path.write_text("5000,70,98,1\n5030,0,98,2\n5030,71,98,4\n5100,nan,98,5\n")
    reference = ubfc_rppg_1.read_reference(path)
    np.testing.assert_allclose(reference.seconds, [0, 0.03, 0.1])
    np.testing.assert_array_equal(reference.pulse, [1, 3, 5])
    np.testing.assert_array_equal(reference.bpm, [70, np.nan, np.nan])
    assert reference.notes == ("samples with the same time as another, averaged with it: 1",)
    path.write_text("0,70,98,2\n30,70,98,1\n30,70,98,3\n")
    with pytest.raises(InputError, match="the pulse is 2 at all 2 times"):
        ubfc_rppg_1.read_reference(path)


def test_equal_times_of_frames_are_spread_so_that_each_frame_has_its_own(tmp_path):
    path = tmp_path / "ground_truth.txt"
    path.write_text(_three_rows(pulse="1 2 2 4 4", bpm="70 70 70 70 70", seconds="5 5.04 5.04 5.1 5.1"))
    reference = ubfc_rppg.read_reference(path)
    np.testing.assert_allclose(reference.seconds, [0, 0.04, 0.07, 0.1, 0.125])
    np.testing.assert_array_equal(reference.pulse, [1, 2, 2, 4, 4])


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("vid.avi", r"subject7: one video \(vid.avi or vid.mp4\) belongs here; none"),
        ("ground_truth.txt", "No such file"),
    ],
)
def test_recording_with_a_missing_part_is_found_and_says_so(tmp_path, writers, remove, message):
    writers["ubfc-rppg"](tmp_path)
    (tmp_path / "subject7" / remove).unlink()
    assert [recording.name for recording in find_recordings(tmp_path)] == ["subject7"]
    with pytest.raises(InputError, match=message):
        _read_everything(tmp_path)


def test_two_videos_in_one_folder_are_refused(tmp_path, writers):
    writers["ubfc-rppg"](tmp_path)
    (tmp_path / "subject7" / "vid.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"both vid.avi and vid.mp4 found"):
        _read_everything(tmp_path)


def test_truncated_avi_is_refused(tmp_path, writers):
    writers["ubfc-rppg"](tmp_path)
    path = tmp_path / "subject7" / "vid.avi"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=re.escape(str(path))):
        _read_everything(tmp_path)


def _pure_images(root):
    return sorted((root / "07-02" / "07-02").glob("*.png"))


def test_zero_byte_image_is_named_and_deleting_it_leaves_a_gap(tmp_path, writers):
    written = writers["pure"](tmp_path)
    broken = _pure_images(tmp_path)[11]
    broken.write_bytes(b"")
    with pytest.raises(InputError, match=rf"{re.escape(str(broken))}: frame 11 \(0 bytes\).*delete it"):
        _read_everything(tmp_path)
    broken.unlink()
    [recording] = find_recordings(tmp_path)
    seconds, frames = zip(*recording.frames(), strict=True)
    np.testing.assert_allclose(seconds, np.delete(written.seconds, 11), atol=1e-9)
    np.testing.assert_array_equal(np.stack(frames), np.delete(written.frames, 11, axis=0))


def test_clock_stays_with_the_label_when_the_first_image_is_deleted(tmp_path, writers):
    written = writers["pure"](tmp_path)
    _pure_images(tmp_path)[0].unlink()
    [recording] = find_recordings(tmp_path)
    shift = written.seconds[1]
    np.testing.assert_allclose(recording.frame_seconds(), written.seconds[1:] - shift, atol=1e-9)
    np.testing.assert_allclose(recording.reference().seconds, written.reference.seconds - shift, atol=1e-8)


def test_image_of_another_size_is_refused(tmp_path, writers):
    writers["pure"](tmp_path)
    cv2.imwrite(str(_pure_images(tmp_path)[5]), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(InputError, match="frame 5 is 20×10 pixels, the frames before it 48×32"):
        _read_everything(tmp_path)


def test_grey_and_16_bit_images_become_rgb_uint8(tmp_path, writers):
    writers["pure"](tmp_path)
    images = _pure_images(tmp_path)
    grey = np.arange(32 * 48).reshape(32, 48) % 256
    cv2.imwrite(str(images[0]), grey.astype(np.uint8))
    cv2.imwrite(str(images[1]), (grey * 257).astype(np.uint16))
    [recording] = find_recordings(tmp_path)
    frames = recording.frames()
    for _ in range(2):
        frame = next(frames)[1]
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, np.repeat(grey[..., np.newaxis], 3, axis=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "not JSON, or cut off"),
        (lambda text: "[" * 100_000, "not JSON, or cut off"),
        (lambda text: "{}", "no entries under '/FullPackage'"),
        (lambda text: text.replace('"waveform"', '"wave"', 1), "/FullPackage, entry 1: Value/waveform is 'None'"),
        (lambda text: text.replace('"waveform": ', '"waveform": "x", "w": ', 1), "Value/waveform is 'x', not a number"),
        (lambda text: text.replace('"waveform": ', '"waveform": NaN, "w": ', 1), "entry 1: the pulse is nan"),
        (lambda text: text.replace('"Timestamp": ', '"Timestamp": 1e300, "t": ', 1), "Timestamp is '1e"),
    ],
)
def test_bad_pure_json_is_refused(tmp_path, writers, change, message):
    writers["pure"](tmp_path)
    path = tmp_path / "07-02" / "07-02.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: .*{message}"):
        _read_everything(tmp_path)


def test_pure_without_json_or_without_images_is_found_and_says_so(tmp_path, writers):
    writers["pure"](tmp_path / "a")
    (tmp_path / "a" / "07-02" / "07-02.json").unlink()
    with pytest.raises(InputError, match=r"07-02.json is missing"):
        _read_everything(tmp_path / "a")
    writers["pure"](tmp_path / "b")
    for image in _pure_images(tmp_path / "b"):
        image.unlink()
    with pytest.raises(InputError, match=r"no frames named Image<nanoseconds>.png"):
        _read_everything(tmp_path / "b")


@pytest.mark.parametrize(
    ("layout", "file", "old", "new", "message"),
    [
        ("ubfc-rppg-1", "5-gt/gtdump.xmp", ",98,", ",", "row 1 has 3 values; four are wanted"),
        ("ubfc-phys", "Data/s1/bvp_s1_T2.csv", "50.0", "fifty", "row 1: 'fifty0*' is not a number"),
        ("ubfc-phys", "Data/s1/bvp_s1_T2.csv", "50.000", "50,1", "row 1 has 2 values; one is wanted"),
        ("ibvp", "p01_a/p01_a_bvp.csv", "BVP", "PPG", "no column BVP in the first line"),
        ("ibvp", "p01_a/p01_a_bvp.csv", "50.000,1,1", "50.000,1", "row 2 has 4 values; the first has 5"),
    ],
)
def test_bad_csv_labels_are_refused(tmp_path, writers, layout, file, old, new, message):
    writers[layout](tmp_path)
    path = tmp_path / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: {message}"):
        _read_everything(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"), [("time,pulse", "'time,pulse'"), ("seconds", "'seconds'"), ("0.0,1", "'0.0,1'")]
)
def test_other_columns_than_seconds_and_pulse_are_refused(tmp_path, writers, header, message):
    writers["folder"](tmp_path)
    path = next(tmp_path.rglob("pulse.csv"))
    path.write_text(f"{header}\n1,2\n2,3\n")
    with pytest.raises(InputError, match=rf"the first line is {message}; it has to be 'seconds,pulse'"):
        _read_everything(tmp_path)


@pytest.mark.parametrize(("layout", "file"), [("mmpd", "subject3/p3_11.mat"), ("scamps", "P000123.mat"),
                                              ("cohface", "1/0/data.hdf5")])  # fmt: skip
@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_truncated_mat_and_hdf5_are_refused(tmp_path, writers, layout, file, keep):
    writers[layout](tmp_path)
    path = tmp_path / file
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(InputError, match=re.escape(str(path))):
        _read_everything(tmp_path)


def test_hdf5_without_the_array_or_with_a_wrong_shape_is_refused(tmp_path, writers):
    writers["scamps"](tmp_path)
    path = tmp_path / "P000123.mat"
    with h5py.File(path, "r+") as file:
        del file["RawFrames"], file["Xsub"]
        file["Xsub"] = np.zeros((4, 5, 6))
    with pytest.raises(InputError, match=r"the video has the shape \(6, 5, 4\)"):
        _read_everything(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["d_ppg"]
    with pytest.raises(InputError, match=r"no array d_ppg \(it holds: Xsub\)"):
        _read_everything(tmp_path)


def test_pixels_that_are_not_finite_are_refused(tmp_path, writers):
    writers["scamps"](tmp_path)
    with h5py.File(tmp_path / "P000123.mat", "r+") as file:
        file["RawFrames"][1, 2, 3, 20] = np.nan
    with pytest.raises(InputError, match=r"P000123.mat: frame 20 has pixels that are not finite"):
        _read_everything(tmp_path)


POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12345\n"
)


def test_pointers_of_git_lfs_are_named_with_the_command_that_fetches_them(tmp_path, layout_and_writer):
    _, write = layout_and_writer
    write(tmp_path)
    [recording] = find_recordings(tmp_path)
    images = [path for path in recording.files if path.suffix in (".png", ".bmp")]
    for path in set(recording.files) - set(images[1:]):
        whole = path.read_bytes()
        path.write_text(POINTER)
        with pytest.raises(InputError, match=rf"{re.escape(str(path))} is a pointer of Git LFS.* git lfs pull"):
            _read_everything(tmp_path)
        path.write_bytes(whole)


FILES = {
    "oximeter": ("lgi-ppgi", "alex/alex_gym/cms50_stream_handler.xml"),
    "timer": ("lgi-ppgi", "alex/alex_gym/cv_camera_sensor_timer_stream_handler.xml"),
    "wave": ("vipl-hr", "p1/v1-2/source3/wave.csv"),
    "time": ("vipl-hr", "p1/v1-2/source3/time.txt"),
    "sync": ("mcd-rppg", "ppg_sync/1020_FullHDwebcam_before.txt"),
    "meta": ("mcd-rppg", "meta/1020_FullHDwebcam_before.txt"),
    "ecg": ("ecg-fitness", "00/01/viatom-raw.csv"),
    "frames": ("ecg-fitness", "00/01/c920.csv"),
}


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("oximeter", lambda text: text[:900], "not XML, or cut off"),
        ("oximeter", lambda text: "<a/>", "no element with value1 and value2"),
        ("timer", lambda text: text.replace(">5.0<", ">x<"), "element 1, value1: 'x' is not a number"),
        ("wave", lambda text: text.replace("50.0", "fifty"), "row 2: 'fifty"),
        ("wave", lambda text: "Wave\n", "samples of 0 times"),
        ("time", lambda text: "40\n20\n", "sample 2: time runs backwards"),
        ("time", lambda text: "", "samples of 0 times"),
        ("sync", lambda text: text[:100], "8 samples for 24 frames; one a frame is wanted"),
        ("sync", lambda text: "x" + text, "line 1: 'x50.000' is not a number"),
        ("meta", lambda text: "1 yesterday\n", "line 1: '1 yesterday' is no number and time"),
        ("ecg", lambda text: "milliseconds,ecg\n1,2\n", "row 2 has 2 values; milliseconds, ECG and heart rate"),
        ("ecg", lambda text: "a,b,c\n", "samples of 0 times"),
        ("frames", lambda text: "", "no times of frames in it"),
    ],
)
def test_bad_files_of_a_recording_are_named(tmp_path, writers, what, change, message):
    layout, file = FILES[what]
    writers[layout](tmp_path)
    path = tmp_path / file
    text = path.read_text()
    path.write_text(change(text))
    assert path.read_text() != text
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: {message}"):
        _read_everything(tmp_path)


def test_symlink_loops_end_and_linked_datasets_are_followed(tmp_path, writers):
    writers["pure"](tmp_path / "disk")
    root = tmp_path / "root"
    root.mkdir()
    (root / "PURE").symlink_to(tmp_path / "disk")
    (root / "again").symlink_to(root)
    (tmp_path / "disk" / "07-02" / "up").symlink_to(tmp_path / "disk")
    assert [recording.name for recording in find_recordings(root)] == ["07-02"]


def _message_as_nobody(root, channel):
    os.setuid(65534)
    try:
        find_recordings(root)
        channel.send("")
    except InputError as error:
        channel.send(str(error))


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX users")
def test_folder_without_read_permission_is_named(tmp_path, writers):
    writers["pure"](tmp_path)
    closed = tmp_path / "07-02"
    mode = closed.stat().st_mode
    closed.chmod(0)
    try:
        if os.geteuid() != 0:
            with pytest.raises(InputError, match="Permission denied"):
                find_recordings(tmp_path)
            return
        for parent in [tmp_path, *tmp_path.parents[:3]]:  # as many as pytest makes, xdist's included
            parent.chmod(parent.stat().st_mode | 0o055)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=_message_as_nobody, args=(tmp_path, there))
        process.start()
        there.close()  # the child's alone: if it dies, `recv` says so
        assert f"{closed}: Permission denied. Make it readable" in here.recv()
        process.join()
    finally:
        closed.chmod(mode)
