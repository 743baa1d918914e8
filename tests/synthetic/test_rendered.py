import shutil
from pathlib import Path

import numpy as np
import pytest

from rppg_graph import synthetic
from rppg_graph.data.cached_recording import read_metadata
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.errors import InputError

PEOPLE = {"preset": "office", "subjects": 2, "seed": 3, "seconds": 3.0}


def render(root: Path, workers: int = 1, crop: int = 16, **changes):
    return synthetic.render_people(root, [PEOPLE | changes], crop=crop, workers=workers)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return render(tmp_path_factory.mktemp("people"))


def test_the_crops_and_the_pulse_are_those_of_the_generated_recording(people):
    assert len({person.subject for person in people}) == 2
    for person in people:
        source = synthetic.generate("office", int(read_metadata(person.folder)["source"]["seed"]), seconds=3.0)
        assert np.array_equal(person.frames, list(source.crops(16)))
        np.testing.assert_allclose(person.pulse, source.pulse)
        np.testing.assert_allclose(person.seconds, source.seconds)
        assert person.face.all()


def test_coded_crops_are_those_that_a_codec_leaves_and_lie_beside_the_others(people):
    root = people[0].folder.parent
    before = contents(root)
    for coded, plain in zip(render(root, coded=True), people, strict=True):
        source = synthetic.generate("office", int(read_metadata(coded.folder)["source"]["seed"]), seconds=3.0)
        assert np.array_equal(coded.frames, list(source.coded_crops(16)))
        assert not np.array_equal(coded.frames, plain.frames)
        np.testing.assert_array_equal(coded.pulse, plain.pulse)
        shutil.rmtree(coded.folder)
    assert contents(root) == before


def test_what_is_overridden_holds_for_everybody_and_has_a_place_of_its_own(people, tmp_path):
    """The same people, darker: what changed is the skin, not the pulse."""
    darker = render(tmp_path, skin_tone=10.0)
    assert {person.name for person in darker}.isdisjoint(person.name for person in people)
    for dark, person in zip(darker, people, strict=True):
        np.testing.assert_array_equal(dark.pulse, person.pulse)
        assert dark.frames[:, 8, 8].mean() < 0.8 * person.frames[:, 8, 8].mean()


def test_several_kinds_of_people_come_in_the_order_of_their_parts(people, tmp_path):
    root = people[0].folder.parent
    both = synthetic.render_people(root, [PEOPLE | {"subjects": 1, "seconds": 2.0}, PEOPLE], crop=16, workers=1)
    assert [person.name for person in both][1:] == [person.name for person in people]
    assert both[0].seconds[-1] < 2.0
    shutil.rmtree(both[0].folder)


def test_they_make_clips_to_train_on(people):
    clips = ClipDataset(people, clip_frames=60, stride=30)
    video, pulse = clips[(0, 0)]
    assert video.shape == (3, 60, 16, 16)
    assert pulse.shape == (60,)
    assert len(clips) == 4
    assert clips.left_out == 0


def test_a_stopped_run_goes_on_with_those_that_are_missing(people, tmp_path):
    root = people[0].folder.parent
    before = contents(root)
    times = {path: path.stat().st_mtime_ns for path in people[0].folder.iterdir()}
    for path in people[1].folder.iterdir():
        path.unlink()
    again = render(root)
    assert [person.name for person in again] == [person.name for person in people]
    assert contents(root) == before
    assert {path: path.stat().st_mtime_ns for path in people[0].folder.iterdir()} == times


def test_crops_of_finer_frames_have_less_noise(tmp_path):
    """Their pixels average more of the sensor's; in the dark, what changes from one frame to the next is noise."""
    sizes = ((240, 320), (480, 640))
    for coarse, other in zip(*(render(tmp_path, size=size, preset="dark", crop=48) for size in sizes), strict=True):
        noise, less = (np.diff(person.frames.astype(float), n=2, axis=0).std() for person in (coarse, other))
        assert less < 0.8 * noise


@pytest.mark.slow
def test_same_seed_same_bytes_with_any_number_of_workers(people, tmp_path):
    render(tmp_path, workers=2)
    assert contents(tmp_path) == contents(people[0].folder.parent)


@pytest.mark.parametrize("wrong", [{"preset": "offices"}, {"seconds": 0.0}, {"skin_tone": 11.0}])
def test_impossible_people_are_refused_before_anything_is_written(wrong, tmp_path):
    with pytest.raises(InputError):
        render(tmp_path / "people", **wrong)
    assert not (tmp_path / "people").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "people").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        render(tmp_path / "people")
