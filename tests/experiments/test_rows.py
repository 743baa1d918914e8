"""Files of rows: whole lines, no run twice, what a stop leaves."""

import json

import pytest

from rppg_graph.errors import InputError
from rppg_graph.experiments.rows import append_row, failures, finished, read_rows


def row(variant: str = "a", seed: int = 1, **more) -> dict:
    return {"variant": variant, "seed": seed, "run": "0", "evaluation": "0"} | more


def test_a_file_grows_by_runs_that_it_does_not_have(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert read_rows(path) == []
    append_row(path, row(steps=3))
    before = path.read_bytes()
    append_row(path, row(steps=4))
    assert path.read_bytes() == before
    append_row(path, row(seed=2, steps=5))
    assert path.read_bytes().startswith(before)
    assert [found["steps"] for found in read_rows(path)] == [3, 5]


def test_a_failure_is_kept_and_does_not_stand_in_the_way_of_success(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_row(path, row(failed="no luck"))
    append_row(path, row(failed="no luck again"))
    assert [found["failed"] for found in failures(read_rows(path)).values()] == ["no luck again"]
    append_row(path, row(steps=3))
    assert not failures(read_rows(path))
    assert len(finished(read_rows(path))) == 1
    assert len(read_rows(path)) == 3


@pytest.mark.parametrize("length", [1, 20, 45])
def test_a_line_cut_off_by_a_stop_costs_nothing_but_itself(tmp_path, length):
    path = tmp_path / "rows.jsonl"
    append_row(path, row(steps=3))
    with path.open("a") as file:
        file.write(json.dumps(row(seed=2))[:length])
    append_row(path, row(seed=2, steps=5))
    assert [found["steps"] for found in read_rows(path)] == [3, 5]


def test_a_row_without_its_line_end_is_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(steps=3)))
    append_row(path, row(seed=2, steps=5))
    assert [found["steps"] for found in read_rows(path)] == [3, 5]


@pytest.mark.parametrize("line", ["{}", "[1]", '{"variant": "a"}', "3"])
def test_lines_that_are_no_rows(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row()) + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2 is no row"):
        read_rows(path)
