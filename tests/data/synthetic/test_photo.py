from __future__ import annotations

import cv2
import numpy as np
import pytest

from rppg_graph.data import synthetic
from rppg_graph.errors import InputError


def test_a_portrait_without_a_face_is_refused(tmp_path):
    picture = tmp_path / "wall.png"
    cv2.imwrite(str(picture), np.full((300, 300, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"wall\.png: no face"):
        synthetic.generate("easy", 0, head=str(picture))


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
        return next(recording.frames())[next(recording.skin_maps()) > 0.5].mean(axis=0)

    light, brown, dark = (colour(tone) for tone in (1.0, 6.0, 9.0))
    assert (light > brown).all()
    assert (brown > dark).all()
    assert brown[0] / brown[2] > 1.2 * light[0] / light[2]  # brown skin is redder than light skin
