"""A small study of the map network: simulated people to learn from, generated ones to be measured on."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from rppg_graph.cli import main
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.data.traces import face_traces
from rppg_graph.experiments.people import TONES, fingerprint, people_of_tone, people_to_try
from rppg_graph.experiments.rows import read_rows
from rppg_graph.inference.predict import face_frames

STUDY = {
    "question": "Does a graph help at all?",
    "base": {
        "simulated": {"validation_people": 2},
        "data": {"clip_frames": 300},
        "model": {"name": "stgnet_map", "options": {"channels": 8, "dilations": [1, 2], "k": [4]}},
        "train": {"steps": 2, "batch": 2, "validate_every": 2, "workers": 0, "augment": None},
    },
    "seeds": [1],
    "start": {"name": "no graph", "overrides": ["model.options.graph=self"]},
    "evaluation": {"presets": ["easy", "office"], "subjects": 2, "seconds": 11, "graph_clips": 1},
    "variants": [{"name": "knn"}, {"name": "self", "overrides": ["model.options.graph=self"]}],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory, here) -> Path:
    """A folder in which the study was run; its results are in ``out``."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch, here():
        patch.chdir(folder)
        assert main(["ablate", "study.yaml", "--out", "out"]) == 0
    return folder


@pytest.mark.slow
def test_every_row_is_of_the_same_people_and_has_three_figures_of_each(done):
    rows = read_rows(done / "out" / "rows.jsonl")
    assert sorted((row["variant"], row["seed"]) for row in rows) == [("knn", 1), ("self", 1)]
    assert len({row["people"] for row in rows}) == 1
    for row in rows:
        assert row["accuracy"] is None  # nobody is its own: all people are drawn
        for figure in ("errors", "close", "snr"):
            assert set(row[figure]) == {"easy", "office"}
            assert all(len(found) <= 2 for found in row[figure].values())
    text = (done / "out" / "table.md").read_text()
    assert "**On the presets of the generator** (2 people of 11 s of each preset, " + rows[0]["people"] in text
    assert "| self | 1 |" in text
    assert {"accuracy_cost-light.png", "graph-dark.png"} <= {path.name for path in (done / "out").iterdir()}


@pytest.mark.slow
def test_people_to_try_are_read_once_and_known_by_what_is_read(done, monkeypatch):
    monkeypatch.chdir(done)
    first, again = (people_to_try("easy", 2, 11.0, SKIN_CROP) for _ in range(2))
    fresh = face_traces(face_frames(first[0].recording))
    np.testing.assert_array_equal(again[0].traces.patches, fresh.patches)
    np.testing.assert_array_equal(again[0].traces.boxes, fresh.boxes)
    assert again[0].traces.masks.keys() == fresh.masks.keys()
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first[:1]) != fingerprint(first[1:])


@pytest.mark.slow
def test_tones_change_the_skin_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    light, dark = (people_of_tone(tone, 1, 2.0, SKIN_CROP)[0] for tone in (TONES[0], TONES[-1]))
    np.testing.assert_array_equal(light.recording.pulse, dark.recording.pulse)
    np.testing.assert_array_equal(light.recording.boxes, dark.recording.boxes)
    assert light.traces.patches[:, 27].mean() > 1.5 * dark.traces.patches[:, 27].mean()  # of the nose
