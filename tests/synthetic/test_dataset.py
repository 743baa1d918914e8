import json
from functools import partial

import numpy as np
import pytest

from rppg_graph import synthetic
from rppg_graph.data.video import probe, read_video
from rppg_graph.errors import InputError
from rppg_graph.synthetic.dataset import PARAMETERS_FILE

SMALL = {"seconds": 2.0, "fps": 15.0, "size": (96, 128)}


@pytest.mark.parametrize("layout", synthetic.LAYOUTS)
def test_what_was_written_is_read_back(tmp_path, layout):
    out = tmp_path / "set"
    recordings = synthetic.write_dataset(out, layout=layout, preset="easy", subjects=2, seed=1, workers=1, **SMALL)
    assert len(recordings) == 2
    assert len({recording.subject for recording in recordings}) == 2
    for recording in recordings:
        folder = next(path for path in out.rglob(recording.name) if (path / PARAMETERS_FILE).is_file())
        stored = json.loads((folder / PARAMETERS_FILE).read_text())
        source = synthetic.generate(stored["preset"], stored["seed"], person=stored["person"], **SMALL)
        frames, reference = list(recording.frames()), recording.reference()
        assert len(frames) == len(source.seconds) == 30
        assert [seconds for seconds, _ in frames] == pytest.approx(source.seconds, abs=2e-3)
        for (_, frame), original in zip(frames, source.frames(), strict=True):
            assert np.abs(np.asarray(frame).astype(float) - original).mean() < 1.5
        inside = reference.seconds <= source.seconds[-1]
        wanted = source.reference(reference.seconds[inside])
        assert np.corrcoef(reference.pulse[inside], wanted.pulse)[0, 1] > 0.999
        assert reference.bpm[inside] == pytest.approx(wanted.bpm, abs=0.51)


def test_a_set_without_a_codec_is_lossless(tmp_path):
    (recording,) = synthetic.write_dataset(tmp_path / "set", subjects=1, seed=1, workers=1, codec="none", **SMALL)
    stored = json.loads((recording.files[0].parent / PARAMETERS_FILE).read_text())
    source = synthetic.generate("easy", stored["seed"], person=stored["person"], codec="none", **SMALL)
    assert all(np.array_equal(a, b) for (_, a), b in zip(recording.frames(), source.frames(), strict=True))


@pytest.mark.slow
def test_same_seed_same_bytes_with_any_number_of_workers(tmp_path, contents):
    for workers in (1, 2):
        synthetic.write_dataset(
            tmp_path / str(workers), layout="pure", preset="hard", subjects=2, recordings_per_subject=2, seed=3,
            workers=workers, **SMALL,
        )  # fmt: skip
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one == two
    assert len({name.split("/")[0] for name in one}) == 4


def test_the_same_person_sits_in_all_recordings_of_a_subject(tmp_path):
    out = tmp_path / "set"
    synthetic.write_dataset(
        out, layout="pure", preset="office", subjects=1, recordings_per_subject=2, seed=3, workers=1, **SMALL
    )
    first, second = (json.loads(path.read_text()) for path in sorted(out.rglob(PARAMETERS_FILE)))
    assert first["person"] == second["person"]
    assert first["seed"] != second["seed"]
    assert first["bpm"] != second["bpm"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "ubfc"}, "did you mean ubfc-rppg"),
        ({"subjects": 0}, "subjects = 0"),
        ({"recordings_per_subject": 2}, "recordings_per_subject = 2"),
        ({"layout": "pure", "subjects": 100}, "subjects = 100"),
        ({"preset": "heavy"}, "unknown synthetic preset"),
        ({"bpm": 0}, "bpm = 0"),
        ({"noise_levels": -1.0}, "noise_levels = -1"),
        ({"codec": "h265"}, "did you mean h264"),
        ({"portraits": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_impossible_sets_are_refused_and_leave_nothing(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        synthetic.write_dataset(tmp_path / "set", **{"subjects": 1, "seed": 0} | SMALL | settings)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        synthetic.write_dataset(tmp_path / "set", subjects=1, seed=0, workers=1, **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_contact_sheet_shows_every_preset(tmp_path):
    import cv2

    sheet = cv2.imread(str(synthetic.contact_sheet(tmp_path / "sheet.png", people=2, width=80)))
    assert sheet.shape == (60 * len(synthetic.PRESETS), 160, 3)
    with pytest.raises(InputError, match="cannot be written"):
        synthetic.contact_sheet(tmp_path / "missing" / "sheet.png", "easy", people=1)


def test_a_preset_video_shows_its_people_side_by_side(tmp_path):
    path = synthetic.preset_video(tmp_path / "hard.mp4", "hard", people=2, seed=3, seconds=1.0, fps=15.0)
    frames = [frame for _, frame in read_video(path)]
    own = [next(synthetic.generate("hard", seed, seconds=1.0, fps=15.0).frames()) for seed in (3, 4)]
    assert 12 <= len(frames) <= 15
    assert np.abs(frames[0].astype(float) - np.hstack(own)).mean() < 5


@pytest.mark.slow
def test_show_writes_a_sheet_and_a_video_of_every_preset_into_a_new_folder(tmp_path, monkeypatch):
    presets = {name: synthetic.PRESETS[name] for name in ("easy", "hard")}
    monkeypatch.setattr("rppg_graph.synthetic.sheet.PRESETS", presets)  # all are in the sheet above
    out = tmp_path / "pictures"
    files = synthetic.show_presets(out, seconds=0.5, fps=15.0)
    assert {file.name for file in files} == {f"{preset}.{kind}" for preset in presets for kind in ("png", "mp4")}
    assert all(probe(file).height == 240 for file in files if file.suffix == ".mp4")
    with pytest.raises(InputError, match="holds something"):
        synthetic.show_presets(out)


@pytest.mark.parametrize("write", [partial(synthetic.write_dataset, subjects=1, seed=0), synthetic.show_presets])
def test_a_folder_that_holds_something_is_refused_before_it_is_written_to(write, tmp_path, contents):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        write(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}
