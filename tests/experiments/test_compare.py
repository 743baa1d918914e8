"""Comparison of networks: plans, costs, tables, and one small comparison from synthetic people to the files."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from rppg_graph.cli import main
from rppg_graph.config import SyntheticConfig
from rppg_graph.data.recordings import find_recordings
from rppg_graph.errors import InputError
from rppg_graph.experiments import cost
from rppg_graph.experiments.compare import load_plan
from rppg_graph.experiments.engine import outcomes
from rppg_graph.experiments.plan import planned_runs
from rppg_graph.experiments.result_table import ACCURACY, COST, Column, markdown, spread, write_tables
from rppg_graph.experiments.run import cost_of, fit
from rppg_graph.models import MODELS
from rppg_graph.synthetic.mix import write_mix

BASE = {
    "data": {"root": "people", "clip_frames": 64, "stride": 32, "split": "modulo5"},
    "train": {"steps": 3, "batch": 2, "validate_every": 2, "workers": 0, "augment": None},
}
VARIANTS = [
    {"name": "graph", "overrides": ["model.name=stgnet_small", "data.crop.size=32"]},
    {"name": "convolutions, Pearson",
     "overrides": ["model.name=deep_phys", "data.crop.size=16", "model.options.label=wave"]},
]  # fmt: skip


def plan_file(tmp_path, **changes):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"base": BASE, "variants": VARIANTS, "seeds": [1, 2]} | changes))
    return path


def test_every_variant_is_run_with_every_seed(tmp_path):
    runs = planned_runs(load_plan(plan_file(tmp_path)), tmp_path / "runs")
    assert [(run.variant, run.seed) for run in runs] == [(e["name"], s) for s in (1, 2) for e in VARIANTS]
    assert len({run.folder for run in runs}) == 4
    assert all(run.config.seed == run.seed for run in runs)
    assert runs[0].config.model.options == {"size": 32, "clip_frames": 64}
    assert runs[1].config.model.options == {"size": 16, "label": "wave"}
    assert runs[0].config.train == runs[1].config.train
    assert (runs[0].config.data.crop.size, runs[1].config.data.crop.size) == (32, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [1]}, "unknown key seed .*did you mean seeds"),
        ({"variants": [VARIANTS[0], VARIANTS[0]]}, "two variants are named 'graph'"),
        ({"untrained": ["graf"]}, "unknown variant under untrained .*'graf'; did you mean graph"),
        ({"variants": [{"name": "../../up"}]}, r"variant '\.\./\.\./up' is a path.*'up'"),
        ({"variants": [{"name": ".."}]}, r"variant '\.\.' is a path"),
        ({"monte_carlo": {"samples": 1}}, "samples=1"),
        ({"variants": [{"name": "a", "overrides": ["train.step=3"]}]}, "variant a: unknown key train.step"),
        ({"variants": [{"name": "a", "overrides": ["model.name=resnet"]}]}, "unknown model 'resnet'"),
        ({"variants": [{"name": "a", "overrides": ["steps"]}]}, "override 'steps'"),
        ({"variants": [{"name": "a", "overrides": ["train.steps=0"]}]}, "variant a: train.steps = 0"),
    ],
)
def test_a_plan_is_checked_whole_before_anything_runs(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        planned_runs(load_plan(plan_file(tmp_path, **changes)), tmp_path)


@pytest.mark.parametrize("content", ["- a", "a: [", None])
def test_files_that_are_no_plan(tmp_path, content):
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"plan\.yaml"):
        load_plan(path)


def test_a_folder_with_a_run_of_another_config_is_left_alone(tmp_path):
    run = planned_runs(load_plan(plan_file(tmp_path)), tmp_path)[0]
    run.folder.mkdir()
    (run.folder / "config.yaml").write_text("seed: 9\n")
    with pytest.raises(InputError, match=r"graph-seed1 holds a run of another config; remove it"):
        fit(run)
    assert [path.name for path in run.folder.iterdir()] == ["config.yaml"]


def test_a_run_that_fails_is_told_and_stops_no_other(tmp_path, here):
    runs = planned_runs(load_plan(plan_file(tmp_path)), tmp_path)[:2]
    for run in runs:
        run.folder.mkdir()
        (run.folder / "config.yaml").write_text("seed: 9\n")
    with here():
        first, second = outcomes(runs, cost_of, "0")
    assert str(first).startswith("graph, seed 1: failed: InputError: ")
    assert second.run == runs[1]
    assert second.row is None
    assert second.failed["variant"] == "convolutions, Pearson"
    assert "holds a run of another config" in second.failed["traceback"]


def test_multiplications_of_deep_phys_by_hand():
    size, frames = 36, 20
    narrow, wide = size - 2, size // 2 - 1 - 2  # after an unpadded convolution; pooled in between
    convolutions = 2 * 9 * (3 * 32 * size**2 + 32 * 32 * narrow**2)  # two branches
    convolutions += 2 * 9 * (32 * 64 * (narrow // 2) ** 2 + 64 * 64 * wide**2)
    masks = 32 * narrow**2 + 64 * wide**2
    linear = 64 * (wide // 2) ** 2 * 128 + 128
    assert cost.macs_per_frame(MODELS["deep_phys"](size=size), frames, size) == convolutions + masks + linear


def test_multiplications_of_a_network_of_volumes_by_hand():
    frames, size = 20, 16
    network = torch.nn.Sequential(
        torch.nn.Conv3d(3, 16, (3, 5, 5), padding=(1, 2, 2)),
        torch.nn.ReLU(),
        torch.nn.Conv3d(16, 32, 3, stride=(1, 2, 2), padding=1),
        torch.nn.Conv3d(32, 8, 1, groups=4),
    )
    by_pixel = 3 * 5 * 5 * 3 * 16 * size**2 + (27 * 16 * 32 + 32 * 8 // 4) * (size // 2) ** 2
    assert cost.macs_per_frame(network, frames, size) == by_pixel


def test_parameters_and_time():
    model = MODELS["deep_phys"](size=36)
    assert cost.parameters(model) == 532_899  # DeepPhys at 36 px
    assert 0 < cost.inference_ms(model, 20, 36) < 10_000


@pytest.mark.slow
def test_peak_memory_is_that_of_the_process_itself():
    code = "import sys; {}; from rppg_graph.experiments.cost import peak_memory_mib as m; sys.stdout.write(str(m()))"

    def peak(statement: str) -> float:
        command = [sys.executable, "-c", code.format(statement)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    ballast = np.ones(2**27)  # 1 GiB here must not count there
    plain, more = peak("pass"), peak("import numpy; kept = numpy.ones(2**25)")  # 256 MiB
    assert plain < ballast.nbytes / 2**20
    assert more - plain == pytest.approx(256, abs=32)


RUNS = {
    "a": [{"accuracy": {"MAE": 1.0, "r": None}, "cost": {"parameters": 1234}},
          {"accuracy": {"MAE": 4.0, "r": 0.5}, "cost": {"parameters": 1234}}],
    "b": [{"accuracy": {"MAE": 2.0, "r": None}}],
}  # fmt: skip


def test_spread_over_seeds():
    assert spread(RUNS["a"], ("accuracy", "MAE")) == (2.5, pytest.approx(np.sqrt(4.5)), 2)
    assert spread(RUNS["a"], ("accuracy", "r")) == (0.5, None, 1)
    assert spread(RUNS["b"], ("cost", "parameters")) == (None, None, 0)


def test_table_shows_what_there_is(tmp_path):
    lines = markdown(RUNS, [ACCURACY[0], ACCURACY[2], COST[0]]).splitlines()
    assert lines[2:] == ["| a | 2.50 ± 2.12 | 0.50 (1 of 2) | 1,234 |", "| b | 2.00 | – | – |"]
    write_tables(tmp_path / "t", "page", RUNS, [Column("%", ("accuracy", "MAE"), ".0f", 100), COST[0]])
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert rows[0]["accuracy_MAE"] == "2.5"  # scaled on the page only
    assert (rows[0]["accuracy_MAE_seeds"], rows[1]["cost_parameters"]) == ("2", "")


@pytest.mark.slow
def test_a_comparison_from_people_to_tables(tmp_path, here, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parts = [{"preset": "easy", "subjects": 3, "seconds": 11}, {"preset": "office", "subjects": 2, "seconds": 11}]
    plan = plan_file(tmp_path, synthetic=parts, seeds=[1], monte_carlo={"samples": 3}, untrained=["graph"])
    command = ["compare", str(plan), "--runs", "runs", "--out", "table"]
    with here():
        assert main(command) == 0
    found = json.loads((tmp_path / "table.json").read_text())
    assert set(found["entries"]) == {"graph", "convolutions, Pearson"}
    assert set(found["baselines"]) == {"graph, untrained", "POS", "mean of training"}
    for runs in found["entries"].values():
        assert runs[0]["cost"]["steps"] == 3
        assert runs[0]["cost"]["training_peak_mib"] > 100
    assert found["stamp"]["packages"]["torch"] == torch.__version__
    assert "POS" in (tmp_path / "table.md").read_text()
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 6

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    with here():
        assert main(command) == 0  # nothing is done twice
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before
    capsys.readouterr()


def people(preset: str, subjects: int, seed: int) -> SyntheticConfig:
    return SyntheticConfig(preset=preset, subjects=subjects, seconds=3.0, seed=seed)


@pytest.mark.slow
def test_people_are_numbered_part_after_part(tmp_path):
    write_mix(tmp_path / "people", [people("easy", 1, 1), people("office", 3, 2)])
    names = [recording.name for recording in find_recordings(tmp_path / "people")]
    assert names == ["subject1", "subject2", "subject3", "subject4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people", "people.claim"]
    faces = [json.loads((tmp_path / "people" / name / "synthetic.json").read_text()) for name in names]
    assert [face["preset"] for face in faces] == ["easy", "office", "office", "office"]
    assert len({face["seed"] for face in faces}) == 4
    write_mix(tmp_path / "people", [people("nonsense", 1, 1)])  # it is there: left as it is
