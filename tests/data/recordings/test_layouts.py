"""Every layout, written in its published form and read back equal."""

import json
import pickle
import re

import cv2
import numpy as np
import pytest
import scipy.io
from scipy.signal import find_peaks

from rppg_graph.data.alignment import label_figures
from rppg_graph.data.check import MAX_DEVICE_DIFFERENCE_BPM
from rppg_graph.data.recordings import (
    RECORDINGS,
    Reference,
    find_recordings,
    pure,
    recognise,
    ubfc_rppg,
    ubfc_rppg_1,
)
from rppg_graph.errors import InputError
from rppg_graph.pulse.filters import resample


def test_written_layout_is_recognised_and_read_back_equal(tmp_path, layout_and_writer):
    layout, write = layout_and_writer
    written = write(tmp_path)
    [recording] = find_recordings(tmp_path)
    assert (recording.name, recording.subject, recording.layout) == (written.name, written.subject, layout)

    seconds, frames = zip(*recording.frames(), strict=True)
    np.testing.assert_array_equal(np.stack(frames), written.frames)
    assert all(np.asarray(frame).dtype == np.uint8 for frame in frames)
    np.testing.assert_allclose(seconds, written.seconds, atol=1.1e-3)  # containers round to milliseconds
    np.testing.assert_allclose(recording.frame_seconds(), seconds, atol=1e-9)

    reference = recording.reference()
    np.testing.assert_allclose(reference.seconds, written.reference.seconds, atol=1e-7)
    if written.reference.pulse is None:
        assert reference.pulse is None
    else:
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
    np.testing.assert_array_equal(copy.reference().seconds, recording.reference().seconds)
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


@pytest.mark.parametrize("more", [-2, 0, 2])
def test_frames_of_ubfc_rppg_get_the_times_of_their_label_by_number(tmp_path, more):
    uneven = np.cumsum(np.random.default_rng(2).choice([0.022, 0.033, 0.055], 60))
    frames = np.random.default_rng(3).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    reference = Reference(uneven, np.cos(uneven), np.full(60, 70.0))
    folder = ubfc_rppg.write(tmp_path, "subject7", frames, uneven, reference, codec="rawvideo")
    rows = [line.split() for line in (folder / "ground_truth.txt").read_text().splitlines()]
    kept = [row[: 60 + min(more, 0)] for row in rows]
    if more > 0:
        kept = [[*row, *extra] for row, extra in zip(kept, (["0", "1"], ["70", "70"], ["9", "9.03"]), strict=True)]
    (folder / "ground_truth.txt").write_text("\n".join(" ".join(row) for row in kept))
    [recording] = find_recordings(tmp_path)
    seconds = np.array([when for when, _ in recording.frames()])
    np.testing.assert_allclose(seconds, recording.frame_seconds(), atol=1e-9)
    labelled = 60 + min(more, 0)
    np.testing.assert_allclose(seconds[:labelled], (uneven - uneven[0])[:labelled], atol=1e-6)
    np.testing.assert_allclose(seconds[:labelled], recording.reference().seconds[:labelled], atol=1e-9)
    assert (np.diff(seconds) > 0).all()


def test_more_than_two_frames_without_a_time_are_paired_by_the_clocks_and_named(tmp_path, writers):
    writers["ubfc-rppg"](tmp_path)
    label = tmp_path / "subject7" / "ground_truth.txt"
    label.write_text("\n".join(" ".join(row.split()[:-3]) for row in label.read_text().splitlines()))
    [recording] = find_recordings(tmp_path)
    with pytest.warns(UserWarning, match=r"vid.avi: 24 frames, but times of 21"):
        np.testing.assert_allclose(recording.frame_seconds(), np.arange(24) / 30, atol=1e-3)


@pytest.mark.parametrize(("samples", "hz"), [(24, 30), (26, 30), (22, 30), (48, 60)])
def test_pulse_of_mmpd_is_paired_by_number_where_there_is_one_sample_a_frame(tmp_path, writers, samples, hz):
    written = writers["mmpd"](tmp_path)
    pulse = np.sin(np.arange(samples))
    scipy.io.savemat(tmp_path / "subject3" / "p3_11.mat", {"video": written.frames, "GT_ppg": pulse})
    [recording] = find_recordings(tmp_path)
    np.testing.assert_allclose(recording.reference().seconds, np.arange(samples) / hz)


