"""The benchmarks run, their files are whole, and the page is made of them."""

import json
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["knn", "graph_conv", "scale", "model"])
def test_quick_run_writes_rows_targets_and_report(bench, quick_run, load_bench):
    path, document, table, targets = quick_run(bench)
    assert targets
    assert document["environment"]["threads"] == 1
    assert {"commit", "date", "device", "versions"} <= set(document["environment"])
    assert all(row["p20_ms"] <= row["median_ms"] <= row["p80_ms"] for row in document["rows"] if "share" not in row)
    assert [row["provider"] for row in table] == [row["provider"] for row in document["rows"]]

    report = load_bench("report")
    block = report.bench_block(path.parent, bench)
    assert all(f"| {target['name']} | " in block for target in document["targets"])
    report.draw_all(path.parent)
    if report.BENCHES[bench] is not None:
        assert path.with_suffix(".png").stat().st_size > 1000
        assert f"{path.stem}.png" in block


def test_a_table_of_targets_says_what_was_missed(load_bench, tmp_path):
    report, harness = load_bench("report"), load_bench("harness")
    target = harness.Target("speed", 0.5, 2, 4)
    environment = {"device": "a CPU", "threads": 1, "commit": "0", "date": "today"}
    document = {"targets": [target._asdict() | {"line": target.line()}], "environment": environment}
    (tmp_path / "knn_cpu.json").write_text(json.dumps(document))
    block = report.bench_block(tmp_path, "knn")
    assert "| speed | ≥ 2× | 0.5×, **slower** |" in block
    assert report.bench_block(tmp_path, "scale") == "Not measured yet."


def test_a_study_is_its_finding_and_its_plots(load_bench, tmp_path):
    results = tmp_path / "results"
    empty, study = results / "ablation_empty", results / "ablation_clip_length"
    empty.mkdir(parents=True), study.mkdir()
    (study / "table.md").write_text("| variant |\n")
    (study / "graph-light.png").write_bytes(b"")
    studies = load_bench("report").studies(results)
    assert "**Clip length.** [Tables](results/ablation_clip_length/table.md)" in studies
    assert 'src="results/ablation_clip_length/graph-light.png"' in studies
    assert "empty" not in studies
    assert "accuracy_cost" not in studies
    (study / "findings.md").write_text("**Short clips do.** Three seeds say so.\n\n**Long ones too.**\n")
    assert "**Clip length.** Short clips do. [Tables]" in load_bench("report").studies(results)


@pytest.mark.parametrize(
    ("value", "smaller", "end"),
    [(20.0, False, "reached"), (9.0, False, "missed by 6×"), (20.0, True, "missed by 5×"), (15.0, True, "reached")],
)
def test_target_lines(load_bench, value, smaller, end):
    target = load_bench("harness").Target("speed", value, 15, 30, smaller_is_better=smaller)
    assert target.line().startswith("target speed (")
    assert target.line().endswith(f": {end}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_peak_memory_is_what_a_call_takes(load_bench):
    peak = load_bench("harness").peak_extra_mb("", "torch.ones(10)", "torch.ones(25_000_000).sum()", 1)
    assert peak == pytest.approx(100, rel=0.05)


def test_nothing_is_timed_that_was_not_called(load_bench):
    calls = []
    harness = load_bench("harness")
    runs = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = harness.time_providers(runs, harness.QUICK, "cpu")
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    assert calls == ["a", "b", *"aaa", *"bbb"]
