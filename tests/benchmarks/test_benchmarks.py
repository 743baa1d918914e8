"""The benchmarks run, their files are whole, and the page is made of them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def module(name: str) -> ModuleType:
    sys.path[:] = [str(FOLDER), *(place for place in sys.path if place != str(FOLDER))]  # as for a script there
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["knn", "graph_conv", "scale", "model"])
def test_quick_run_writes_rows_targets_and_report(bench, quick_run):
    path, document, table, targets = quick_run(bench)
    assert targets
    assert document["environment"]["threads"] == 1
    assert {"commit", "date", "device", "versions"} <= set(document["environment"])
    assert all(row["p20_ms"] <= row["median_ms"] <= row["p80_ms"] for row in document["rows"] if "share" not in row)
    assert [row["provider"] for row in table] == [row["provider"] for row in document["rows"]]

    report = module("report")
    page = report.filled((FOLDER / "README.md").read_text(), path.parent)
    assert targets[0] in page
    assert all(row["provider"].split(": ")[-1] in page for row in document["rows"])
    if module("report").REPORTS[bench][1] is not None:
        assert path.with_suffix(".png").stat().st_size > 1000


def test_the_page_is_what_the_committed_files_say(tmp_path):
    page = (FOLDER / "README.md").read_text()
    results = tmp_path / "results"
    shutil.copytree(FOLDER / "results", results)
    assert module("report").filled(page, results) == page


def test_a_study_is_a_section_of_what_its_folder_holds(tmp_path):
    page = "before\n<!-- ablations -->\nold\n<!-- /ablations -->\n"
    page += "".join(f"<!-- {bench} -->\n<!-- /{bench} -->\n" for bench in module("report").REPORTS)
    results = tmp_path / "results"
    empty, study = results / "ablation_empty", results / "ablation_clip_length"
    empty.mkdir(parents=True), study.mkdir()
    assert "old" in module("report").filled(page, results)  # no study: nothing to say about
    (study / "table.md").write_text("| variant |\n")
    (study / "learning-light.png").write_bytes(b"")
    filled = module("report").filled(page, results)
    assert "old" not in filled
    assert "### Clip length\n\n| variant |\n\n<picture>" in filled
    assert 'src="results/ablation_clip_length/learning-light.png"' in filled
    assert "empty" not in filled
    assert "accuracy_cost" not in filled
    (study / "findings.md").write_text("Short clips\\1 do.\n\nLong ones too.\n")
    filled = module("report").filled(page, results)
    assert "### Clip length\n\nShort clips\\1 do.\n\nLong ones too.\n\n| variant |" in filled
    with pytest.raises(SystemExit, match="needs one block <!-- ablations -->"):
        module("report").filled(page.replace("<!-- /ablations -->", ""), results)


def test_a_page_without_its_blocks_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="needs one block <!-- knn -->"):
        module("report").filled("# Benchmarks\n", tmp_path)


@pytest.mark.parametrize(
    ("value", "smaller", "end"),
    [(20.0, False, "reached"), (9.0, False, "missed by 6×"), (20.0, True, "missed by 5×"), (15.0, True, "reached")],
)
def test_target_lines(value, smaller, end):
    target = module("harness").Target("speed", value, 15, 30, smaller_is_better=smaller)
    assert target.line().startswith("target speed (")
    assert target.line().endswith(f": {end}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_peak_memory_is_what_a_call_takes():
    peak = module("harness").peak_extra_mb("", "torch.ones(10)", "torch.ones(25_000_000).sum()", 1)
    assert peak == pytest.approx(100, rel=0.05)


def test_nothing_is_timed_that_was_not_called():
    calls = []
    harness = module("harness")
    runs = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = harness.time_providers(runs, harness.QUICK, "cpu")
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert calls == ["a", "b", *"aaaa", *"bbbb"]
