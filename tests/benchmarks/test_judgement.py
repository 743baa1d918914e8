"""The fit of the judgement runs on simulated faces, and its report counts what it should."""

import numpy as np
import pytest

from rppg_graph.pulse.evidence import EVIDENCE
from rppg_graph.pulse.judgement import Curve, Judge
from rppg_graph.pulse.judgement_fit import Row


@pytest.fixture
def judgement(load_bench):
    return load_bench("judgement")


def test_simulated_faces_follow_from_their_seed_and_have_a_truth(judgement):
    faces, again = (list(judgement.simulated(3, seed=4)) for _ in range(2))
    for (traces, truth, kind, person), (same, *_) in zip(faces, again, strict=True):
        np.testing.assert_array_equal(traces.patches, same.patches)
        assert ("no pulse" in kind) == (truth is None)
        assert person == "simulated-4-0"
        assert traces.patches.min() > 0
    assert [truth is None for _, truth, _, _ in faces] == [False, False, True], "every third has no pulse"


def test_rows_of_stored_recordings(judgement, tmp_path):
    traces, truth, kind, person = next(judgement.simulated(1, seed=5))
    fields = {name: getattr(traces, name) for name in ("seconds", "patches", "background", "boxes", "key_frames")}
    known = {name: value for name, value in fields.items() if value is not None}
    np.savez(tmp_path / "a.npz", mask_skin=traces.masks["skin"], bpm=truth, kind=kind, person=person, **known)
    np.savez(tmp_path / "b.npz", mask_skin=traces.masks["skin"], bpm=np.nan, kind=kind, person="nobody", **known)
    rows = judgement.rows_of(judgement.stored(tmp_path))
    mine = [row for row in rows if row.person == person]
    assert {row.person for row in rows} == {person, "nobody"}
    assert all(set(row.evidence) == set(EVIDENCE) for row in rows)
    assert np.isfinite([row.true_bpm for row in mine]).all()
    assert np.isnan([row.true_bpm for row in rows if row.person == "nobody"]).all()
    assert len({(row.window, row.bpm) for row in mine}) == len(mine), "each candidate once"


def test_the_report_counts_answers(judgement):
    rows, said = [], []
    for number, (bpm, true, probability) in enumerate(
        [(70, 71, 0.99), (80, 90, 0.95), (90, 91, 0.3), (100, np.nan, 0.95), (110, np.nan, 0.2)]
    ):
        rows.append(Row(f"r{number}", f"p{number}", "kind", 0, bpm, true, {}))
        said.append(probability)
    judge = Judge(0.0, {"blood_snr": Curve((0.0,), (0.0,), 0.0)}, [(0.9, 4.0)], 0.9)
    whole = judgement.report(rows, np.array(said), judge)["all"]
    assert whole["windows"] == 5
    assert whole["with a pulse"] == 3
    assert whole["answered"] == pytest.approx(2 / 3, abs=1e-3)
    assert whole["of these right"] == 0.5
    assert whole["answered and wrong"] == pytest.approx(1 / 3, abs=1e-3)
    assert whole["no pulse, answered"] == 0.5
    assert whole["share in the interval"] == 0.5
