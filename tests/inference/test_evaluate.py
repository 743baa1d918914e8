"""The files of a result: what they hold, and that they are whole."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rppg_graph.errors import InputError
from rppg_graph.inference.evaluate import mean_predictor, table, write_results
from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.heart_rate import CONTACT, VIDEO
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.score import load_waves, score


def wave(name: str, fps: float) -> Wave:
    pulse = np.sin(2 * np.pi * 72 / 60 * np.arange(int(30 * fps)) / fps)
    return Wave(name, name, pulse, pulse, fps)


def test_waves_at_several_rates_are_scored_at_their_own(tmp_path):
    waves = [wave("slow", 25.0), wave("fast", 30.0)]
    measured = evaluate_waves(waves)
    write_results(tmp_path, {"pos": measured}, {"pos": waves}, {})
    again = score(tmp_path / "waves-pos.npz")
    assert again.to_dict() == measured.to_dict()
    assert [row.bpm for row in again.recordings] == pytest.approx([72, 72], abs=0.1)


@pytest.mark.parametrize(("reader", "contact"), [(VIDEO, False), (CONTACT, True)])
def test_waves_are_read_again_as_they_were(reader, contact, tmp_path):
    waves = [replace(wave("a", 30.0), reader=reader)]
    write_results(tmp_path, {"some": evaluate_waves(waves)}, {"some": waves}, {})
    assert np.load(tmp_path / "waves-some.npz")["contact"].item() is contact
    assert load_waves(tmp_path / "waves-some.npz")[0].reader == reader


def test_a_result_that_cannot_be_written_leaves_the_older_one(tmp_path):
    waves = [wave("a", 30.0)]
    results = {"pos": evaluate_waves(waves)}
    write_results(tmp_path, results, {"pos": waves}, {"data": "first"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_results(tmp_path, results, {"pos": waves}, {"data": float("nan")})
    (tmp_path / "results.json").unlink()
    (tmp_path / "results.json").mkdir()  # as a full disk: the last step fails
    with pytest.raises(InputError, match=r"results\.json could not be written"):
        write_results(tmp_path, results, {"pos": waves}, {"data": "second"})
    (tmp_path / "results.json").rmdir()
    assert json.loads(before.pop("results.json"))["data"] == "first"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_recordings_shorter_than_a_window_have_a_line_in_the_table_of_windows():
    measured = evaluate_waves([wave("short", 30.0)], window_seconds=60.0)
    assert not measured.windows
    text = table({"pos": measured, "mean": mean_predictor(measured, 80.0)}, windows=True)
    assert {line.split()[0] for line in text.splitlines() if line.startswith(("pos", "mean"))} == {"pos", "mean"}
