"""What every benchmark here shares: fair timing, peak memory, the machine's ceilings, targets, and the result files.

Providers of one answer are checked against the reference before anything is timed. They are then timed in interleaved
rounds, so that a disturbance of the machine falls on all of them alike: in a round each provider rests until the
threads of the one before it sleep, runs once untimed, and then a few times timed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from rppg_graph.files import csv_text, write_text

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "torch-geometric", "numpy", "numba", "scipy", "torch-cluster", "torch-scatter", "faiss-cpu",
            "scikit-learn", "pynndescent", "triton")  # fmt: skip
REST_SECONDS = 0.02  # after it no thread pool spins any more
TIMED_IN_A_ROW = 3


class Effort(NamedTuple):
    """How much a run measures: rounds, seconds after which a provider drops out of them, timed calls in a round."""

    rounds: int
    seconds: float
    in_a_row: int = TIMED_IN_A_ROW


FULL, QUICK = Effort(rounds=12, seconds=6.0), Effort(rounds=1, seconds=0.0, in_a_row=2)


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


def arguments(
    description: str, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.Namespace:
    """The options that all benchmarks have, and what `more` adds to the parser."""
    return parsed(parser(description, more))


def parser(
    description: str, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.ArgumentParser:
    """The options that every benchmark has, and what `more` adds."""
    parser = argparse.ArgumentParser(description=description)
    more(parser)
    parser.add_argument("--quick", action="store_true", help="small shapes, one round: shows that everything runs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result files")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.effort = QUICK if options.quick else FULL
    return options


def time_providers(
    providers: Mapping[str, Callable[[], object]], effort: Effort, device: str
) -> dict[str, list[float]]:
    """Seconds of the timed calls of each provider."""
    threads = torch.get_num_threads()
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for run in providers.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in providers}
    for _ in range(effort.rounds):
        for name, run in providers.items():
            slow = sum(seconds[name]) > effort.seconds
            if slow and len(seconds[name]) >= effort.in_a_row:
                continue
            torch.set_num_threads(threads)  # some libraries set it for the whole process
            time.sleep(REST_SECONDS)
            run()
            wait()
            for _ in range(effort.in_a_row):
                start = time.perf_counter()
                run()
                wait()
                seconds[name].append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return seconds


def summary(seconds: list[float], flop: float, moved_bytes: float) -> dict[str, float]:
    """Median and percentiles in milliseconds, and the task's nominal work, the same for all providers, a second."""
    p20, median, p80 = np.percentile(seconds, [20, 50, 80])
    return {
        "median_ms": median * 1e3, "p20_ms": p20 * 1e3, "p80_ms": p80 * 1e3, "calls": len(seconds),
        "gflop_per_s": flop / median / 1e9, "gb_per_s": moved_bytes / median / 1e9,
    }  # fmt: skip


def peak_extra_mb(setup: str, warm_up: str, call: str, threads: int) -> float:
    """Rise of a fresh process's resident memory during one call, in MB of 10⁶ bytes; Linux only.

    The process gives freed memory back at once, so that no call hides in what the one before it left. After a small
    warm-up call, which loads and compiles what is needed, the kernel's high-water mark is set back
    (``/proc/self/clear_refs``); its rise over the resident size before the call is the call's own peak, whoever
    allocated it.
    """
    code = "\n".join(
        (
            "import ctypes, torch", f"torch.set_num_threads({threads})",
            "ctypes.CDLL(None).mallopt(-3, 2**16)",  # M_MMAP_THRESHOLD: larger blocks are mapped one by one
            setup, warm_up,
            "def kilobytes(field): return int(open('/proc/self/status').read().split(field + ':')[1].split()[0])",
            "open('/proc/self/clear_refs', 'w').write('5')",
            "before = kilobytes('VmRSS')", f"result = {call}", "print((kilobytes('VmHWM') - before) * 1024 / 1e6)",
        )
    )  # fmt: skip
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    return float(done.stdout.split()[-1])


@lru_cache(maxsize=1)
def ceilings(device: str, quick: bool) -> dict[str, float]:
    """What the machine can do at most: a large product in float32, a large copy (bytes read and written).

    The product is the faster one of MKL's, which torch takes, and oneDNN's, which uses the widest vectors of any CPU.
    """
    size, numbers = (256, 2**20) if quick else (3072, 2**26)
    a, source = torch.rand(size, size, device=device), torch.rand(numbers, device=device)
    product, copy = torch.empty_like(a), torch.empty_like(source)
    runs = {"product": lambda: torch.mm(a, a, out=product), "copy": lambda: copy.copy_(source)}
    if device == "cpu" and torch.backends.mkldnn.is_available():
        runs["onednn"] = lambda: torch.ops.mkldnn._linear_pointwise(a, a, None, "none", [], "")
    best = {name: min(times) for name, times in time_providers(runs, Effort(3, 10.0), device).items()}
    fastest = min(best["product"], best.get("onednn", best["product"]))
    return {"gflop_per_s": 2 * size**3 / fastest / 1e9, "gb_per_s": 8 * numbers / best["copy"] / 1e9}


def environment(device: str) -> dict[str, str | int]:
    """Commit, versions, device and threads: what a figure depends on, and nothing that names a machine."""
    return {
        "commit": _commit(), "date": time.strftime("%Y-%m-%d"), "device": _device_name(device),
        "threads": torch.get_num_threads(), "python": platform.python_version(),
        "versions": " ".join(f"{name}={found}" for name in PACKAGES if (found := _version(name))),
    }  # fmt: skip


def write(
    bench: str, options: argparse.Namespace, rows: list[dict], targets: list[Target], *, done: bool = True
) -> None:
    """Write ``<bench>_<device>.json`` and ``.csv``; print the targets once it is done, and not what is kept so far."""
    options.out.mkdir(parents=True, exist_ok=True)
    found, limits = environment(options.device), ceilings(options.device, options.quick)
    path = options.out / f"{bench}_{slug(str(found['device']))}"
    document = {
        "bench": bench, "environment": found, "ceilings": limits, "rows": rows,
        "targets": [target._asdict() | {"line": target.line()} for target in targets],
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    columns = list(dict.fromkeys(key for row in rows for key in row)) + list(found)
    write_text(path.with_suffix(".csv"), csv_text([{**row, **found} for row in rows], columns))
    if not done:
        return
    print(f"ceilings: {limits['gflop_per_s']:.0f} GFLOP/s, {limits['gb_per_s']:.1f} GB/s; wrote {path.stem}.json, .csv")
    for target in targets:
        print(target.line())


def measure_all(
    bench: str, options: argparse.Namespace, shapes: list[tuple], measure: Callable[..., list[dict]],
    targets: Callable[[list[dict], str], list[Target]],
) -> None:  # fmt: skip
    """Measure one shape after the other, and keep what there is after each."""
    rows: list[dict] = []
    for shape in shapes:
        rows += measure(*shape, options)
        write(bench, options, rows, targets(rows, options.device), done=shape == shapes[-1])


def show(rows: list[dict], columns: list[str]) -> None:
    """Print rows as they come, one line each."""
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        print("  ".join(f"{cell:>10.3f}" if isinstance(cell, float) else f"{cell!s:>10}" for cell in cells), flush=True)


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
