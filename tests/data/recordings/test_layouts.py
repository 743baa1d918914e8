"""Every layout, written in its published form and read back equal."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rppg_graph.data.recordings import RECORDINGS, find_recordings, recognise
from rppg_graph.errors import InputError


def test_written_layout_is_recognised_and_read_back_equal(tmp_path, layout_and_writer):
    layout, write = layout_and_writer
    written = write(tmp_path)
    [recording] = find_recordings(tmp_path)
    assert (recording.name, recording.subject, recording.layout) == (written.name, written.subject, layout)

    seconds, frames = zip(*recording.frames(), strict=True)
    np.testing.assert_array_equal(np.stack(frames), written.frames)
    assert all(frame.dtype == np.uint8 for frame in frames)
    np.testing.assert_allclose(seconds, written.seconds, atol=1.1e-3)  # containers round to milliseconds
    np.testing.assert_allclose(recording.frame_seconds(), seconds, atol=1e-9)

    reference = recording.reference()
    np.testing.assert_allclose(reference.seconds, written.reference.seconds, atol=1e-7)
    np.testing.assert_allclose(reference.pulse, written.reference.pulse, rtol=1e-7)
    if written.reference.bpm is None:
        assert reference.bpm is None
    else:
        np.testing.assert_array_equal(reference.bpm, written.reference.bpm)
    assert reference.notes == ()


def test_every_layout_has_a_writer_here(writers):
    assert set(writers) == set(RECORDINGS)


def test_recording_lists_its_files_and_survives_pickling(tmp_path, layout_and_writer):
    _, write = layout_and_writer
    write(tmp_path)
    [recording] = find_recordings(tmp_path)
    assert recording.files == tuple(sorted(recording.files))
    assert all(path.is_file() for path in recording.files)
    copy = pickle.loads(pickle.dumps(recording))
    np.testing.assert_array_equal(copy.reference().pulse, recording.reference().pulse)
    np.testing.assert_array_equal(next(copy.frames())[1], next(recording.frames())[1])


def test_root_may_be_the_recording_itself(tmp_path, writers):
    written = writers["ubfc-rppg"](tmp_path)
    [recording] = find_recordings(tmp_path / written.name)
    assert recording.name == written.name
    writers["pure"](tmp_path / "other")
    assert [recording.name for recording in find_recordings(tmp_path / "other" / "07-02")] == ["07-02"]


def test_mixed_layouts_are_named_and_each_can_be_asked_for(tmp_path, writers):
    for layout, write in writers.items():
        write(tmp_path / layout)
    assert {layout: len(recordings) for layout, recordings in recognise(tmp_path).items()} == dict.fromkeys(
        RECORDINGS, 1
    )
    with pytest.raises(InputError, match=r"different layouts are mixed: 1 in ubfc-rppg .*1 in folder"):
        find_recordings(tmp_path)
    assert [recording.name for recording in find_recordings(tmp_path, "scamps")] == ["P000123"]


def test_real_ubfc_rppg_is_read(shared_data):
    recordings = find_recordings(shared_data / "ubfc_rppg_mp4")
    assert [recording.subject for recording in recordings] == ["4", "5", "8", "10", "12", "13"]
    for recording in recordings:
        reference, seconds = recording.reference(), recording.frame_seconds()
        rows = [line.split() for line in recording.files[0].read_text().splitlines()]
        assert abs(len(rows[0]) - len(seconds)) <= 1  # one sample a frame
        assert reference.seconds[0] == 0
        assert abs(reference.seconds[-1] - seconds[-1]) < 0.2
        assert 40 < reference.bpm.min() <= reference.bpm.max() < 180


def test_real_clip_with_a_longer_label_is_read(shared_data):
    [recording] = find_recordings(shared_data / "ubfc_subject1_clip")
    assert recording.subject == "1"
    assert recording.frame_seconds()[-1] < 3
    assert recording.reference().seconds[-1] > 50


def test_names_of_own_videos_and_their_references(tmp_path, writers):
    written = writers["folder"](tmp_path / "source")
    video = next((tmp_path / "source").rglob("*.mkv")).read_bytes()
    root = tmp_path / "own"
    for name in ("anna/monday.mkv", "anna/evening/1.mkv", "bert.MKV"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(video)
    (root / "bert.csv").write_text("Seconds, BPM\n0,60\n1,0\n2,64\n")
    found = {recording.name: recording for recording in find_recordings(root)}
    assert {name: recording.subject for name, recording in found.items()} == {
        "anna_monday": "anna",
        "anna_evening_1": "anna",
        "bert": "bert",
    }
    assert found["anna_monday"].reference() is None
    np.testing.assert_array_equal(found["bert"].reference().bpm, [60, np.nan, 64])
    assert found["bert"].reference().pulse is None
    assert len(list(found["bert"].frames())) == len(written.frames)


def test_pulse_csv_beside_several_videos_is_ambiguous(tmp_path, writers):
    writers["folder"](tmp_path)
    video = next(tmp_path.rglob("*.mkv"))
    video.with_name("second.mkv").write_bytes(video.read_bytes())
    for recording in find_recordings(tmp_path):
        with pytest.raises(InputError, match=r"lies beside several videos; rename it to"):
            recording.reference()


def test_no_folder_and_no_recordings(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_recordings(tmp_path / "none")
    with pytest.raises(InputError, match=r"no recordings found(.|\n)*PURE: II-JJ"):
        find_recordings(tmp_path)
    with pytest.raises(InputError, match="unknown layout 'pur'; did you mean pure"):
        find_recordings(tmp_path, "pur")


def test_two_recordings_of_one_name_are_refused(tmp_path, writers):
    writers["scamps"](tmp_path / "train")
    writers["scamps"](tmp_path / "test")
    with pytest.raises(InputError, match=r"two recordings are named 'P000123': in .*test and .*train"):
        find_recordings(tmp_path)
