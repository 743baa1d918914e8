"""What the scripts here keep: result files with what they depend on, targets, tables, and the blocks of the pages."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"
PACKAGES = ("torch", "torch-geometric", "numpy", "numba", "scipy", "torch-cluster", "torch-scatter", "faiss-cpu",
            "scikit-learn", "pynndescent", "triton")  # fmt: skip


class Target(NamedTuple):
    """A figure that the project set itself, and what was measured; ``aim`` is the better figure that was hoped for."""

    name: str
    value: float
    limit: float
    aim: float
    unit: str = "×"
    smaller_is_better: bool = False

    def line(self) -> str:
        sign = -1 if self.smaller_is_better else 1
        short = sign * (self.limit - self.value)
        bound = f"{'at most' if self.smaller_is_better else 'at least'} {self.limit:g}{self.unit}"
        figures = f"{self.value:.3g}{self.unit}, {bound}, aim {self.aim:g}{self.unit}"
        return f"target {self.name} ({figures}): " + ("reached" if short <= 0 else f"missed by {short:.3g}{self.unit}")


def csv_rows(path: Path | str) -> list[dict[str, str]]:
    """The rows of a CSV file; a name is that of a result file."""
    with (RESULTS / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_of(path: Path | str) -> dict[str, Any]:
    """What a JSON file holds; a name is that of a result file."""
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def write_document(path: Path | str, document: dict) -> None:
    """A JSON file; a name is that of a result file."""
    (RESULTS / path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def where(rows: Sequence[dict], **wanted: object) -> list[dict]:
    """The rows with these values."""
    return [row for row in rows if wanted.items() <= row.items()]


def medians(rows: Sequence[dict], **wanted: object) -> dict[str, float]:
    """Provider → median in milliseconds, of the rows with these values."""
    return {row["provider"]: row["median_ms"] for row in where(rows, **wanted)}


def show(rows: Sequence[dict], columns: Sequence[str]) -> None:
    """Print rows as they come, one line each."""
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        print("  ".join(f"{cell:>10.3f}" if isinstance(cell, float) else f"{cell!s:>10}" for cell in cells), flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def crossed(corner: str, cells: Mapping[tuple[str, str], object]) -> str:
    """A table of (line, column) → cell, lines and columns in the order in which they come; a dash where none is."""
    lines, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    return table([corner, *columns], [[line, *(cells.get((line, each), "–") for each in columns)] for line in lines])


def keep(folder: Path, name: str, **changes: Any) -> None:
    """Keep an evaluation of ``run.py eval`` as results/NAME.json: its metrics, without recordings, and the stamp.

    Args:
        changes: replace keys of it.
    """
    results = json_of((folder / "results.json").resolve())
    for evaluation in results["methods"].values():
        del evaluation["recordings"], evaluation["windows"]
    write_document(f"{name}.json", results | changes | {"stamp": environment("cpu")})


def environment(device: str = "cpu") -> dict[str, str | int]:
    """Commit, versions, device and threads: what a figure depends on, and nothing that names a machine."""
    return {
        "commit": _commit(), "date": time.strftime("%Y-%m-%d"), "device": _device_name(device),
        "threads": torch.get_num_threads(), "python": platform.python_version(),
        "versions": " ".join(f"{name}={found}" for name in PACKAGES if (found := _version(name))),
    }  # fmt: skip


def _commit() -> str:
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    if head.returncode:  # a copy without its history, as on a machine that is lent for minutes
        return os.environ.get("RPPG_GRAPH_COMMIT", "unknown")
    status = [*git, "status", "--porcelain", "--", "../rppg_graph", "*.py"]
    code = subprocess.run(status, capture_output=True, text=True).stdout.strip()
    return head.stdout.strip() + ("+changes" if code else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def slug(name: str) -> str:
    """A device's name as a part of a file's name."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


# The blocks of the pages: name → function that makes its text from result files; ``readme.py`` writes the pages.
BLOCKS: dict[str, Callable[[], str]] = {}
Block = Callable[[], str]


def block(make: Block) -> Block:
    """Decorator: a function makes the block of its name."""
    BLOCKS[make.__name__] = make
    return make


def measured(command: str) -> Callable[[Callable[[dict], str]], Block]:
    """Decorator: a function makes the block of its name from results/NAME.json; without it, that says the command."""

    def of(make: Callable[[dict], str]) -> Block:
        def text() -> str:
            path = RESULTS / f"{make.__name__}.json"
            return make(json_of(path)) if path.exists() else missing(command)

        BLOCKS[make.__name__] = text
        return text

    return of


def missing(command: str) -> str:
    return f"Not measured yet: `{command}`."


def stamp_of(stamp: dict) -> str:
    torch = next(part for part in stamp["versions"].split() if part.startswith("torch="))
    return f"Commit {stamp['commit']}, {torch}, {stamp['device']}, {stamp['threads']} threads, {stamp['date']}"


def share_of(value: float | None) -> str:
    """A share as a percentage, a count as it is."""
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.1%}"
