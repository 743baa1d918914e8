from dataclasses import fields

import numpy as np
import pytest

from rppg_graph.data.face import FaceCropper, FaceFrame, background
from rppg_graph.data.masks import MASKS
from rppg_graph.data.skin import mean_rgb
from rppg_graph.data.traces import GRID, FaceTraces, TraceReader, face_traces
from rppg_graph.data.video import read_pictures, read_video, write_video

FPS = 20.0


def faces(frames: int, start: float = 0.0, size: int = 32, **known) -> list[FaceFrame]:
    rng = np.random.default_rng(0)
    base = np.add.outer(np.linspace(0, 30, size), np.linspace(90, 110, size))[..., None] + np.array([40, 10, 0])
    crops = np.clip(base + rng.normal(0, 3, (frames, size, size, 3)), 1, 255).astype(np.uint8)
    return [FaceFrame(start + i / FPS, crop, (0.0, 0.0, 9.0, 9.0), True, **known) for i, crop in enumerate(crops)]


def test_traces_are_the_means_that_numpy_gives():
    frames = faces(130)
    traces = face_traces(frames)
    crops = np.array([frame.crop for frame in frames], np.float64)
    side = crops.shape[1] // GRID
    patches = crops.reshape(len(crops), GRID, side, GRID, side, 3).mean(axis=(2, 4)).reshape(len(crops), -1, 3)
    np.testing.assert_allclose(traces.patches, patches, rtol=1e-6)
    np.testing.assert_allclose(traces.masks["whole"], crops.mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(traces.masks["skin"], [mean_rgb(frame.crop) for frame in frames], rtol=1e-6)
    np.testing.assert_allclose(traces.seconds, np.arange(130) / FPS)
    assert set(traces.masks) == set(MASKS)
    assert traces.boxes.shape == (130, 4)
    assert traces.background is None
    assert traces.key_frames is None


def test_frames_without_a_face_leave_nothing_and_a_gap_begins_the_steady_mask_anew():
    first, later = faces(60), faces(60, start=10.0)
    lost = [FaceFrame(3.0 + i / FPS, None, None, False) for i in range(140)]
    traces = face_traces([*first, *lost, *later])
    alone = face_traces(later)
    assert [(run.start, run.stop) for run in traces.runs()] == [(0, 60), (60, 120)]
    for name in MASKS:
        np.testing.assert_array_equal(traces.masks[name][60:], alone.masks[name])


def test_what_is_forgotten_leaves_the_rest_as_it_was_and_memory_is_bounded():
    frames, reader = faces(300), TraceReader()
    for frame in frames:
        reader.push(frame)
        reader.forget(frame.seconds - 1.0)  # later than the steady colours are certain: those that wait stay
        assert len(reader) <= 53
    kept, whole = reader.result(), face_traces(frames)
    np.testing.assert_array_equal(kept.seconds, whole.seconds[-len(kept.seconds) :])
    for name in MASKS:
        np.testing.assert_array_equal(kept.masks[name], whole.masks[name][-len(kept.seconds) :])
    assert face_traces([]).patches.shape == (0, GRID**2, 3)


def test_a_stretch_of_time_is_cut_from_every_trace():
    traces = face_traces(faces(60, background=np.zeros((24, 3)), key_frame=False))
    part = traces.between(1.0, 2.0)
    assert part.seconds[[0, -1]].tolist() == [1.0, 2.0]
    assert {len(values) for values in (part.patches, part.background, part.boxes, part.key_frames)} == {21}


@pytest.mark.parametrize("known", [{}, {"key_frame": True, "background": np.full((24, 3), np.nan, np.float32)}])
def test_a_file_keeps_every_field_and_no_more(tmp_path, known):
    traces = face_traces(faces(30, **known))
    traces.write(tmp_path / "face.npz")
    read = FaceTraces.read(tmp_path / "face.npz")
    assert read.masks.keys() == traces.masks.keys()
    for field in fields(traces):
        kept, given = getattr(read, field.name), getattr(traces, field.name)
        if field.name == "masks":
            kept, given = (np.stack([masks[name] for name in MASKS]) for masks in (kept, given))
        assert (kept is None) == (given is None)
        if given is not None:
            np.testing.assert_array_equal(kept, given, strict=True)


def test_the_background_is_blocks_of_the_frame_without_those_near_the_face():
    frame = np.zeros((240, 360, 3), np.uint8)
    frame[:, :120], frame[:, 240:] = (10, 20, 30), (40, 50, 60)
    blocks = background(frame, (150.0, 80.0, 60.0, 60.0)).reshape(4, 6, 3)  # widened: x 135 to 225, y 65 to 155
    near = np.isnan(blocks).all(axis=2)
    expected = np.zeros((4, 6), bool)
    expected[1:3, 2:4] = True
    np.testing.assert_array_equal(near, expected)
    np.testing.assert_allclose(blocks[:, :2], np.broadcast_to((10, 20, 30), (4, 2, 3)))
    np.testing.assert_allclose(blocks[:, 4:], np.broadcast_to((40, 50, 60), (4, 2, 3)))
    assert np.isnan(background(frame, (0.0, 0.0, 240.0, 240.0)).reshape(4, 6, 3)[:, :5]).all()


@pytest.fixture
def coded(tmp_path):
    frames = np.random.default_rng(2).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    return write_video(tmp_path / "a.mp4", frames, FPS)


def test_key_frames_and_background_reach_the_traces(coded):
    read = list(read_pictures(coded))
    keys = [key for *_, key in read]
    assert keys[0]
    assert sum(keys) < len(keys)
    for (seconds, picture, _), (at, same) in zip(read, read_video(coded), strict=True):
        assert seconds == at
        np.testing.assert_array_equal(picture.rgb, same)
    traces = face_traces(FaceCropper(16, policy="full-frame").crops(read))
    assert traces.key_frames.tolist() == keys
    assert traces.background.shape == (30, 24, 3)
    assert face_traces(FaceCropper(16, policy="full-frame").crops(read_video(coded))).key_frames is None
