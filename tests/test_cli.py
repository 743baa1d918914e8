"""The command line as a user types it: results, files, exit codes, and words for every mistake."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from rppg_graph import cli
from rppg_graph.data.video_writer import write_video
from rppg_graph.experiments.environment import next_step
from rppg_graph.models.checkpoint import load

TINY = [
    "data.crop.size=16", "data.clip_frames=32", "data.stride=32", "model.options.stages=[[1, 4, 2]]", "train.steps=4",
    "train.batch=2", "train.validate_every=2", "train.workers=0",
]  # fmt: skip


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """Five generated people of 8 s in the layout of UBFC-rPPG."""
    out = tmp_path_factory.mktemp("synthetic") / "data"
    arguments = ["--subjects", "5", "--seconds", "8", "--fps", "15"]
    assert cli.main(["synth", str(out), *arguments]) == 0
    return out


@pytest.fixture(scope="session")
def config(dataset, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    tree = {"data": {"root": str(dataset), "split": "sorted-80-20"}, "model": {"name": "stgnet_small"}}
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="session")
def run_folder(config, tmp_path_factory) -> Path:
    """A trained run; its working directory, where the cache goes, is its parent."""
    folder = tmp_path_factory.mktemp("runs")
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert cli.main(["train", str(config), "--out", "run", *TINY]) == 0
    finally:
        os.chdir(here)
    return folder / "run"


@pytest.fixture
def at(run_folder, monkeypatch) -> Path:
    monkeypatch.chdir(run_folder.parent)
    return run_folder


def test_train_leaves_a_whole_run_folder(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert names >= {"config.yaml", "versions.json", "split.yaml", "metrics.jsonl", "loss.png"}
    assert names >= {"best.safetensors", "last.safetensors", "last-before.safetensors"}
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    assert config["model"]["options"]["size"] == 16
    assert config["seed"] == 1
    assert [json.loads(line)["step"] for line in (run_folder / "metrics.jsonl").read_text().splitlines()] == [2, 4]
    assert (run_folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_resume_goes_on(at, capsys):
    assert cli.main(["train", "--resume", str(at), "train.steps=6"]) == 0
    assert yaml.safe_load((at / "config.yaml").read_text())["train"]["steps"] == 6
    assert [json.loads(line)["step"] for line in (at / "metrics.jsonl").read_text().splitlines()] == [2, 4, 6]


@pytest.mark.slow
def test_training_starts_from_other_weights_on_generated_people(at, tmp_path):
    """As the shipped networks are trained: a config that names its people, and a checkpoint to go on from."""
    run = tmp_path / "run"
    tree = {
        "data": {"root": str(tmp_path / "people"), "split": "sorted-80-20"},
        "synthetic": [{"preset": name, "subjects": n, "seconds": 3} for name, n in (("easy", 3), ("office", 2))],
        "rendered": [{"preset": "motion", "subjects": 2, "seconds": 3}],
        "model": {"name": "stgnet_small", "start": str(at / "best.safetensors")},
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tree))
    still = ["train.steps=1", "train.learning_rate=1e-30"]
    assert cli.main(["train", str(config), "--out", str(run), *TINY, *still]) == 0
    drawn = [json.loads(path.read_text())["preset"] for path in sorted((tmp_path / "people").glob("*/synthetic.json"))]
    assert sorted(drawn) == ["easy", "easy", "easy", "office", "office"]
    assert len(list((tmp_path / "people-rendered").glob("motion-*"))) == 2
    assert "motion" not in (run / "split.yaml").read_text()  # they are on no side that is measured
    started, reached = (dict(load(folder / "best.safetensors").model.named_parameters()) for folder in (at, run))
    for name, value in started.items():
        torch.testing.assert_close(reached[name], value, rtol=1e-6, atol=1e-9)


def test_a_second_run_into_the_same_folder_is_refused(at, config, capsys):
    assert cli.main(["train", str(config), "--out", str(at), *TINY]) == 2
    assert "--resume" in capsys.readouterr().err


def test_eval_shows_a_table_and_writes_files(at, tmp_path, capsys):
    out = tmp_path / "result"
    assert cli.main(["eval", str(at / "best.safetensors"), "--method", "pos", "--window", "5", "--out", str(out)]) == 0
    screen = capsys.readouterr().out
    for words in ("protocol native", "MAE (bpm)", "stgnet_small", "pos", "mean of training", "windows of 5 s"):
        assert words in screen
    results = json.loads((out / "results.json").read_text())
    assert set(results["methods"]) == {"stgnet_small", "pos", "mean of training"}
    assert results["methods"]["pos"]["recordings"][0]["name"] == "subject5"
    assert (out / "report.html").exists()
    with np.load(out / "waves-pos.npz") as waves:
        assert {"subject5_fs", "label_type", "subject5_pred", "subject5_label"} <= set(waves.files)
    assert cli.main(["score", str(out / "waves-pos.npz")]) == 0
    assert "waves-pos" in capsys.readouterr().out


def test_eval_measures_on_nobody_who_was_trained_on(at, tmp_path, dataset, capsys):
    assert cli.main(["eval", str(at / "best.safetensors"), "--leave-out", "subject5"]) == 2  # the only one to test
    assert "holds no recording of subject 5" in capsys.readouterr().err
    (tmp_path / "fewer").mkdir()
    for name in ("subject1", "subject2", "subject3", "subject4"):
        (tmp_path / "fewer" / name).symlink_to(dataset / name)
    best, fewer = str(at / "best.safetensors"), str(tmp_path / "fewer")
    with pytest.warns(UserWarning, match=r"split.yaml names subjects that are not there: 5 \(test\)"):
        assert cli.main(["eval", best, "--data", fewer, "--subjects", "test"]) == 2
    assert "holds no recording of subject 5" in capsys.readouterr().err


def test_eval_shows_a_network_alone_and_with_a_method_beside_it(at, tmp_path, capsys):
    out = tmp_path / "result"
    best = str(at / "best.safetensors")
    assert cli.main(["eval", best, "--ensemble-with", "green", "--window", "5", "--out", str(out)]) == 0
    assert "stgnet_small and green − stgnet_small, recordings" in capsys.readouterr().out
    results = json.loads((out / "results.json").read_text())
    assert set(results["methods"]) == {"stgnet_small", "stgnet_small and green", "mean of training"}
    assert results["beside"] == "green"


def test_eval_of_classical_methods_on_any_recordings(at, dataset, capsys):
    assert cli.main(["eval", "--method", "pos", "--method", "green", "--data", str(dataset), "--window", "5"]) == 0
    assert "green − pos, recordings" in capsys.readouterr().out


def test_eval_names_every_recording_that_has_no_wave(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["synth", "data", "--subjects", "3", "--seconds", "3", "--fps", "15"]) == 0
    assert cli.main(["eval", "--method", "pos", "--data", "data", "--leave-out", "subject2"]) == 2
    said = capsys.readouterr().err
    assert "2 of 2 recordings have no stretch with both a wave by pos and a reference" in said
    assert "--leave-out subject1 --leave-out subject3" in said


def test_eval_leaves_out_wrong_references_unless_told_otherwise(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, bpm in (("right", 72), ("wrong", 12)):
        Path("own").mkdir(exist_ok=True)
        shutil.copy(dataset / "subject1" / "vid.mp4", f"own/{name}.mp4")
        Path(f"own/{name}.csv").write_text("seconds,bpm\n" + "".join(f"{second},{bpm}\n" for second in range(8)))
    arguments = ["eval", "--method", "pos", "--data", "own", "--window", "5", "--out", "out"]
    assert cli.main(arguments) == 0
    assert "wrong is left out: the reference is wrong: a heart rate of 12 bpm" in capsys.readouterr().err
    results = json.loads(Path("out/results.json").read_text())
    assert [row["name"] for row in results["methods"]["pos"]["recordings"]] == ["right"]
    assert list(results["left_out"]) == ["wrong"]
    assert cli.main([*arguments, "--every-reference"]) == 0
    results = json.loads(Path("out/results.json").read_text())
    assert [row["name"] for row in results["methods"]["pos"]["recordings"]] == ["right", "wrong"]
    assert results["left_out"] == {}
    Path("own/right.csv").write_text("seconds,bpm\n0,1.2\n1,1.2\n")
    assert cli.main(arguments) == 2
    assert "no recording is left; mend the references" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "method", "said"),
    [
        (["--checkpoint", "run/best.safetensors"], "stgnet_small", "network stgnet_small from run/best.safetensors"),
        (["--method", "pos"], "pos", "classical method pos"),
        (["--method", "ensemble"], "ensemble", "ensemble of formulas and a graph network"),
        ([], "ensemble", "ensemble of formulas and a graph network"),
    ],
)
def test_predict_writes_what_is_asked_for(at, dataset, tmp_path, capsys, flags, method, said):
    video = dataset / "subject1" / "vid.mp4"
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "plot")}
    arguments = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert cli.main(["predict", str(video), *arguments, *flags]) == 0
    assert said in capsys.readouterr().out.splitlines()[0]
    result = json.loads(files["json"].read_text())
    assert result["method"] == method
    assert (result["frames"], result["frames_with_face"]) == (120, 120)
    rows = files["csv"].read_text().splitlines()
    assert rows[0].startswith("seconds,bvp,bpm")
    assert len(rows) - 1 == 1 + round(119 / 15 * result["fps"])  # from the first frame to the last
    assert files["plot"].read_bytes().startswith(b"\x89PNG")


def test_predict_with_a_network_that_comes_trained(dataset, capsys):
    assert cli.main(["predict", str(dataset / "subject1" / "vid.mp4"), "--weights", "stgnet-small-synth"]) == 0
    assert "network stgnet-small-synth" in capsys.readouterr().out.splitlines()[0]


def test_check_data_and_preprocess(at, dataset, config, tmp_path, capsys):
    assert cli.main(["check-data", str(dataset), "--quick", "--json", str(tmp_path / "c.json")]) == 0
    assert "subject5" in capsys.readouterr().out
    assert cli.main(["preprocess", str(config), "data.crop.size=16", "--sheets"]) == 0
    assert "5 recordings" in capsys.readouterr().out


def test_help_teaches_with_an_example(capsys):
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as stop:
            cli.main([command, "--help"])
        assert stop.value.code == 0
        assert f"run.py {command}" in capsys.readouterr().out


def test_installed_command_and_run_py_are_the_same(repository):
    commands = ([sys.executable, str(repository / "run.py")], [str(Path(sys.executable).parent / "rppg-graph")])
    helps = [subprocess.run([*c, "--help"], capture_output=True, text=True, check=True).stdout for c in commands]
    assert helps[0] == helps[1]


def test_doctor_says_what_is_usable_and_what_to_type(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch_cluster", None)  # what an import sees where it is not installed
    assert cli.main(["doctor", "--json", str(tmp_path / "d.json")]) == 0
    findings = json.loads((tmp_path / "d.json").read_text())
    assert findings["backends"]["dense"] == "usable"
    assert "pip install" in findings["backends"]["torch_cluster"]
    assert findings["packages"]["torch"]
    assert findings["next"].endswith("run.py live --page") or "pytorch.org" in findings["next"]
    findings["packages"]["neurokit2"] = findings["packages"]["onnx"] = None
    assert next_step(findings) == "pip install neurokit2"


@pytest.mark.slow  # a process each
@pytest.mark.parametrize(("flags", "heard"), [([], False), (["--verbose"], True)])
def test_what_other_packages_remark_is_heard_with_verbose_alone(flags, heard, dataset):
    script = """