WRAPPED = [100, 110, 120, 126, 127, 127, 127, 1, 2, 4, 4, 3, 1, 127, 126, 120, 118]
TRUE_BPM = [100, 110, 120, 126, 127, 127, 127, 129, 130, 132, 132, 131, 129, 127, 126, 120, 118]


@pytest.mark.parametrize(
    ("device", "true"),
    [
        (WRAPPED, TRUE_BPM),
        (WRAPPED[::-1], TRUE_BPM[::-1]),
        (WRAPPED[:10], TRUE_BPM[:10]),
        (WRAPPED[9:], TRUE_BPM[9:]),
        ([*WRAPPED[:7], 64, *WRAPPED[7:]], [*TRUE_BPM[:7], np.nan, *TRUE_BPM[7:]]),  # resampled across the jump
        ([126, 127, 127, 0, 0, 0, 127, 127], [126, 127, 127, np.nan, np.nan, np.nan, 127, 127]),  # a finger taken out
        ([70, 71, 0, 0, 72, 72, 12, 12, 71, 70], [70, 71, np.nan, np.nan, 72, 72, 12, 12, 71, 70]),
        ([12, 12, 12, 12], [12, 12, 12, 12]),
    ],
)
@pytest.mark.parametrize("layout", ["ubfc-rppg", "ubfc-rppg-1", "pure"])
def test_heart_rates_of_seven_bits_are_unwrapped_where_that_is_evident(tmp_path, layout, device, true):
    times = np.arange(len(device)) / 10
    pulse = np.sin(times) + times
    if layout == "ubfc-rppg":
        path, read = tmp_path / "ground_truth.txt", ubfc_rppg.read_reference
        path.write_text("\n".join(" ".join(map(str, row)) for row in (pulse, device, times)))
    elif layout == "ubfc-rppg-1":
        path, read = tmp_path / "gtdump.xmp", ubfc_rppg_1.read_reference
        path.write_text("\n".join(f"{t * 1000},{b},98,{p}" for t, b, p in zip(times, device, pulse, strict=True)))
    else:
        path, read = tmp_path / "01-01.json", pure.read_reference
        rows = zip(times, device, pulse, strict=True)
        entries = [{"Timestamp": t * 1e9, "Value": {"waveform": p, "pulseRate": b}} for t, b, p in rows]
        path.write_text(json.dumps({"/FullPackage": entries, "/Image": [{"Timestamp": 0, "Value": {}}]}))
    reference = read(path)
    np.testing.assert_array_equal(reference.bpm, true)
    raised = int(np.nansum(np.array(true) > np.array(device)))
    note = f"the device's heart rate goes on at 0 after 127; 128 was added to {raised} of {len(device)} values"
    assert reference.notes == ((note,) if raised else ())


def test_real_heart_rate_of_seven_bits_agrees_with_the_peaks_of_its_own_wave(shared_data):
    reference = ubfc_rppg.read_reference(shared_data / "labels" / "subject24" / "ground_truth.txt")
    assert label_figures(reference).device_difference_bpm < MAX_DEVICE_DIFFERENCE_BPM
    high = slice(*np.flatnonzero(reference.bpm > 124)[[0, -1]])
    seconds, pulse = resample(reference.seconds[high], reference.pulse[high], 30.0)
    beats = seconds[find_peaks(pulse, distance=9)[0]]
    by_peaks = 60 / np.median(np.diff(beats))  # the median, for the camera's log has a hole of a second
    assert by_peaks == pytest.approx(128.6, abs=0.1)
    assert reference.bpm[high].mean() == pytest.approx(by_peaks, abs=1)  # 33.8 as the device sent it


