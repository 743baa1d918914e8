import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skin_maps import skin_maps

from rppg_graph import synthetic
from rppg_graph.errors import InputError
from rppg_graph.synthetic.dataset import PARAMETERS_FILE
from rppg_graph.synthetic.head import face_plane
from rppg_graph.synthetic.photo import _cut_out, find_portraits


def test_a_portrait_without_a_face_is_refused(tmp_path):
    picture = tmp_path / "wall.png"
    cv2.imwrite(str(picture), np.full((300, 300, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"wall\.png: no face"):
        synthetic.generate("easy", 0, head=str(picture))


@pytest.fixture
def portraits(tmp_path):
    """A folder with one portrait as PNG and as JPEG, and a file that is no picture."""
    from skimage import data

    folder = tmp_path / "portraits"
    folder.mkdir()
    for name in ("b.JPG", "a.png"):
        cv2.imwrite(str(folder / name), data.astronaut()[..., ::-1])
    (folder / "notes.txt").write_text("mine")
    return folder


def test_the_portraits_of_a_folder_become_the_heads_in_turn(portraits, tmp_path):
    assert [Path(path).name for path in find_portraits(portraits)] == ["a.png", "b.JPG"]
    recordings = synthetic.write_dataset(
        tmp_path / "set", portraits=portraits, subjects=3, seed=1, workers=1, seconds=1.0, fps=15.0, size=(64, 96)
    )
    heads = [json.loads((each.files[0].parent / PARAMETERS_FILE).read_text())["head"] for each in recordings]
    assert [Path(head).name for head in heads] == ["a.png", "b.JPG", "a.png"]


def test_a_folder_with_a_picture_without_a_face_is_refused_by_its_name(portraits, tmp_path):
    cv2.imwrite(str(portraits / "wall.png"), np.full((300, 300, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"wall\.png: no face"):
        synthetic.write_dataset(tmp_path / "set", portraits=portraits, subjects=1, seed=1)
    assert not (tmp_path / "set").exists()


def test_broken_pictures_and_folders_without_pictures_are_refused(portraits, tmp_path):
    (portraits / "c.jpg").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"c\.jpg: not a readable picture"):
        find_portraits(portraits)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture in it"):
        find_portraits(tmp_path / "empty")
    with pytest.raises(InputError, match="no such folder"):
        find_portraits(portraits / "notes.txt")


@pytest.mark.parametrize("content", [None, b"", b"not a picture"])
def test_a_portrait_that_cannot_be_read_is_refused(tmp_path, content):
    picture = tmp_path / "portrait.jpg"
    if content is not None:
        picture.write_bytes(content)
    with pytest.raises(InputError, match="not a readable picture"):
        synthetic.generate("easy", 0, head=str(picture))


def test_a_portrait_from_a_file_is_like_the_built_in_one(tmp_path, still):
    from skimage import data

    picture = tmp_path / "portrait.png"
    cv2.imwrite(str(picture), data.astronaut()[..., ::-1])
    overrides = still | {"skin_tone": 4.0}
    built_in, own = (
        next(synthetic.generate("easy", 3, seconds=1, head=head, **overrides).frames()).astype(float)
        for head in ("astronaut", str(picture))
    )
    assert np.corrcoef(built_in.ravel(), own.ravel())[0, 1] > 0.9


def test_recolouring_reaches_the_tone(still):
    def colour(tone):
        recording = synthetic.generate(
            "easy", 3, seconds=1, head="astronaut", light_kelvin=5000.0, **still | {"skin_tone": tone}
        )
        return next(recording.frames())[next(skin_maps(recording)) > 0.5].mean(axis=0)

    light, brown, dark = (colour(tone) for tone in (1.0, 6.0, 9.0))
    assert (light > brown).all()
    assert (brown > dark).all()
    assert brown[0] / brown[2] > 1.2 * light[0] / light[2]  # brown skin is redder than light skin


def test_skin_that_shines_in_the_portrait_is_skin(tmp_path):
    from skimage import data

    picture = data.astronaut().copy()
    cv2.circle(picture, (224, 85), 4, (255, 250, 245), -1, cv2.LINE_AA)  # on the forehead
    cv2.imwrite(str(tmp_path / "shining.png"), picture[..., ::-1])
    u, v = face_plane()
    forehead = (np.abs(u) < 0.25) & (np.abs(v + 0.65) < 0.2)
    assert _cut_out(str(tmp_path / "shining.png"))[2][forehead].min() > 0.8
