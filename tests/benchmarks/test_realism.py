"""What the spectra, their summary and figures, and the cross-check make of data that we know."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SECONDS = np.arange(0, 30, 1 / 30)


@pytest.fixture
def realism(monkeypatch, tmp_path):
    """The script as a module, writing to a temporary folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for folder in ("RESULTS", "DOCS"):
        monkeypatch.setattr(importlib.import_module("kept"), folder, tmp_path)
    return importlib.import_module("realism")


def colours(seed: int) -> np.ndarray:
    """A drift of 1 % and 0.3 Hz, a pulse of 0.5 % and 1.5 Hz (in green), white noise of 0.1 %: (T, 3)."""
    drift, pulse = 0.01 * np.sin(2 * np.pi * 0.3 * SECONDS), 0.005 * np.sin(2 * np.pi * 1.5 * SECONDS)
    noise = 0.001 * np.random.default_rng(seed).standard_normal((len(SECONDS), 3))
    return (170.0, 120.0, 100.0) * (1 + drift[:, None] + pulse[:, None] * (0.43, 1.0, 0.69) + noise)


def test_band_powers_rates_and_snr_are_those_put_in(realism):
    rows = list(realism.windows("group", "name", SECONDS, colours(0), lambda start: 90.0))
    assert len(rows) == 3
    noise = 0.1 * np.sqrt(4 / 15)  # percent, of the four hertz of the floor's band
    for row in rows:
        assert row["drift_G_percent"] == pytest.approx(1 / np.sqrt(2), rel=0.05)
        assert row["pulse_G_percent"] == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
        assert row["floor_G_percent"] == pytest.approx(noise, rel=0.25)
        assert row["pos_error_bpm"] == pytest.approx(0, abs=1)
        assert row["pos_snr_db"] > 3
    elsewhere = realism.windows("group", "name", SECONDS, colours(0), lambda start: 150.0)
    assert all(row["pos_snr_db"] < -3 for row in elsewhere)


def test_a_window_without_a_face_is_left_out(realism):
    kept = (SECONDS < 12) | (SECONDS > 18)
    rows = list(realism.windows("group", "name", SECONDS[kept], colours(0)[kept], lambda start: None))
    assert [row["start_seconds"] for row in rows] == [0, 20]
    assert rows[0]["pos_snr_db"] is None


@pytest.mark.slow
def test_the_figures_are_drawn_from_the_files(realism, tmp_path):
    groups = (realism.UBFC, "easy", "hard")
    rows = [
        row
        for seed, group in enumerate(groups)
        for row in realism.windows(group, "name", SECONDS, colours(seed), lambda start: 90.0)
    ]
    realism._write_csv("realism_spectra.csv", realism.spectra_rows(rows))
    realism._write_csv("realism.csv", ({key: row[key] for key in row if key != "spectra"} for row in rows))
    realism.draw()
    assert all((tmp_path / f"realism-{theme}.png").stat().st_size > 20_000 for theme in ("light", "dark"))
    summary = realism.summarise(rows)
    assert {name: summary[name]["windows"] for name in groups} == dict.fromkeys(groups, 3)
    assert summary["easy"]["pos_mae_bpm"] < 1


def cross_check(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(FOLDER / "cross_check.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(path or "")})


def recording(folder: Path) -> None:
    folder.mkdir(parents=True)
    np.savetxt(folder / "ground_truth.txt", np.stack([0 * SECONDS, 0 * SECONDS + 72, SECONDS]))
    parameters = {"preset": "easy", "skin_tone": 3.0, "head": "procedural", "codec": "h264", "kbit_per_second": None}
    (folder / "synthetic.json").write_text(json.dumps(parameters))


def test_the_cross_check_says_what_is_missing(tmp_path):
    empty = cross_check(str(tmp_path))
    assert empty.returncode == 1
    assert "no recording of `run.py synth`" in empty.stderr
    recording(tmp_path / "subject1")
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "rppg.py").write_text("raise ImportError('no rppg')")
    without = cross_check(str(tmp_path), path=tmp_path / "stub")
    assert without.returncode == 1
    assert "pip install open-rppg" in without.stderr


def test_the_cross_check_counts_errors_and_missing_rates(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = importlib.import_module("cross_check")
    recording(tmp_path / "subject1")

    class Network:
        """Says 75 bpm for the whole and for all windows but the last."""

        def process_video(self, path: str) -> dict:
            return {"hr": 75.0, "SQI": 0.9}

        def hr(self, start: float, end: float, return_hrv: bool) -> dict | None:
            return {"hr": 75.0} if end < 25 else None

    row = script.check(Network(), tmp_path / "subject1")
    assert (row["true_bpm"], row["bpm"]) == (72, 75)
    found = script.summary([row])
    assert (found["mae_bpm"], found["windows"], found["windows_without_rate"]) == (3, 3, 1)
    assert found["windows_mae_bpm"] == 3
