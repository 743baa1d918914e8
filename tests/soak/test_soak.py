"""What takes long: kills at random, full disks, damaged files, many processes, long videos, many recordings.

`make soak` runs these alone and keeps the log beside this file. The sizes of SOAK are the promise; a smaller number of
recordings or hours in the environment is for trying the tests themselves.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from rppg_graph import cli
from rppg_graph.data.video_writer import write_video
from rppg_graph.training.trainer import read_metrics

pytestmark = pytest.mark.soak
SOAK = {"hours": 2.0, "recordings": 1000, "kills": 4, "points": 10} | json.loads(os.environ.get("SOAK", "{}"))
CONTEXT = multiprocessing.get_context("forkserver")  # a process a second sooner: what it imports is there
CONTEXT.set_forkserver_preload(["rppg_graph.experiments.ablate", "rppg_graph.experiments.compare"])
FRAMES, FPS = 90, 15.0


def frames(count: int = FRAMES, seed: int = 0) -> Iterator[np.ndarray]:
    """A grey picture that brightens and darkens 72 times a minute."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 9, (16, 32, 48, 3))
    for number in range(count):
        pulse = 4 * np.sin(2 * np.pi * 1.2 * number / FPS)
        yield (120 + pulse + noise[number % 16]).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Five people as videos with a pulse beside each, in a folder with what commands read."""
    folder = tmp_path_factory.mktemp("soak")
    (folder / "data").mkdir()
    pulse = "\n".join(f"{n / FPS:.4f},{np.sin(2 * np.pi * 1.2 * n / FPS):.4f}" for n in range(FRAMES))
    for number in range(1, 6):
        write_video(folder / "data" / f"{number}.avi", frames(seed=number), FPS, codec="mjpeg")
        (folder / "data" / f"{number}.csv").write_text(f"seconds,pulse\n{pulse}\n")
    crop = {"size": 16, "policy": "full-frame"}
    shape = {"data": {"root": "data", "split": "sorted-80-20", "crop": crop, "clip_frames": 24, "stride": 24}}
    network = {"model": {"name": "stgnet_small", "options": {"stages": [[1, 4, 2]], "drop_path": 0.1}}}
    train = {"train": {"steps": 4, "batch": 2, "validate_every": 2, "workers": 0}}
    (folder / "config.yaml").write_text(yaml.safe_dump(shape | network | train))
    evaluation = {"presets": ["easy"], "subjects": 1, "seconds": 3.0, "graph_clips": 1}
    variants = [{"name": "knn"}, {"name": "self", "overrides": ["model.options.graph=self"]}]
    study = {"question": "which", "base": shape | network | train, "variants": variants, "seeds": [1]}
    (folder / "study.yaml").write_text(yaml.safe_dump(study | {"evaluation": evaluation}))
    return folder


@pytest.fixture
def place(data, tmp_path, monkeypatch) -> Path:
    """A folder of its own with the same people, as the one where commands run."""
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(words: list[str], folder: str, log: str) -> None:
    os.chdir(folder)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
    sys.exit(cli.main(words))


def started(folder: Path, *words: str, log: Path | None = None) -> multiprocessing.Process:
    process = CONTEXT.Process(target=_run, args=(list(words), str(folder), str(log or folder / "log.txt")))
    process.start()
    return process


def run(folder: Path, *words: str, log: Path | None = None) -> tuple[int, str]:
    """A command's exit code and what it says."""
    log = log or folder / "log.txt"
    log.unlink(missing_ok=True)
    process = started(folder, *words, log=log)
    process.join()
    return process.exitcode, log.read_text()


def contents(folder: Path, *names: str) -> dict[str, bytes]:
    files = sorted(path for name in names for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name not in (".claim", "claim")}


def trained(folder: Path) -> list[list[float]]:
    return [[row["loss"], row["validation_loss"]] for row in read_metrics(folder / "run")]


def scores(folder: Path) -> dict:
    found = json.loads((folder / "scores" / "results.json").read_text())
    return {name: method["recordings"] for name, method in found["methods"].items()}


