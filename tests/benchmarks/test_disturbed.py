"""The benchmark of disturbed videos counts what it says."""

import json
import sys

import pytest


@pytest.fixture
def bench(load_bench):
    return load_bench("disturbed")


def video(truth: float | None, bpm: float | None, kind: str = "lamp", interval: float | None = None) -> dict:
    return {"method": "no option", "kind": kind, "truth_bpm": truth, "bpm": bpm, "interval_bpm": interval}


def test_shares_count_answers_without_a_pulse_and_wrong_ones_with(bench):
    videos = [video(None, 96.0), video(None, None), video(None, None, "jogging"), video(72.0, 96.0, interval=4.0),
              video(72.0, 74.0, interval=3.0), video(72.0, None), video(60.0, 61.0, "jogging", 0.5)]  # fmt: skip
    every, lamp, jogging = bench.rows_of(videos)
    assert [row["kind"] for row in (every, lamp, jogging)] == ["every kind", "lamp", "jogging"]
    assert every["answered without a pulse: share"] == pytest.approx(1 / 3)
    assert every["answered and wrong: share"] == pytest.approx(1 / 4)
    assert every["answered: share"] == pytest.approx(3 / 4)
    assert every["interval holds: share"] == pytest.approx(1 / 3)
    assert every["median half-width (bpm)"] == 3.0
    assert every["answered: cases"] == 4
    assert jogging["answered and wrong: share"] == 0
    assert jogging["answered and wrong: high"] > 0.9  # one case says little
    assert lamp["answered: low"] < 2 / 3 < lamp["answered: high"]
    ends = [target.line().rsplit(": ")[1] for target in bench.targets_of([every, lamp, jogging])]
    assert [end.split()[0] for end in ends] == ["missed", "missed", "reached"]


def test_a_bootstrap_of_a_share_is_as_wide_as_it_should_be(bench):
    found = bench.share([True] * 50 + [False] * 50)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.05, abs=0.02)


@pytest.mark.slow  # two videos and their predictions
def test_a_folder_is_answered_and_its_table_written(bench, disturbed_row, tmp_path, monkeypatch):
    (dead, _), (alive, bpm) = (disturbed_row(name) for name in ("photograph, lamp", "person of 72, lamp"))
    folder = tmp_path / "set"
    folder.mkdir()
    for path in (dead, alive):
        (folder / path.name).symlink_to(path)
    (folder / "truth.tsv").write_text(f"{dead.name}\tnone\n{alive.name}\t{bpm:.2f}\n")
    arguments = [str(folder), "--methods", "pos", "--quick", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["disturbed.py", *arguments])
    bench.main()
    (path,) = tmp_path.glob("disturbed_*.json")
    (every, _) = json.loads(path.read_text())["rows"]
    assert every["answered without a pulse: cases"] == every["answered: cases"] == 1
    assert every["answered and wrong: share"] == 0
    assert len((tmp_path / "disturbed_videos.csv").read_text().splitlines()) == 3
