"""Broken recordings, each a real file: the message names file, place and cure, and nothing else comes out."""

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


def _rows(**rows):
    return "ubfc-rppg", lambda _: _three_rows(**rows).encode()


def _changed(what, old, new):
    def change(content):
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return what, change


def _begun(what, keep):
    return what, lambda content: content[: int(keep * len(content)) if keep < 1 else keep]


def _text(what, text):
    return what, lambda _: text.encode()


FILES = {
    "ubfc-rppg": "subject7/ground_truth.txt",
    "ubfc-rppg: video": "subject7/vid.avi",
    "ubfc-rppg-1": "5-gt/gtdump.xmp",
    "ubfc-phys": "Data/s1/bvp_s1_T2.csv",
    "pure": "07-02/07-02.json",
    "ibvp": "p01_a/p01_a_bvp.csv",
    "mmpd": "subject3/p3_11.mat",
    "scamps": "P000123.mat",
    "cohface": "1/0/data.hdf5",
    "lgi-ppgi": "alex/alex_gym/cms50_stream_handler.xml",
    "lgi-ppgi: times": "alex/alex_gym/cv_camera_sensor_timer_stream_handler.xml",
    "vipl-hr": "p1/v1-2/source3/wave.csv",
    "vipl-hr: times": "p1/v1-2/source3/time.txt",
    "mcd-rppg": "ppg_sync/1020_FullHDwebcam_before.txt",
    "mcd-rppg: times": "meta/1020_FullHDwebcam_before.txt",
    "ecg-fitness": "00/01/viatom-raw.csv",
    "ecg-fitness: times": "00/01/c920.csv",
}
AFTERWARDS = ".*(leave|Leave) this recording out"
BROKEN = [
    (*_text("ubfc-rppg", "1 2 3\n70 70 70\n"), f"2 rows; three are wanted{AFTERWARDS}"),
    (*_text("ubfc-rppg", ""), f"0 rows{AFTERWARDS}"),
    (*_rows(bpm="70 70"), f"rows of 4, 2 and 4 values{AFTERWARDS}"),
    (*_rows(pulse="1 2 nan 4"), f"value 3 of each row: the pulse is nan{AFTERWARDS}"),
    (*_rows(seconds="0 0.03 inf 0.1"), f"value 3 of each row: the time is inf{AFTERWARDS}"),
    (*_rows(seconds="0 0.03 late 0.1"), rf"row 3 \(seconds\), value 3: 'late' is not a number{AFTERWARDS}"),
    (*_rows(pulse="1,5 2,5 3,5 4,5"), rf"row 1 \(pulse\), value 1: '1,5' is not a number{AFTERWARDS}"),
    (*_rows(pulse="1_0 2 3 4"), rf"row 1 \(pulse\), value 1: '1_0' is not a number{AFTERWARDS}"),
    (*_rows(seconds="0 0.07 0.03 0.1"), f"value 3 of each row: time runs backwards, from 0.070 s{AFTERWARDS}"),
    (*_rows(pulse="0 0 0 0"), f"the pulse is 0 at all 4 times{AFTERWARDS}"),
    (*_rows(pulse="1", bpm="70", seconds="0"), f"samples of 1 times; a reference needs at least{AFTERWARDS}"),
    (*_rows(pulse="1 2", bpm="70 70", seconds="3 3"), f"samples of 1 times; a reference needs at least{AFTERWARDS}"),
    ("ubfc-rppg", lambda _: b"1 2\xff\xfe 3", "byte 3 is not text"),
    (*_begun("ubfc-rppg: video", 2000), ""),
    (*_begun("pure", 0.5), "not JSON, or cut off"),
    (*_text("pure", "[" * 100_000), "not JSON, or cut off"),
    (*_text("pure", "{}"), "no entries under '/FullPackage'"),
    (*_changed("pure", '"waveform"', '"wave"'), "/FullPackage, entry 1: Value/waveform is 'None'"),
    (*_changed("pure", '"waveform": ', '"waveform": "x", "w": '), ".*Value/waveform is 'x', not a number"),
    (*_changed("pure", '"waveform": ', '"waveform": NaN, "w": '), ".*entry 1: the pulse is nan"),
    (*_changed("pure", '"Timestamp": ', '"Timestamp": 1e300, "t": '), ".*Timestamp is '1e"),
    (*_changed("ubfc-rppg-1", ",98,", ","), "row 1 has 3 values; four are wanted"),
    (*_changed("ubfc-phys", "50.0", "fifty"), "row 1: 'fifty0*' is not a number"),
    (*_changed("ubfc-phys", "50.000", "50,1"), "row 1 has 2 values; one is wanted"),
    (*_changed("ibvp", "BVP", "PPG"), "no column BVP in the first line"),
    (*_changed("ibvp", "50.000,1,1", "50.000,1"), "row 2 has 4 values; the first has 5"),
    *(
        (*_text("folder", f"{header}\n1,2\n2,3\n"), f"the first line is '{header}'; it has to be 'seconds,pulse'")
        for header in ("time,pulse", "seconds", "0.0,1")
    ),
    *((*_begun(what, keep), "") for what in ("mmpd", "scamps", "cohface") for keep in (0, 100, 0.5)),
    (*_begun("lgi-ppgi", 900), "not XML, or cut off"),
    (*_text("lgi-ppgi", "<a/>"), "no element with value1 and value2"),
    (*_changed("lgi-ppgi: times", ">5.0<", ">x<"), "element 1, value1: 'x' is not a number"),
    (*_changed("vipl-hr", "50.0", "fifty"), "row 2: 'fifty"),
    (*_text("vipl-hr", "Wave\n"), "samples of 0 times"),
    (*_text("vipl-hr: times", "40\n20\n"), "sample 2: time runs backwards"),
    (*_text("vipl-hr: times", ""), "samples of 0 times"),
    (*_begun("mcd-rppg", 100), "8 samples for 24 frames; one a frame is wanted"),
    (*_changed("mcd-rppg", "50.000", "x50.000"), "line 1: 'x50.000' is not a number"),
    (*_text("mcd-rppg: times", "1 yesterday\n"), "line 1: '1 yesterday' is no number and time"),
    (*_text("ecg-fitness", "milliseconds,ecg\n1,2\n"), "row 2 has 2 values; milliseconds, ECG and heart rate"),
    (*_text("ecg-fitness", "a,b,c\n"), "samples of 0 times"),
    (*_text("ecg-fitness: times", ""), "no times of frames in it"),
]


@pytest.mark.parametrize(("what", "change", "message"), BROKEN)
def test_a_broken_file_is_refused_with_its_name_place_and_cure(tmp_path, writers, what, change, message):
    writers[what.split(":")[0]](tmp_path)
    path = next(tmp_path.rglob("pulse.csv")) if what == "folder" else tmp_path / FILES[what]
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    with pytest.raises(InputError, match=f"{re.escape(str(path))}{message and ': '}{message}"):
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
    ("file", "content", "message"),
    [
        ("vid.avi", None, r"subject7: one video \(vid.avi or vid.mp4\) belongs here; none"),
        ("ground_truth.txt", None, "No such file"),
        ("vid.mp4", b"", "both vid.avi and vid.mp4 found"),
    ],
)
def test_recording_with_a_part_missing_or_too_many_is_found_and_says_so(tmp_path, writers, file, content, message):
    writers["ubfc-rppg"](tmp_path)
    path = tmp_path / "subject7" / file
    path.unlink() if content is None else path.write_bytes(content)
    assert [recording.name for recording in find_recordings(tmp_path)] == ["subject7"]
    with pytest.raises(InputError, match=message):
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
