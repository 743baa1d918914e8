"""One training: what is refused before any work, and by whose split it goes on."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from rppg_graph.config import load_config
from rppg_graph.data.prepared import split_of_run
from rppg_graph.data.splits import Split, read_splits, write_splits
from rppg_graph.data.video_writer import write_video
from rppg_graph.errors import InputError
from rppg_graph.experiments.evaluate import evaluate
from rppg_graph.experiments.run import recordings_to_test
from rppg_graph.experiments.train_run import checked, resumed, train_anew, train_further
from rppg_graph.experiments.training_people import recorded_people, split_to_train
from rppg_graph.models import checkpoint
from rppg_graph.synthetic import generate

PULSE = "seconds,pulse\n0,1\n1,2\n"


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    model = {"name": "stgnet_small", "options": {"stages": [[1, 4, 2]]}}
    path.write_text(yaml.safe_dump({"data": {"root": str(tmp_path / "people")}, "model": model}))
    return path


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.loss=neg_pearsn", ["train.loss", "'neg_pearsn'", "did you mean neg_pearson"]),
        ("model.options.conv=foo", ["model.options", "conv 'foo'", "average_relative"]),
        ("model.options.conv=edges", ["model.options", "conv 'edges'", "did you mean edge"]),
        ("model.options.backend=foo", ["model.options", "backend 'foo'", "dense"]),
        ("model.options.backend=blockd", ["model.options", "did you mean blocked"]),
        ("model.options.graph=knnn", ["model.options", "did you mean knn"]),
        ("model.options.graph_options={metric: cosin}", ["model.options", "did you mean cosine"]),
        ("model.options.drop_path=1.5", ["model.options", "drop_path = 1.5", "below 1", "0.9"]),
        ("model.options.head_dropout=2", ["model.options", "head_dropout = 2", "below 1"]),
        ("model.options.stages=[[1, 4, 0]]", ["model.options"]),
        ("train.augment.speed=[1.25,0.8]", ["train.augment", "speed = [1.25, 0.8]", "[0.8, 1.25]"]),
        ("train.augment.crop_area=[.5,2]", ["train.augment", "crop_area = [0.5, 2.0]", "[0.5, 1.0]"]),
        ("data.crop.detector=ultralight", ["data.crop.detector", "did you mean ultra-light"]),
        ("data.split=modulo-5", ["data.split", "did you mean modulo5"]),
        ("data.split=file", ["data.split", "YAML file"]),
        ("synthetic=[{preset: esy, subjects: 2}]", ["'esy'", "did you mean easy"]),
    ],
)
def test_mistakes_are_refused_before_any_work(config, override, words):
    with pytest.raises(InputError) as refusal:
        checked(load_config(config, [override]))
    for word in words:
        assert word in str(refusal.value)


def test_a_run_that_goes_on_keeps_its_config_but_for_its_steps(config, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(config.read_text())
    assert resumed(run, ["train.steps=77"]).train.steps == 77
    assert load_config(run / "config.yaml").train.steps == 77
    with pytest.raises(InputError, match=r"train.batch=2: a run that goes on keeps its config"):
        resumed(run, ["train.batch=2"])


def own_videos(folder: Path, references: dict[str, str | None]) -> None:
    """Videos that nobody opens here, each with its reference beside it."""
    folder.mkdir()
    for name, text in references.items():
        (folder / f"{name}.mp4").touch()
        if text is not None:
            (folder / f"{name}.csv").write_text(text)


def people(*numbers: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(subject=f"subject{number}") for number in numbers]


def test_the_split_of_a_run_decides_whoever_is_there(config, tmp_path):
    data = load_config(config, ["data.split=sorted-80-20"]).data
    names = [f"subject{number}" for number in range(1, 11)]
    split = Split("sorted-80-20", train=tuple(names[:6]), validation=tuple(names[6:8]), test=tuple(names[8:]))
    write_splits(tmp_path / "split.yaml", [split])
    assert split_of_run(tmp_path, people(*range(1, 11)), data) == split
    with pytest.warns(UserWarning, match=r"are not there: subject10 \(test\)$"):
        assert split_of_run(tmp_path, people(*range(1, 10)), data) == split
    with pytest.warns(UserWarning, match=r"does not name are left out: subject11, subject12$"):
        assert split_of_run(tmp_path, people(*range(1, 13)), data) == split
    with pytest.warns(UserWarning, match="computed from the recordings that are there"):
        found = split_of_run(tmp_path / "elsewhere", people(*range(1, 11)), data)
    assert found.test == split.test


def test_a_run_that_goes_on_wants_those_that_it_learnt_from(config, tmp_path):
    own_videos(tmp_path / "people", {str(number): PULSE for number in range(1, 6)})
    config, run = load_config(config, ["data.split=sorted-80-20"]), tmp_path / "run"
    run.mkdir()
    split = split_to_train(config, run, resume=False)
    assert read_splits(run / "split.yaml")[0] == [split]
    before = (run / "split.yaml").read_bytes()
    (tmp_path / "people" / "5.mp4").unlink()
    with pytest.warns(UserWarning, match=r"not there: 5 \(test\)"):
        assert split_to_train(config, run, resume=True) == split
    (tmp_path / "people" / "2.mp4").unlink()
    with pytest.warns(UserWarning, match="not there: 2"), pytest.raises(InputError, match="lacks subject 2, of whom"):
        split_to_train(config, run, resume=True)
    assert (run / "split.yaml").read_bytes() == before


@pytest.mark.parametrize("reference", [None, "seconds,bpm\n0,60\n1,61\n"])
def test_a_recording_without_a_pulse_is_refused_before_faces_are_cut(config, tmp_path, reference):
    own_videos(tmp_path / "people", {"1": reference, "2": PULSE, "3": PULSE})
    with pytest.raises(InputError, match=r"^1: no reference pulse to learn from; .*data.leave_out"):
        split_to_train(load_config(config, ["data.split=sorted-80-20"]), tmp_path, resume=False)
    assert not (tmp_path / "split.yaml").exists()


def people_with_references(folder: Path, rates_hz: Sequence[float]) -> None:
    """The same face for each of several samples of a pulse a second."""
    recording = generate("easy", 3, seconds=6.0, fps=15.0, size=(180, 240), face_size=0.3)
    folder.mkdir()
    for number, hz in enumerate(rates_hz, 1):
        write_video(folder / f"{number}.avi", recording.camera_frames(), 15, codec="mjpeg")
        times = np.arange(0, 6, 1 / hz)
        rows = [f"{t},{v}" for t, v in zip(times, np.interp(times, recording.seconds, recording.pulse), strict=True)]
        (folder / f"{number}.csv").write_text("\n".join(["seconds,pulse", *rows]))


def test_nobody_learns_from_a_wrong_reference_or_is_measured_by_one(config, tmp_path):
    """Two people with two samples of the pulse a second, one on each side of the split."""
    people_with_references(tmp_path / "people", (15, 15, 2, 15, 2))
    sides = Split("own", train=("1", "3"), validation=("2",), test=("4", "5"))
    write_splits(tmp_path / "split.yaml", [sides])
    overrides = [f"data.cache={tmp_path / 'cache'}", "data.clip_frames=60"]
    settings = load_config(config, overrides)
    with pytest.warns(UserWarning, match=r"3 is left out: a pulse of 2 samples a second.*every_reference=true"):
        learnt = recorded_people(settings, sides).train
    assert {each.subject for each in learnt.recordings} == {"1"}
    with pytest.warns(UserWarning, match="5 is left out"):
        assert [each.subject for each in recordings_to_test(settings, tmp_path)] == ["4"]
    every = load_config(config, [*overrides, "data.every_reference=true"])
    assert [each.subject for each in recordings_to_test(every, tmp_path)] == ["4", "5"]


@pytest.mark.slow
@pytest.mark.parametrize("every", [False, True])
def test_a_network_is_measured_by_the_references_that_its_run_takes(config, tmp_path, every):
    people_with_references(tmp_path / "people", (15, 15, 15, 2))
    write_splits(tmp_path / "own.yaml", [Split("own", train=("1",), validation=("2",), test=("3", "4"))])
    own = ["data.split=own.yaml", "data.clip_frames=60", "train.steps=0", f"data.every_reference={every}"]
    own = [word.replace("own.yaml", str(tmp_path / "own.yaml")) for word in own]
    run = train_anew(config, tmp_path / "run", [f"data.cache={tmp_path / 'cache'}", *own])
    found = evaluate([run / "best.safetensors"], window_seconds=5)
    assert list(found.left_out) == ([] if every else ["4"])
    assert [row.name for row in found.evaluations["stgnet_small"].recordings] == (["3", "4"] if every else ["3"])


def test_a_refused_training_leaves_its_folder_to_the_next_try(config, tmp_path):
    own_videos(tmp_path / "people", {"1": None, "2": PULSE, "3": PULSE})
    for _ in range(2):
        with pytest.raises(InputError, match=r"^1: no reference pulse to learn from"):
            train_anew(config, tmp_path / "run", ["data.split=sorted-80-20"])
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {"claim"}


@pytest.mark.slow
@pytest.mark.parametrize(("write", "goes_on"), [("save", False), ("save_last", True)])
def test_who_cannot_save_begins_or_goes_on_when_there_is_room(config, tmp_path, monkeypatch, write, goes_on):
    people_with_references(tmp_path / "people", (15, 15, 15))
    write_splits(tmp_path / "own.yaml", [Split("own", train=("1",), validation=("2",), test=("3",))])
    words = [f"data.split={tmp_path / 'own.yaml'}", f"data.cache={tmp_path / 'cache'}", "data.clip_frames=60"]

    def full(*_) -> None:
        raise InputError("no room")

    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, write, full)
        with pytest.raises(InputError, match="no room"):
            train_anew(config, tmp_path / "run", [*words, "train.steps=0"])
    assert (tmp_path / "run" / "config.yaml").exists() == goes_on
    if goes_on:
        train_further(tmp_path / "run")
    else:
        train_anew(config, tmp_path / "run", [*words, "train.steps=0"])
    assert (tmp_path / "run" / checkpoint.LAST).exists()
