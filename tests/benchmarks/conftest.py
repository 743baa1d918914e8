"""How tests come at the scripts in benchmarks/, which are no package."""

from __future__ import annotations

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

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


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


class QuickRun(NamedTuple):
    """What a quick run wrote, its table as rows of text, and the target lines that it printed."""

    path: Path
    document: dict
    table: list[dict[str, str]]
    targets: list[str]


@pytest.fixture
def quick_run(tmp_path) -> Callable[[str], QuickRun]:
    """Function that runs a benchmark with --quick; its files are whole and say what it printed."""

    def run(bench: str) -> QuickRun:
        done = subprocess.run(
            [sys.executable, str(FOLDER / f"bench_{bench}.py"), "--quick", "--threads", "1", "--out", str(tmp_path)],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(FOLDER.parent)},
        )  # fmt: skip
        targets = [line for line in done.stdout.splitlines() if line.startswith("target ")]
        assert all(re.search(r": (reached|missed by \S+)", line) for line in targets)
        (path,) = tmp_path.glob(f"{bench}_*.json")
        document = json.loads(path.read_text())
        assert [target["line"] for target in document["targets"]] == targets
        with path.with_suffix(".csv").open() as file:
            return QuickRun(path, document, list(csv.DictReader(file)), targets)

    return run