def test_real_ubfc_rppg_is_read(shared_data):
    recordings = find_recordings(shared_data / "ubfc_rppg_mp4")
    assert [recording.subject for recording in recordings] == ["4", "5", "8", "10", "12", "13"]
    for recording in recordings:
        reference, seconds = recording.reference(), recording.frame_seconds()
        rows = [line.split() for line in recording.files[0].read_text().splitlines()]
        assert abs(len(rows[0]) - len(seconds)) <= 1  # one sample a frame
        assert reference.seconds[0] == 0
        assert (np.diff(seconds) > 0).all()
        both = min(len(seconds), len(reference.seconds))
        np.testing.assert_array_equal(seconds[:both], reference.seconds[:both])
        assert 40 < reference.bpm.min() <= reference.bpm.max() < 180


def test_real_clip_with_a_longer_label_is_read(shared_data):
    [recording] = find_recordings(shared_data / "ubfc_subject1_clip")
    assert recording.subject == "1"
    with pytest.warns(UserWarning, match=r"74 frames, but times of 1547: frames are paired .* by the file's own clock"):
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


@pytest.mark.parametrize(
    ("name", "said"),
    [("P1-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_2.avi", "MAHNOB-HCI"), ("F001_T1.mkv", "V4V")],
)
def test_videos_of_a_data_set_without_a_reader_do_not_pass_for_own_ones(tmp_path, writers, name, said):
    writers["folder"](tmp_path)
    video = next(tmp_path.rglob("*.mkv"))
    foreign = video.rename(video.with_name(name))
    with pytest.raises(InputError, match=f"{re.escape(str(foreign))}: this looks like {said}.* no reader here"):
        find_recordings(tmp_path)
    assert len(find_recordings(tmp_path, "folder")) == 1


def test_oximeters_rate_of_ecg_fitness_stands_in_for_a_missing_one_by_the_ecg(tmp_path, writers):
    writers["ecg-fitness"](tmp_path)
    path = tmp_path / "00" / "01" / "viatom-raw.csv"
    path.write_text(path.read_text().replace(",96,", ",-1,"))
    [recording] = find_recordings(tmp_path)
    np.testing.assert_array_equal(recording.reference().bpm, 91)


def test_what_is_known_of_pures_real_files(tmp_path):
    steps = np.resize([33_344_000, 33_314_000], 60)  # ns
    stamps = pure.FIRST_FRAME_NS + np.concatenate([[0], np.cumsum(steps)])
    images = tmp_path / "07-02" / "07-02"
    images.mkdir(parents=True)
    for stamp in stamps:
        cv2.imwrite(str(images / f"Image{stamp}.png"), np.full((8, 8, 3), stamp % 200, np.uint8))
    (images / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (images.parent / "cropped.json").write_text("{}")
    (tmp_path / "06-02" / "06-02").mkdir(parents=True)
    kept = np.delete(np.arange(110), [17, 18, 70])  # samples that the oximeter dropped
    packages = ",\n".join(
        f'{{"Timestamp": {pure.FIRST_FRAME_NS + 3_900_000 + int(i * 1e9 / 60)}, "Value":{{\n"o2saturation": 97,'
        f'"pulseRate": 66, "signalStrength": 4, "waveform": {i % 50}\n}}\n}}'
        for i in kept
    )
    frames = ",\n".join(f'{{"FrameID":"/CameraFrame","Timestamp": {stamp},"Value":{{\n}}\n}}' for stamp in stamps)
    (images.parent / "07-02.json").write_text(f'{{"/FullPackage":[\n{packages}],\n"/Image":[\n{frames}]\n}}\n')
    [recording] = find_recordings(tmp_path)
    assert (recording.name, recording.subject) == ("07-02", "07")
    assert len(recording.files) == 62
    seconds = np.array([when for when, _ in recording.frames()])
    np.testing.assert_allclose(seconds, (stamps - stamps[0]) / 1e9, atol=1e-9)
    reference = recording.reference()
    np.testing.assert_allclose(reference.seconds, 0.0039 + kept / 60, atol=1e-8)
    np.testing.assert_array_equal(reference.pulse, kept % 50)
    assert set(reference.bpm) == {66}
    assert reference.notes == ()


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