def rows(folder: Path) -> list:
    lines = [json.loads(line) for line in (folder / "study" / "rows.jsonl").read_text().splitlines()]
    return sorted([row["variant"], json.dumps(row["accuracy"])] for row in lines)


EVAL = ["eval", "run/best.safetensors", "--method", "green", "--window", "3", "--out", "scores"]
EVAL += ["--face-policy", "full-frame"]
TRAIN = ["train", "config.yaml", "--out", "run"]
SYNTH = ["synth", "people", "--subjects", "3", "--seconds", "1", "--fps", "15"]
KILLED: dict[str, tuple[list[str], Callable[[Path], object]]] = {  # a command, and what is to be the same in the end
    "preprocess": (["preprocess", "config.yaml", "data.cache=crops"], lambda folder: contents(folder, "crops")),
    "train": (TRAIN, trained),
    "eval": (EVAL, scores),
    "synth": (SYNTH, lambda folder: contents(folder, "people")),
    "ablate": (["ablate", "study.yaml", "--out", "study", "--runs", "runs"], rows),
}


@pytest.mark.promise("preprocess, train, eval, synth or ablate is killed", "the next start ends with the same result")
@pytest.mark.parametrize("name", KILLED)
def test_killed_at_random_and_started_again(name, place):
    words, result = KILLED[name]
    if name == "eval":
        assert run(place, *TRAIN)[0] == 0
    began = time.monotonic()
    assert run(place, *words)[0] == 0
    lasted, whole = time.monotonic() - began, result(place)
    outputs = {"preprocess": "crops", "train": "run", "eval": "scores", "synth": "people", "ablate": "study"}
    output = place / outputs[name]
    shutil.rmtree(output), shutil.rmtree(place / "runs", ignore_errors=True)
    chance, killed = random.Random(name), 0
    while killed < SOAK["kills"]:
        process = started(place, *resumed(place, name, words))
        process.join(chance.uniform(0, 0.9 * lasted))
        killed += process.is_alive()
        process.kill()
        process.join()
        if process.exitcode == 0:
            shutil.rmtree(output), shutil.rmtree(place / "runs", ignore_errors=True)
    code, said = run(place, *resumed(place, name, words))
    assert code == 0, said
    assert result(place) == whole


def resumed(place: Path, name: str, words: list[str]) -> list[str]:
    """The command that goes on: of a training that has begun, `--resume`."""
    return ["train", "--resume", "run"] if name == "train" and (place / "run" / "config.yaml").exists() else words


