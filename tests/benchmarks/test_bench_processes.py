"""The benchmark of processes runs, and each of them does the same work."""

import os

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the benchmark sets its cores as Linux does")
def test_quick_run_measures_one_and_two_processes(quick_run):
    _, document, table, targets = quick_run("processes")
    assert len(targets) == 2
    found = {(row["what"], row["processes"]): row for row in document["rows"]}
    assert set(found) == {(what, count) for what in ("preprocess", "train") for count in (1, 2)}
    assert all(0 < row["p20"] <= row["per_second"] <= row["p80"] for row in found.values())
    assert len(table) == len(document["rows"])
