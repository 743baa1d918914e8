"""What `predict` takes where nothing is named: a right number, or none with the reason."""

import pytest
from disturbed_rows import ROWS

from rppg_graph.errors import InputError
from rppg_graph.inference.ensemble import default_ensemble
from rppg_graph.inference.predict import predict_video


@pytest.fixture(scope="module")
def method():
    return default_ensemble()


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_no_confident_error(row, method, disturbed_row):
    video, bpm = disturbed_row(row)
    try:
        found = predict_video(video, method, policy="skip")
    except InputError:  # no face, or nothing that moves
        found = None
    if found is None:
        assert bpm is None
        return
    if found.rate.bpm is None:
        assert found.rate.reason
        assert found.verdict.probability < found.verdict.trust
    else:
        assert bpm is not None, f"{found.rate.bpm:.1f} bpm of what has no pulse, {found.verdict}"
        assert found.rate.bpm == pytest.approx(bpm, abs=5)
        assert found.interval_bpm > 0
