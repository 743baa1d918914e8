"""The cache of face crops: whole, restartable, never silently incomplete."""

import json
import os
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from rppg_graph.data.cache import CachedRecording, CropSettings, load_cache, preprocess
from rppg_graph.data.contact_sheet import contact_sheet
from rppg_graph.data.face import FaceCropper
from rppg_graph.data.recordings import Recording, Reference, find_recordings
from rppg_graph.data.video import read_video, write_video
from rppg_graph.errors import InputError

FPS, COUNT = 25.0, 40
SETTINGS = CropSettings(size=32)


def reference_of(path: Path) -> Reference:
    """From half a second before the first frame to half a second before the last."""
    seconds = np.arange(-0.5, (COUNT - 1) / FPS - 0.5, 1 / 60)
    return Reference(seconds, np.sin(2 * np.pi * 1.2 * seconds), np.full(len(seconds), 72.0))


def no_reference() -> None:
    return None


def as_recording(path: Path, **changes) -> Recording:
    recording = Recording(
        name=path.stem,
        subject=path.stem[-1],
        layout="folder",
        files=(path,),
        frames=partial(read_video, path),
        reference=partial(reference_of, path),
    )
    return replace(recording, **changes)


def times_of_change(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


def test_cached_recording_is_what_the_cropper_gives(videos, tmp_path):
    preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    cached = load_cache(tmp_path / "cache")
    assert [(c.name, c.subject, c.layout) for c in cached] == [(v.stem, v.stem[-1], "folder") for v in videos]
    for recording, video in zip(cached, videos, strict=True):
        direct = list(FaceCropper(size=32).crops(read_video(video)))
        np.testing.assert_array_equal(recording.frames, np.array([frame.crop for frame in direct]))
        np.testing.assert_array_equal(recording.seconds, [frame.seconds for frame in direct])
        np.testing.assert_allclose(recording.boxes, [frame.box for frame in direct], atol=0.006)
        assert recording.frames.dtype == np.uint8
        assert isinstance(recording.frames, np.memmap)
        assert recording.face.all()
        assert recording.detection_rate == 1.0
        assert recording.fps == pytest.approx(FPS)


def test_reference_is_at_the_frames_own_times(videos, tmp_path):
    preprocess([as_recording(videos[0])], tmp_path, SETTINGS)
    [cached] = load_cache(tmp_path)
    inside = cached.seconds <= reference_of(videos[0]).seconds[-1]
    assert 5 < (~inside).sum() < 20
    expected = np.sin(2 * np.pi * 1.2 * cached.seconds)
    np.testing.assert_allclose(cached.pulse[inside], expected[inside], atol=2e-3)
    assert np.isnan(cached.pulse[~inside]).all()
    assert (cached.bpm[inside] == 72).all()
    assert np.isnan(cached.bpm[~inside]).all()
    assert f"{(~inside).sum()} of {COUNT} frames have no reference pulse" in cached.notes


def test_recording_without_reference(videos, tmp_path):
    preprocess([as_recording(videos[0], reference=no_reference)], tmp_path, SETTINGS)
    [cached] = load_cache(tmp_path)
    assert cached.pulse is None
    assert cached.bpm is None


def test_frames_without_a_face_are_marked(tmp_path, portrait, faceless):
    shown = [portrait] * 50 + [faceless] * 45
    video = write_video(tmp_path / "a.avi", shown, FPS, codec="mjpeg")
    preprocess([as_recording(video)], tmp_path / "cache", SETTINGS)
    [cached] = load_cache(tmp_path / "cache")
    assert cached.face[:50].all()
    assert not cached.face[76:].any(), "a box is held for a second"
    assert (cached.frames[76:] == 0).all()
    assert np.isnan(cached.boxes[76:]).all()
    assert cached.detection_rate == pytest.approx(50 / 95, abs=0.06)


def test_what_was_odd_in_the_video_is_noted(videos, tmp_path):
    data = videos[0].read_bytes()
    videos[0].write_bytes(data[: -len(data) // 8])
    preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    [cached] = load_cache(tmp_path / "cache")
    assert any("s of the video are missing" in note for note in cached.notes)


@pytest.mark.slow
def test_processes_give_the_same_bytes(videos, tmp_path, contents):
    preprocess(map(as_recording, videos), tmp_path / "one", SETTINGS, workers=1)
    preprocess(map(as_recording, videos), tmp_path / "two", SETTINGS, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_second_run_does_nothing(videos, tmp_path):
    preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    before = times_of_change(tmp_path / "cache")
    unreadable = [as_recording(video, frames=None, reference=None) for video in videos]
    preprocess(unreadable, tmp_path / "cache", SETTINGS, workers=1)
    assert times_of_change(tmp_path / "cache") == before


def test_a_touched_source_is_told_by_its_content(videos, tmp_path):
    preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    before = times_of_change(tmp_path / "cache")
    os.utime(videos[0], (0, 0))
    unreadable = [as_recording(video, frames=None, reference=None) for video in videos]
    for _ in range(2):
        preprocess(unreadable, tmp_path / "cache", SETTINGS, workers=1)
    assert times_of_change(tmp_path / "cache") == before
    assert len(load_cache(tmp_path / "cache")) == 3


def test_a_changed_source_rebuilds_just_itself(videos, tmp_path, moving_portrait):
    preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    before = times_of_change(tmp_path / "cache")
    write_video(videos[1], moving_portrait(COUNT - 5, 9), FPS, codec="mjpeg")
    preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    after = times_of_change(tmp_path / "cache")
    assert [path for path in after if after[path] != before[path]] == [path for path in after if "ller" in path]
    assert [len(recording.frames) for recording in load_cache(tmp_path / "cache")] == [COUNT, COUNT - 5, COUNT]


@pytest.mark.parametrize("change", [{"size": 24}, {"detector": "haar"}, {"policy": "skip"}])
def test_other_settings_rebuild(videos, tmp_path, change, contents):
    settings = replace(SETTINGS, **change)
    preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    preprocess([as_recording(videos[0])], tmp_path / "cache", settings)
    preprocess([as_recording(videos[0])], tmp_path / "fresh", settings)
    assert contents(tmp_path / "cache") == contents(tmp_path / "fresh")


def test_two_runs_on_one_folder_leave_each_other_alone(videos, tmp_path, contents):
    out, others = tmp_path / "cache", []

    def frames():
        for number, frame in enumerate(read_video(videos[0])):
            if number == 10:  # a second run begins in the middle of the first
                others.append(Thread(target=preprocess, args=([as_recording(videos[2])], out, SETTINGS)))
                others[-1].start()
                others[-1].join(0.2)
            yield frame

    preprocess([as_recording(videos[0], frames=frames)], out, SETTINGS, workers=1)
    others[0].join()
    assert [recording.name for recording in load_cache(out)] == ["s3"]  # the second run's manifest is the last
    for video in (videos[0], videos[2]):
        preprocess([as_recording(video)], tmp_path / "alone", SETTINGS)
    assert contents(out) == contents(tmp_path / "alone")


def test_one_failure_is_named_after_the_others_are_done(videos, tmp_path, faceless):
    write_video(videos[1], [faceless] * 30, FPS, codec="mjpeg")
    with pytest.raises(InputError, match=r"1 of 3 .*\n  müller-2 \(.*raw\): müller-2: no face in any of the 30 frames"):
        preprocess(map(as_recording, videos), tmp_path / "cache", SETTINGS, workers=1)
    with pytest.raises(InputError, match="1 of 3 recordings are not in the cache: müller-2"):
        load_cache(tmp_path / "cache")
    assert [recording.name for recording in load_cache(tmp_path / "cache", ["müller-2"])] == ["subject 1", "s3"]
    manifest = json.loads((tmp_path / "cache" / "manifest.json").read_text())
    assert [entry["done"] for entry in manifest["recordings"].values()] == [True, False, True]


@pytest.mark.slow
def test_failures_in_processes_are_named_too(videos, tmp_path):
    videos[0].write_bytes(b"nothing of a video")
    broken = as_recording(videos[2], reference=partial(int, "no number"))
    with pytest.raises(RuntimeError, match=r"(?s)2 of 3 .*subject 1\.avi: not a.*s3 .*invalid literal"):
        preprocess([as_recording(videos[0]), as_recording(videos[1]), broken], tmp_path / "cache", SETTINGS, workers=2)
    assert len(load_cache(tmp_path / "cache", ["subject 1", "s3"])) == 1


def test_old_crops_survive_a_source_that_became_bad(videos, tmp_path, contents):
    preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    before = contents(tmp_path / "cache")
    good = videos[0].read_bytes()
    videos[0].write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match="missing"):
        preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    after = contents(tmp_path / "cache")
    assert {path: data for path, data in after.items() if "manifest" not in path} == {
        path: data for path, data in before.items() if "manifest" not in path
    }


def test_a_source_that_changes_while_it_is_read(videos, tmp_path, contents):
    def growing():
        yield from read_video(videos[0])
        os.utime(videos[0], (0, 0))

    with pytest.raises(InputError, match="changed while it was read"):
        preprocess([as_recording(videos[0], frames=growing)], tmp_path / "cache", SETTINGS)
    assert list(contents(tmp_path / "cache")) == ["manifest.json"]


@pytest.mark.parametrize("damage", ["frames.npy", "recording.json"])
@pytest.mark.parametrize("how", ["cut", "gone", "empty"])
def test_damaged_folder_is_a_hole_and_is_rebuilt(videos, tmp_path, damage, how, contents):
    out = tmp_path / "cache"
    preprocess([as_recording(videos[2])], out, SETTINGS)
    whole = contents(out)
    path = out / "s3" / damage
    data = path.read_bytes()
    path.unlink() if how == "gone" else path.write_bytes(data[:-1] if how == "cut" else b"")
    if (damage, how) == ("recording.json", "cut"):
        path.write_bytes(data[:-100])
    with pytest.raises(InputError, match="1 of 1 recordings are not in the cache: s3"):
        load_cache(out)
    preprocess([as_recording(videos[2])], out, SETTINGS)
    assert contents(out) == whole


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"format_version": 0}'])
def test_manifest_that_is_none(videos, tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"run preprocess"):
        load_cache(tmp_path)


def test_names_that_no_folder_can_have(videos, tmp_path):
    names = ["a/b", "a_b", "../up", "line\nbreak", "ü" * 200, "CON:", "."]
    preprocess([as_recording(videos[0], name=name) for name in names], tmp_path / "out" / "cache", SETTINGS, workers=1)
    assert [recording.name for recording in load_cache(tmp_path / "out" / "cache")] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cache"]


def test_two_recordings_of_one_name(videos, tmp_path):
    with pytest.raises(InputError, match="2 recordings have the name 's3'"):
        preprocess([as_recording(videos[2])] * 2, tmp_path, SETTINGS)


def test_nothing_to_do(tmp_path):
    with pytest.raises(InputError, match="no recording"):
        preprocess([], tmp_path, SETTINGS)


def test_folder_that_cannot_be_made(videos, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        preprocess([as_recording(videos[0])], tmp_path / "file" / "cache", SETTINGS)


def test_a_recording_keeps_no_frames_and_pickled_carries_none(videos, tmp_path):
    preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    [cached] = load_cache(tmp_path / "cache")
    frames = np.array(cached.frames)
    mapped = Path("/proc/self/maps")
    if mapped.exists():  # a thousand recordings whose maps are kept would take the memory of all their frames
        assert str(cached.folder) not in mapped.read_text()
    pickled = pickle.dumps(cached)
    assert len(pickled) < frames.nbytes / 4
    np.testing.assert_array_equal(pickle.loads(pickled).frames, frames)


def test_contact_sheet_shows_the_crops(videos, tmp_path):
    preprocess([as_recording(videos[0])], tmp_path / "cache", SETTINGS)
    [cached] = load_cache(tmp_path / "cache")
    made = (cached.folder / "contact_sheet.png").read_bytes()
    assert contact_sheet(cached).read_bytes() == made
    sheet = cv2.imread(str(cached.folder / "contact_sheet.png"))[..., ::-1]
    np.testing.assert_array_equal(sheet[28:156:4, :128:4], cached.frames[0])
    np.testing.assert_array_equal(sheet[28 + 3 * 146 : 156 + 3 * 146 : 4, 512::4], cached.frames[-1])


@pytest.mark.slow
def test_real_recordings(shared_data, tmp_path):
    [recording] = find_recordings(shared_data / "ubfc_subject1_clip")
    preprocess([recording], tmp_path, CropSettings())
    [cached] = load_cache(tmp_path)
    assert isinstance(cached, CachedRecording)
    assert cached.frames.shape == (74, 64, 64, 3)
    assert cached.detection_rate == 1.0
    assert np.isfinite(cached.pulse).all()


def test_frame_rate_of_an_uneven_log_is_that_of_its_frames_and_not_of_its_median_step(tmp_path):
    steps = np.random.default_rng(0).permutation(np.repeat([0.025, 0.033, 0.041], [200, 300, 501]))  # the median: 0.041
    steps[500] = 3.0
    seconds = np.cumsum([0, *steps])
    frames = {"face": np.ones(1002, bool), "boxes": np.zeros((1002, 4)), "pulse": None, "bpm": None}
    cached = CachedRecording(tmp_path, "a", "a", "folder", seconds, **frames, detection_rate=1.0, notes=())
    assert cached.fps == pytest.approx(1000 / (np.delete(steps, 500).sum()), rel=1e-9)
    assert cached.fps == pytest.approx(28.2, abs=0.1)
