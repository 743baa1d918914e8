"""What the README says is so: its commands run, its tables are those of the result files, its numbers the code's."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rppg_graph import cli
from rppg_graph.models import MODELS
from rppg_graph.synthetic import write_dataset

README = Path(__file__).resolve().parents[1] / "README.md"
SMALL = [
    "data.crop.size=16", "data.clip_frames=32", "data.stride=32", "model.options.stages=[[1, 4, 2]]", "train.steps=2",
    "train.batch=2", "train.validate_every=2", "train.workers=0",
    "synthetic=[{preset: easy, subjects: 5, seconds: 3}]",  # where the command names no data
]  # fmt: skip


def commands() -> list[list[str]]:
    """Every `python run.py …` of the README's code blocks, in order."""
    blocks = re.findall(r"```\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("python run.py")]


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Small generated stand-ins for what a user has, by the README's name for it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(README.parent / "configs", folder / "configs")
    for layout, subjects in (("ubfc-rppg", 5), ("pure", 3)):
        write_dataset(folder / layout, layout=layout, preset="easy", subjects=subjects, seed=1, seconds=12, fps=15)
    return {
        "": str(folder),
        "face.mp4": str(folder / "ubfc-rppg" / "subject1" / "vid.mp4"),
        "/data/UBFC-rPPG/DATASET_2": str(folder / "ubfc-rppg"),
        "/data/PURE": str(folder / "pure"),
    }


@pytest.mark.slow
def test_every_command_of_the_readme_runs(places, monkeypatch, capfd):
    monkeypatch.chdir(places[""])
    ran = commands()
    assert {words[0] for words in ran} >= {"predict", "check-data", "train", "eval"}
    for words in ran:
        arguments = [_placed(word, places) for word in words]
        if words[0] == "train" and "--resume" not in words:
            arguments += SMALL
        assert cli.main(arguments) == 0, f"{words}: {capfd.readouterr().err}"


def _placed(word: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        if name and (word == name or word.endswith(f"={name}")):
            return word.replace(name, place)
    return word


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"`?\bmake (\w+)", README.read_text(encoding="utf-8")))
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    assert targets >= {"demo", "test", "check"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_parameter_counts_of_the_readme_are_the_networks():
    text = README.read_text(encoding="utf-8")
    for name, build in MODELS.items():
        line = next(line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line)
        options = {"size": 72} if "72 px" in line else {}
        assert f"{sum(p.numel() for p in build(**options).parameters()):,}" in line, name


def test_tables_are_those_of_the_result_files():
    script = README.parent / "benchmarks" / "readme.py"
    assert subprocess.run([sys.executable, str(script), "--check"]).returncode == 0


def test_pictures_are_there():
    for picture in re.findall(r"(?:src|srcset)=\"([^\"]+)\"", README.read_text(encoding="utf-8")):
        assert (README.parent / picture).exists(), picture
