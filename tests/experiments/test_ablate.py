"""Small studies from generated people to tables and plots: run, stopped at random, started twice at once, failing."""

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from rppg_graph.cli import main
from rppg_graph.experiments import results
from rppg_graph.experiments.rows import read_rows
from rppg_graph.models.checkpoint import load
from rppg_graph.training.trainer import read_metrics

STUDY = {
    "question": "Does a graph help at all?",
    "base": {
        "data": {"root": "people", "crop": {"size": 16}, "split": "modulo5", "clip_frames": 32, "stride": 32},
        "model": {"name": "stgnet_small", "options": {"stages": [[2, 4, 2], [1, 3, 1]]}},
        "train": {"steps": 24, "batch": 2, "validate_every": 4, "workers": 0, "augment": None},
    },
    "synthetic": [{"preset": "easy", "subjects": 5, "seconds": 4, "size": [180, 240]}],
    "seeds": [1],
    "evaluation": {"presets": ["easy"], "subjects": 1, "seconds": 4, "graph_clips": 1},
    "variants": [{"name": "knn"}, {"name": "axial", "overrides": ["model.options.graph=axial"]}],
}
TOO_LONG = {"name": "too long", "overrides": ["data.clip_frames=400"]}


@pytest.fixture(scope="session")
def done(tmp_path_factory, here) -> Path:
    """A folder in which a study of two good variants and a failing one was run; its results are in ``out``."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"variants": [*STUDY["variants"], TOO_LONG]}))
    (folder / "good.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with here(), patch.context() as drawn_later:
            drawn_later.setattr(results, "THEMES", ())
            assert main(["ablate", "good.yaml", "--out", "out"]) == 0
        assert main(["ablate", "study.yaml", "--out", "out"]) == 1  # the one that fails, in a process of its own
    return folder


@pytest.fixture
def at(done, monkeypatch) -> Path:
    monkeypatch.chdir(done)
    return done


def comparable(rows: list[dict]) -> list[dict]:
    """What a row says but for how long things took."""
    kept = [{key: value for key, value in row.items() if key not in ("cost", "stamp")} for row in rows]
    costs = [{key: row["cost"][key] for key in ("steps", "parameters", "macs_per_frame")} for row in rows]
    return sorted((row | {"cost": cost} for row, cost in zip(kept, costs, strict=True)), key=lambda row: row["variant"])


@pytest.mark.slow
def test_a_failing_variant_is_reported_and_the_others_go_on(at):
    rows = {row["variant"]: row for row in read_rows(at / "out" / "rows.jsonl")}
    assert set(rows) == {"too long", "knn", "axial"}
    assert rows["too long"]["failed"].startswith("InputError: there is no training clip")
    assert "training_clip" in rows["too long"]["traceback"].replace(" ", "_")
    assert "in train\n" in rows["too long"]["traceback"]  # of the process that failed
    assert "`too long`, seed 1, failed: InputError" in (at / "out" / "table.md").read_text()
    for name in ("knn", "axial"):
        row = rows[name]
        assert (row["seed"], row["steps"], len(row["learning"])) == (1, 24, 6)
        assert set(row["robustness"]) == {"easy"}
        assert min(row["cost"][key] for key in ("graph_ms", "seconds_per_step", "inference_ms", "parameters")) > 0
        assert row["cost"]["training_peak_mib"] > 100
        assert row["graph"]["seconds_chance"] > 0
        assert {"commit", "torch", "threads"} <= set(row["stamp"])
    assert rows["knn"]["graph"]["nearest"] == 1
    graphs = read_rows(at / "out" / "graph.jsonl")
    assert [len(row["sets"]["easy"]) for row in graphs] == [3, 3]  # blocks


@pytest.mark.slow
def test_all_variants_go_on_from_a_start(at, here, undrawn, capsys):
    few = STUDY["base"] | {"train": STUDY["base"]["train"] | {"steps": 2}}
    start = {"name": "alone", "overrides": ["model.options.graph=self", "train.steps=4"]}
    (at / "started.yaml").write_text(yaml.safe_dump(STUDY | {"base": few, "start": start}))
    command = ["ablate", "started.yaml", "--out", "started", "--only", "axial"]
    assert main([*command, "--dry-run"]) == 0
    first, run, _, total = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"first, what all start from: alone, 4 steps, \d+ s", first)
    assert run.startswith("axial  seed 1  to run")
    assert total.startswith("1 runs: 1 to run; about ")
    with here():
        assert main(command) == 0
    (row,) = read_rows(at / "started" / "rows.jsonl")
    weights = Path(yaml.safe_load((at / "runs/ablations" / row["run"] / "config.yaml").read_text())["model"]["start"])
    assert [point["step"] for point in read_metrics(weights.parent)] == [4]
    folders = weights, Path("runs/ablations") / row["run"] / "last.safetensors"
    before, after = (load(at / path).model.state_dict() for path in folders)
    steps = {name: (after[name] - value).abs().max() for name, value in before.items() if name.endswith("weight")}
    assert 0 < max(steps.values()) < 0.01  # two steps of 1e-4 from there, not another draw of weights
    assert main([*command, "--dry-run"]) == 0
    assert "first" not in capsys.readouterr().out


@pytest.mark.slow
def test_results_are_files_of_their_own(at):
    out = at / "out"
    plots = {f"{name}-{theme}.png" for theme in ("light", "dark")
             for name in ("accuracy_cost", "learning", "graph", "graph_by_preset", "neighbour_maps")}  # fmt: skip
    assert {path.name for path in out.glob("*.png")} == plots
    assert len((out / "table.csv").read_text().splitlines()) == 3
    lines = (out / "graph.csv").read_text().splitlines()
    assert lines[0].startswith("variant,seed,set,block,grid,neighbours,segments,segments_chance")
    assert len(lines) == 1 + 2 * 2 * 3  # variants, sets, blocks
    assert STUDY["question"] in (out / "table.md").read_text()


@pytest.mark.slow
def test_what_is_done_or_failed_is_not_done_again(at, undrawn, capsys):
    every = [path for folder in ("out", "runs") for path in (at / folder).rglob("*")]
    files = [path for path in every if path.suffix in (".jsonl", ".safetensors", ".npy")]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert main(["ablate", "study.yaml", "--out", "out", "--dry-run"]) == 0
    assert "3 runs: 2 done, 1 failed; about 0 s of work" in capsys.readouterr().out
    assert main(["ablate", "study.yaml", "--out", "out"]) == 1
    assert main(["ablate", "study.yaml", "--out", "out", "--only", "knn", "--shard", "1/1"]) == 1
    assert {path: path.stat().st_mtime_ns for path in files} == before


@pytest.mark.slow
def test_a_dry_run_says_what_would_run_and_how_long_it_takes(at, capsys):
    assert main(["ablate", "good.yaml", "--out", "nothing", "--runs", "none", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[:2]] == [["knn", "seed", "1", "to"], ["axial", "seed", "1", "to"]]
    assert all("timed steps alone" in line for line in lines[:2])
    assert not (at / "nothing").exists()
    assert not (at / "none").exists()
    more = at / "more.yaml"
    more.write_text(yaml.safe_dump(STUDY | {"seeds": [1, 2]}))
    assert main(["ablate", "more.yaml", "--out", "out", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert text.count("its done runs") == 2
    assert "4 runs: 2 done, 2 to run" in text


@pytest.mark.promise("a study is killed, and started twice at once", "the same rows, each once")
@pytest.mark.slow
def test_a_study_stopped_at_random_and_started_twice_at_once_has_the_same_rows(at):
    without_plots = "import sys; from rppg_graph.experiments import results; results.THEMES = ()\n"
    without_plots += "from rppg_graph.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", without_plots, "ablate", "good.yaml", "--out", "again", "--runs", "others"]
    chance = random.Random(os.getpid())
    begun = chance.choice(["others/*/last.safetensors", "others/*/cost.json"])  # while a run is trained, or measured
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while process.poll() is None and not any(at.glob(begun)) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 1.5))
    process.kill()
    process.wait()
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert "Traceback" not in process.communicate(timeout=600)[1]
        assert process.returncode == 0
    rows = read_rows(at / "again" / "rows.jsonl")
    assert sorted(row["variant"] for row in rows) == ["axial", "knn"]
    assert comparable(rows) == comparable([row for row in read_rows(at / "out" / "rows.jsonl") if "failed" not in row])
    graphs = [sorted(map(json.dumps, read_rows(at / out / "graph.jsonl"))) for out in ("again", "out")]
    assert graphs[0] == graphs[1]