@pytest.mark.promise("a file is cut off, flipped by a bit or deleted", "it is made anew, or a message names it")
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_every_written_file_damaged_in_turn(how, place, tmp_path_factory):
    """A training that goes on and an evaluation then end well, or say in a line what is wrong with which file."""
    assert run(place, *TRAIN)[0] == 0
    assert run(place, *EVAL)[0] == 0
    found = [path for name in ("run", "cache", "data", "scores") for path in sorted((place / name).rglob("*.*"))]
    files = [path for path in found if path.is_file() and path.stat().st_size]  # an empty one is a lock
    shutil.copytree(place, whole := tmp_path_factory.mktemp("whole"), dirs_exist_ok=True)
    refused = 0
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 4 * (how == "flipped")
        path.write_bytes(content[: len(content) // 2] if how == "truncated" else content)
        if how == "deleted":
            path.unlink()
        for words in (["train", "--resume", "run"], EVAL):
            code, said = run(place, *words)
            assert code in (0, 2), said
            assert "Traceback" not in said, (path, said)
            refused += code == 2
            assert code == 0 or "error: " in said
        for name in ("run", "cache", "data", "scores"):
            shutil.rmtree(place / name, ignore_errors=True)
            shutil.copytree(whole / name, place / name)
    assert refused < len(files)


@pytest.fixture
def small_disk(place) -> Iterator[Callable[[int], Path]]:
    """Function that gives the folder `disk` so many KiB, a file system of its own; needs root."""
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system can be mounted by root alone")

    def give(kib: int) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", disk], check=True)
        return disk

    yield give
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.promise("the disk is full at any point of train or eval", "a message, exit code 2; it goes on with room")
def test_full_disk_at_many_points(place, small_disk):
    disk = small_disk(1 << 17)
    commands = ([*TRAIN, "data.root=../data"], EVAL)
    shutil.copy(place / "config.yaml", disk)
    assert [run(disk, *words)[0] for words in commands] == [0, 0]
    whole = trained(disk), scores(disk)
    used = sum(len(content) for content in contents(disk, ".").values()) >> 10
    for point in range(SOAK["points"]):
        for path in list(disk.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copy(place / "config.yaml", disk)
        small_disk(max(16, used * (2 * point + 1) // (2 * SOAK["points"])))
        codes = []
        for size in (None, 1 << 17):
            if size:
                small_disk(size)
            for words in commands:
                begun = words is not EVAL and (disk / "run" / "config.yaml").exists()
                code, said = run(disk, *(["train", "--resume", "run"] if begun else words), log=place / "log.txt")
                assert "Traceback" not in said, said
                codes.append(code)
                assert size is None or code == 0, said
                if size is None and code:
                    assert code == 2
                    assert "error: " in said
                    break
        assert codes[0] == 2 or codes[1] == 2
        assert (trained(disk), scores(disk)) == whole


@pytest.mark.promise("eight processes at one folder", "each gives what one alone does")
def test_eight_at_once(place):
    words = ["predict", "data/1.avi", "--face-policy", "full-frame", "--method", "green", "--json"]
    assert run(place, *words, "0.json")[0] == 0
    eight = [started(place, *words, f"{number}.json") for number in range(1, 9)]
    eight += [started(place, "preprocess", "config.yaml", "data.cache=crops") for _ in range(8)]
    for process in eight:
        process.join()
        assert process.exitcode == 0, (place / "log.txt").read_text()
    texts = {(place / f"{number}.json").read_text() for number in range(9)}
    assert len(texts) == 1
    assert run(place, "preprocess", "config.yaml", "data.cache=alone")[0] == 0
    assert contents(place / "crops", ".") == contents(place / "alone", ".")


def _peak_of(words: list[str], folder: str, log: str, answer) -> None:
    os.chdir(folder)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
    code = cli.main(words)
    answer.put((code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10))


def peak(folder: Path, *words: str) -> int:
    """The most memory, in bytes, that a command takes."""
    answer = CONTEXT.SimpleQueue()
    process = CONTEXT.Process(target=_peak_of, args=(list(words), str(folder), str(folder / "log.txt"), answer))
    process.start()
    process.join()
    assert not answer.empty(), (folder / "log.txt").read_text()
    code, most = answer.get()
    assert code == 0, (folder / "log.txt").read_text()
    return most


@pytest.mark.promise("a video of two hours", "memory as for one of minutes")
def test_a_long_video_takes_the_memory_of_a_short_one(place):
    words = ["--face-policy", "full-frame", "--method", "green", "--json"]
    most = []
    for seconds in (60.0, 3600 * SOAK["hours"]):
        video = write_video(place / "long.avi", frames(int(seconds * FPS)), FPS, codec="mjpeg")
        most.append(peak(place, "predict", video.name, *words, "long.json"))
        video.unlink()
    assert most[1] - most[0] < 200 << 20


@pytest.mark.promise("a thousand recordings", "preprocess and eval take the memory of ten")
def test_many_recordings_take_the_memory_of_few(place):
    most = []
    for count in (10, SOAK["recordings"]):
        root = place / f"many-{count}"
        root.mkdir()
        for number in range(count):
            for suffix in ("avi", "csv"):
                (root / f"{number}.{suffix}").symlink_to(place / "data" / f"1.{suffix}")
        words = ["--face-policy", "full-frame", "--window", "3", "--workers", "1"]
        most.append([peak(place, "preprocess", "config.yaml", f"data.root={root.name}", "--workers", "1"),
                     peak(place, "eval", "--method", "green", "--data", root.name, *words)])  # fmt: skip
    assert most[1][0] - most[0][0] < 200 << 20
    assert most[1][1] - most[0][1] < 200 << 20
