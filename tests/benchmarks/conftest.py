"""How tests come at the scripts in benchmarks/, which are no package."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
OWN_PROCESS = ("model", "pipeline", "predict")


@pytest.fixture
def load_bench(monkeypatch) -> Callable[[str], ModuleType]:
    """Function from a script's name to its module."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def call_bench(load_bench, monkeypatch, capsys) -> Callable[..., str]:
    """Function that runs a benchmark in this process, and gives what it printed: a process takes seconds to start."""

    def call(bench: str, *arguments: str) -> str:
        threads = torch.get_num_threads()
        monkeypatch.setattr(sys, "argv", [f"bench_{bench}.py", "--threads", "1", *arguments])
        capsys.readouterr()
        load_bench(f"bench_{bench}").main()
        torch.set_num_threads(threads)
        return capsys.readouterr().out

    return call


class QuickRun(NamedTuple):
    """What a quick run wrote, its table as rows of text, and the target lines that it printed."""

    path: Path
    document: dict
    table: list[dict[str, str]]
    targets: list[str]


@pytest.fixture
def quick_run(call_bench, tmp_path) -> Callable[[str], QuickRun]:
    """Function that runs a benchmark with --quick; its files are whole and say what it printed.

    As a process of its own where the benchmark sets the memory or the cores of its process, or starts others like it.
    """

    def run(bench: str) -> QuickRun:
        options = ["--quick", "--out", str(tmp_path)]
        if bench in OWN_PROCESS:
            command = [sys.executable, str(FOLDER / f"bench_{bench}.py"), "--threads", "1", *options]
            environment = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
            told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
        else:
            told = call_bench(bench, *options)
        targets = [line for line in told.splitlines() if line.startswith("target ")]
        assert all(re.search(r": (reached|missed by \S+)", line) for line in targets)
        (path,) = tmp_path.glob(f"{bench}_*.json")
        document = json.loads(path.read_text())
        assert [target["line"] for target in document["targets"]] == targets
        with path.with_suffix(".csv").open() as file:
            return QuickRun(path, document, list(csv.DictReader(file)), targets)

    return run
