"""Trainings as they are started: stopped by signals, killed, and as several processes under torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml

from rppg_graph.models.checkpoint import BEST, LAST, load
from rppg_graph.synthetic import write_dataset
from rppg_graph.training.trainer import read_metrics

REPOSITORY = Path(__file__).parents[2]
TRAIN = [str(REPOSITORY / "run.py"), "train"]
PYTHON = [sys.executable]


def torchrun(processes: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Five people of 4 s, and a config of a network without neighbours to exchange, batch norm and chance."""
    folder = tmp_path_factory.mktemp("processes")
    write_dataset(folder / "data", subjects=5, seed=1, seconds=4.0, fps=15.0, workers=2)
    options = {"stages": [[1, 4, 2]], "graph": "self", "drop_path": 0.0, "head_dropout": 0.0}
    tree = {
        "data": {"root": "data", "split": "sorted-80-20", "crop": {"size": 16}, "clip_frames": 24, "stride": 12},
        "model": {"name": "stgnet_small", "options": options},
        "train": {"steps": 6, "batch": 4, "validate_every": 2, "workers": 0, "freeze_batch_norm": True},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return folder


def start(place: Path, *arguments: str, by: list[str] = PYTHON) -> subprocess.Popen:
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*by, *TRAIN, *arguments], cwd=place, env=variables, **pipes)


def done(place: Path, *arguments: str, by: list[str] = PYTHON) -> str:
    process = start(place, *arguments, by=by)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0, text
    return text


@pytest.fixture(scope="module")
def undisturbed(place) -> Path:
    done(place, "config.yaml", "--out", "undisturbed")
    return place / "undisturbed"


def losses(run: Path) -> list[list[float]]:
    return [[row["loss"], row["validation_loss"], row["gradient_norm"]] for row in read_metrics(run)]


def wait_for(path: Path, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_training_that_is_ended_goes_on(place, undisturbed, by):
    run = place / by
    process = start(place, "config.yaml", "--out", by, "train.steps=400")
    wait_for(run / LAST, process)
    process.send_signal(getattr(signal, by))
    asked = time.monotonic()
    text = process.communicate(timeout=60)[0]
    if by != "SIGKILL":
        assert time.monotonic() - asked < 10
        assert process.returncode == {"SIGTERM": 143, "SIGINT": 130}[by]
        step = load(run / LAST).training["step"]
        assert f"stopped at step {step}; go on with --resume {by}" in text
    done(place, "--resume", by, f"train.steps={load(run / LAST).training['step'] + 2}")
    known = losses(undisturbed)
    assert losses(run)[: len(known)] == known


@pytest.mark.slow
def test_two_processes_are_one(place, undisturbed):
    """The losses of one process at the same batch; another number of processes goes on with the same order of clips."""
    done(place, "config.yaml", "--out", "two", "train.steps=2", by=torchrun(2))
    done(place, "--resume", "two", "train.steps=4")
    text = done(place, "--resume", "two", "train.steps=6", by=torchrun(2))
    assert text.count("validation loss") == 1  # one process prints
    np.testing.assert_allclose(losses(place / "two"), losses(undisturbed), rtol=0, atol=1e-5)
    names = {path.name for path in undisturbed.iterdir()}
    assert {path.name for path in (place / "two").iterdir()} == names
    a, b = (load(run / BEST).model.state_dict() for run in (undisturbed, place / "two"))
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["SIGKILL", "SIGTERM"])
def test_a_process_that_dies_ends_all(place, undisturbed, by):
    """SIGKILL of one of two ends both and torchrun; SIGTERM of torchrun ends both when the run is saved."""
    process = start(place, "config.yaml", "--out", f"dead-{by}", "train.steps=4000", by=torchrun(2))
    wait_for(place / f"dead-{by}" / LAST, process)
    ranks = [p for p in psutil.Process(process.pid).children(recursive=True) if "run.py" in " ".join(p.cmdline())]
    assert len(ranks) == 2
    (ranks[1] if by == "SIGKILL" else process).send_signal(getattr(signal, by))
    asked = time.monotonic()
    text = process.communicate(timeout=60)[0]
    assert time.monotonic() - asked < 60
    assert process.returncode != 0
    assert not any(rank.is_running() for rank in ranks)
    assert ("go on with --resume" in text) or by == "SIGKILL"
    step = load(place / f"dead-{by}" / LAST).training["step"]
    done(place, "--resume", f"dead-{by}", f"train.steps={step + 1}")
    known = losses(undisturbed)
    np.testing.assert_allclose(losses(place / f"dead-{by}")[: len(known)], known, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_one_training_at_a_time(place, undisturbed):
    process = start(place, "config.yaml", "--out", "twice", "train.steps=400")
    wait_for(place / "twice" / LAST, process)
    second = start(place, "--resume", "twice")
    text = second.communicate(timeout=60)[0]
    assert second.returncode == 2
    assert "another process is at the run in twice" in text
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.slow
def test_deterministic_operations(place):
    text = done(place, "config.yaml", "--out", "bits", "--deterministic", "train.steps=1")
    assert "validation loss" in text
    assert json.loads((place / "bits" / "metrics.jsonl").read_text())["step"] == 1
