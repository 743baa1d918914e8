"""Files of waves from anywhere: good ones are scored, bad ones are named."""

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO
from rppg_graph.pulse.score import load_waves, score


@pytest.fixture
def arrays(sine):
    return {"a_pred": sine(70, 30, 30), "a_label": sine(70, 30, 30), "fs": 30, "label_type": "Raw"}


def test_waves_whole_and_in_chunks_are_the_same(tmp_path, arrays):
    np.savez(tmp_path / "whole.npz", **arrays)
    chunked = arrays | {"a_pred": arrays["a_pred"].reshape(9, 100), "a_label": arrays["a_label"].reshape(9, 100)}
    np.savez(tmp_path / "chunks.npz", **chunked)
    first, second = score(tmp_path / "whole.npz"), score(tmp_path / "chunks.npz")
    assert first.to_dict() == second.to_dict()
    assert first.recordings[0].name == "a"
    assert first.recordings[0].bpm == pytest.approx(70, abs=0.1)


@pytest.mark.parametrize(
    ("label_type", "differenced"), [("DiffNormalized", True), ("Standardized", False), ("Raw", False)]
)
def test_the_label_type_says_whether_waves_are_differences(tmp_path, arrays, label_type, differenced):
    np.savez(tmp_path / "waves.npz", **arrays | {"label_type": label_type})
    assert load_waves(tmp_path / "waves.npz")[0].differenced is differenced


def test_waves_may_say_that_they_are_like_a_contact_sensors(tmp_path, arrays):
    np.savez(tmp_path / "plain.npz", **arrays)
    np.savez(tmp_path / "contact.npz", contact=True, **arrays)
    assert load_waves(tmp_path / "plain.npz")[0].reader == VIDEO
    assert load_waves(tmp_path / "contact.npz")[0].reader == CONTACT


def test_a_recording_has_its_own_rate(tmp_path, sine):
    arrays = {"a_pred": sine(72, 25, 30), "a_label": sine(72, 25, 30), "a_fs": 25, "label_type": "Raw"}
    arrays |= {"b_pred": sine(72, 30, 30), "b_label": sine(72, 30, 30), "fs": 30}
    np.savez(tmp_path / "waves.npz", **arrays)
    measured = score(tmp_path / "waves.npz").recordings
    assert [row.bpm for row in measured] == pytest.approx([72, 72], abs=0.1)
    assert [row.reference_bpm for row in measured] == pytest.approx([72, 72], abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fs": None}, "'fs' is missing"),
        ({"fs": [30, 30]}, "single value"),
        ({"fs": 0}, "fs is 0"),
        ({"fs": "thirty"}, "fs is thirty"),
        ({"a_fs": -30}, "a_fs is -30"),
        ({"contact": [True, False]}, "single value"),
        ({"label_type": None}, "'label_type' is missing"),
        ({"label_type": "Diff"}, "DiffNormalized"),
        ({"a_label": None}, "no partner a_label"),
        ({"a_pred": None}, "no partner a_pred"),
        ({"a_pred": None, "a_label": None}, "no recording"),
        ({"a_label": np.zeros(17)}, "900 samples and a_label 17"),
        ({"a_pred": np.array(["x"] * 900)}, "not numbers"),
        ({"a_pred": np.zeros((2, 3, 4))}, "(chunks, frames)"),
        ({"a_pred": np.zeros(0)}, "shape"),
        ({"a_pred": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_bad_contents_are_named(tmp_path, arrays, change, message):
    kept = {key: value for key, value in (arrays | change).items() if value is not None}
    path = tmp_path / "bad.npz"
    np.savez(path, **kept)
    with pytest.raises(InputError) as error:
        score(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_files_that_are_no_npz(tmp_path, arrays):
    np.savez(tmp_path / "good.npz", **arrays)
    whole = (tmp_path / "good.npz").read_bytes()
    files = {
        "empty.npz": b"",
        "text.npz": b"heart rate: 72\n",
        "cut.npz": whole[: len(whole) // 2],
        "no.zip": b"PK\x03\x04",
    }
    for name, contents in files.items():
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(InputError, match=name):
            score(tmp_path / name)
    broken = bytearray(whole)
    broken[200:260] = b"\xff" * 60
    (tmp_path / "broken.npz").write_bytes(broken)
    with pytest.raises(InputError, match=r"broken\.npz"):
        score(tmp_path / "broken.npz")
    np.save(tmp_path / "single.npy", np.zeros(5))
    for name, message in {"single.npy": "single array", "missing.npz": "no such file"}.items():
        with pytest.raises(InputError, match=message):
            score(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        score(tmp_path)
