"""Trainings as they are started: stopped by signals, killed, and as several processes under torchrun."""

import os
import resource
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

from rppg_graph.cli import main
from rppg_graph.errors import InputError
from rppg_graph.experiments.train_run import CLAIM, train_further
from rppg_graph.files import claim
from rppg_graph.models.checkpoint import LAST, load
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
    write_dataset(folder / "data", subjects=5, seed=1, seconds=4.0, fps=15.0, workers=1)
    # Calibration by Monte-Carlo dropout wants some.
    options = {"stages": [[1, 4, 2]], "graph": "self", "drop_path": 1e-9, "head_dropout": 0.0}
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
    text = process.communicate(timeout=300)[0]
    assert process.returncode == 0, text
    return text


@pytest.fixture(scope="module")
def undisturbed(place) -> Path:
    done(place, "config.yaml", "--out", "undisturbed", "--deterministic")
    return place / "undisturbed"


@pytest.fixture
def resume(place, monkeypatch):
    """Function that goes on with a run in this process, with one thread as the others: all it knows is in files."""
    threads = torch.get_num_threads()
    monkeypatch.chdir(place)
    torch.set_num_threads(1)
    yield lambda run, steps: main(["train", "--resume", run, f"train.steps={steps}"])
    torch.set_num_threads(threads)


def losses(run: Path, step: int = 6) -> list[list[float]]:
    rows = [row for row in read_metrics(run) if row["step"] <= step]
    return [[row[name] for name in ("step", "loss", "validation_loss", "gradient_norm")] for row in rows]


def go_on(resume, run: str) -> None:
    """Resume a run to step 6, or by one step where it is there."""
    assert resume(run, max(6, load(Path(run) / LAST).training["step"] + 1)) == 0


def wait_for(path: Path, process: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)


def ended_seconds() -> float:
    """Of the processor, that this process's children took which have ended: on a loaded machine the clock says less."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


@pytest.mark.promise("SIGTERM, Ctrl-C or a kill of a training", "saved within 10 s; it goes on to the same losses")
@pytest.mark.slow
@pytest.mark.parametrize("by", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_training_that_is_ended_goes_on(place, undisturbed, resume, by):
    run, before = place / by, ended_seconds()
    process = start(place, "config.yaml", "--out", by, "train.steps=400")
    wait_for(run / LAST, process)
    spent = sum(psutil.Process(process.pid).cpu_times()[:2])
    process.send_signal(getattr(signal, by))
    text = process.communicate(timeout=300)[0]
    if by != "SIGKILL":
        assert ended_seconds() - before - spent < 10
        assert process.returncode == {"SIGTERM": 143, "SIGINT": 130}[by]
        step = load(run / LAST).training["step"]
        assert f"stopped at step {step}; go on with --resume {by}" in text
    go_on(resume, by)
    assert losses(run) == losses(undisturbed)


@pytest.mark.promise("several processes train", "the losses of one process at the same batch, to 1e-5")
@pytest.mark.slow
def test_two_processes_are_one(place, undisturbed, resume):
    """The losses of one process at the same batch; another number of processes goes on with the same order of clips."""
    assert main(["train", "config.yaml", "--out", "two", "train.steps=2"]) == 0
    text = done(place, "--resume", "two", "train.steps=4", by=torchrun(2))
    assert resume("two", 6) == 0
    assert text.count("validation loss") == 1  # one process prints
    np.testing.assert_allclose(losses(place / "two"), losses(undisturbed), rtol=0, atol=1e-5)
    names = {path.name for path in undisturbed.iterdir()}
    assert {path.name for path in (place / "two").iterdir()} == names


@pytest.mark.promise("a process of several that train dies", "all end within a minute, and the run goes on")
@pytest.mark.slow
@pytest.mark.parametrize("by", ["SIGKILL", "SIGTERM"])
def test_a_process_that_dies_ends_all(place, undisturbed, resume, by):
    """SIGKILL of one of two ends both and torchrun; SIGTERM of torchrun ends both when the run is saved."""
    process = start(place, "config.yaml", "--out", f"dead-{by}", "train.steps=4000", by=torchrun(2))
    wait_for(place / f"dead-{by}" / LAST, process)
    ranks = [p for p in psutil.Process(process.pid).children(recursive=True) if "run.py" in " ".join(p.cmdline())]
    assert len(ranks) == 2
    (ranks[1] if by == "SIGKILL" else process).send_signal(getattr(signal, by))
    asked = time.monotonic()
    text = process.communicate(timeout=300)[0]
    assert time.monotonic() - asked < 60
    assert process.returncode != 0
    assert not any(rank.is_running() for rank in ranks)
    assert ("go on with --resume" in text) or by == "SIGKILL"
    go_on(resume, f"dead-{by}")
    np.testing.assert_allclose(losses(place / f"dead-{by}"), losses(undisturbed), rtol=0, atol=1e-5)


@pytest.mark.promise("two trainings of one run", "the second is refused")
def test_one_training_at_a_time(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {root: nowhere}")
    with claim(tmp_path / CLAIM), pytest.raises(InputError, match=r"another process is at the run in"):
        train_further(tmp_path)
    with pytest.raises(InputError, match="nowhere"):  # and where nobody is at it, the training is what fails
        train_further(tmp_path)