import sys, warnings
import scipy.signal
from rppg_graph import cli
import rppg_graph.cli.predict as command
exec("def remark(): warnings.warn('of scipy')", vars(scipy.signal) | {"warnings": warnings}, own := {})
scipy.signal.remark = type(own["remark"])(own["remark"].__code__, vars(scipy.signal) | {"warnings": warnings})
whole = command.predict_each
command.predict_each = lambda *a, **k: (scipy.signal.remark(), whole(*a, **k))[1]
sys.exit(cli.main())
"""
    arguments = ["predict", str(dataset / "subject1" / "vid.mp4"), "--method", "pos", *flags]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "heart rate" in done.stdout
    assert ("of scipy" in done.stderr) == heard
    assert heard or done.stderr == ""


def bad_video(kind: str, folder: Path, dataset: Path) -> Path:
    path = folder / f"{kind}.mp4"
    whole = (dataset / "subject1" / "vid.mp4").read_bytes()
    if kind == "text":
        path.write_text("not a video")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "folder":
        path.mkdir()
    elif kind == "no-face":
        noise = np.random.default_rng(0).integers(0, 60, (120, 160, 3), dtype=np.uint8)
        write_video(path, [noise] * 90, 30)
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "folder", "no-face"])
def test_bad_videos_end_with_a_message_and_leave_nothing(kind, dataset, tmp_path, capsys):
    path = bad_video(kind, tmp_path, dataset)
    outputs = [tmp_path / "out.json", tmp_path / "out.csv", tmp_path / "out.png"]
    flags = zip(("--json", "--csv", "--plot"), map(str, outputs), strict=True)
    assert cli.main(["predict", str(path), *(word for pair in flags for word in pair)]) == 2
    error = capsys.readouterr().err
    assert "error: " in error
    assert path.name in error
    assert "Traceback" not in error
    assert not any(output.exists() for output in outputs)


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(dataset, tmp_path):
    script = (  # a limit on the size of files is what a full disk looks like to a program
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500));"
        "from rppg_graph import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    video, output = dataset / "subject1" / "vid.mp4", tmp_path / "out.csv"
    arguments = ["predict", str(video), "--csv", str(output)]
    done = subprocess.run([sys.executable, "-B", "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "out.csv" in done.stderr
    assert "free some space" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "VIDEO", "--method", "poss"], ["poss", "did you mean pos"]),
        (["predict", "VIDEO", "--checkpoint", "none.pt"], ["none.pt"]),
        (["predict", "VIDEO", "--weights", "stgnet-smal"], ["stgnet-smal", "did you mean stgnet-small-synth"]),
        (["eval", "--weights", "stgnet-small-synth"], ["--data"]),
        (["predict", "VIDEO", "--json", "nowhere/out.json"], ["nowhere", "does not exist"]),
        (["eval", "--method", "pos"], ["--data"]),
        (["eval", "--method", "pos", "--data", "nowhere"], ["nowhere"]),
        (["eval", "--method", "pos", "--data", "DATA", "--protocol", "toolbox"], ["toolbox", "did you mean"]),
        (["eval"], ["--method"]),
        (["train"], ["--resume"]),
        (["train", "none.yaml"], ["none.yaml"]),
        (["train", "CONFIG", "--out", "OUT", "model.name=stgnet"], ["stgnet", "did you mean stgnet_"]),
        (["train", "CONFIG", "--out", "OUT", "model.options.kk=3"], ["model.options", "kk", "did you mean k"]),
        (["train", "CONFIG", "--out", "OUT", "model.options.k=many"], ["model.options", "k", "many"]),
        (["train", "CONFIG", "--out", "OUT", "data.root=nowhere"], ["nowhere"]),
        (["train", "CONFIG", "--out", "OUT", "model.start=none.pt"], ["none.pt"]),
        (["train", "CONFIG", "--out", "OUT", "model.start=run/best.safetensors"], ["best.", "another network"]),
        (["train", "CONFIG", "--out", "OUT", "data.split=thirds"], ["thirds", "modulo5"]),
        (["train", "--resume", "run", "train.steps=1"], ["train.steps = 1", "steps already"]),
        (["train", "--resume", "run", "train.batch=3"], ["train.batch=3", "model.start=run/best.safetensors"]),
        (["train", "data.root=/elsewhere", "--resume", "run"], ["data.root=/elsewhere", "model.start=run/best"]),
        (["train", "CONFIG", "--resume", "run"], ["either"]),
        (["train", "CONFIG", "--out", "OUT", "data.fold=7"], ["data.fold = 7"]),
        (["synth", "DATA"], ["data"]),
        (["synth", "DATA", "--show"], ["data"]),
        (["synth", "OUT", "--preset", "esy"], ["esy", "easy"]),
        (["synth", "OUT", "--preset", "disturbd"], ["did you mean disturbed"]),
        (["synth", "OUT", "--preset", "disturbed", "--fps", "25"], ["--fps", "leave it out"]),
        (["synth", "OUT", "--portraits", "DATA"], ["data", "no picture"]),
        (["score", "none.npz"], ["none.npz"]),
        (["check-data", "nowhere"], ["nowhere"]),
    ],
)
def test_mistakes_are_named(arguments, words, dataset, config, at, tmp_path, capsys):
    places = {"VIDEO": dataset / "subject1" / "vid.mp4", "DATA": dataset, "CONFIG": config, "OUT": tmp_path / "out"}
    assert cli.main([str(places.get(word, word)) for word in arguments]) == 2
    error = capsys.readouterr().err
    for word in words:
        assert word in error
    assert "Traceback" not in error


def test_an_unknown_command_or_option_is_refused(capsys):
    for arguments in (["predct"], ["predict", "x.mp4", "--jsn", "y"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 2
        assert "usage" in capsys.readouterr().err
