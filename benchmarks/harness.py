"""What every benchmark here shares: options, fair timing, peak memory, the machine's ceilings, and the result files.

Providers of one answer are checked against the reference before anything is timed. They are then timed in interleaved
rounds, so that a disturbance of the machine falls on all of them alike: in a round each provider rests until the
threads of the one before it sleep, runs once untimed, and then a few times timed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from kept import RESULTS, ROOT, Target, environment, show, slug, write_document

from rppg_graph.files import csv_text, write_text
from rppg_graph.training.memory import ENVIRONMENT, keep_freed_memory

REST_SECONDS = 0.02  # after it no thread pool spins any more
TIMED_IN_A_ROW = 3


class Effort(NamedTuple):
    """How much a run measures: rounds, seconds after which a provider drops out of them, timed calls in a round."""

    rounds: int
    seconds: float
    in_a_row: int = TIMED_IN_A_ROW


FULL, QUICK = Effort(rounds=12, seconds=6.0), Effort(rounds=1, seconds=0.0, in_a_row=2)


def arguments(
    description: str, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.Namespace:
    """The options that all benchmarks have, and what `more` adds to the parser."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    more(parser)
    parser.add_argument("--quick", action="store_true", help="small shapes, one round: shows that everything runs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result files")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.effort = QUICK if options.quick else FULL
    return options


def as_the_command_line() -> None:
    """Go on in a process that is set as the command line's, begun anew if it must be: libraries read it when loaded."""
    if not ENVIRONMENT.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ENVIRONMENT)
    keep_freed_memory()


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=str(ROOT))
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
    write_document(path.with_suffix(".json").resolve(), document)
    columns = list(dict.fromkeys(key for row in rows for key in row)) + list(found)
    write_text(path.with_suffix(".csv"), csv_text([{**row, **found} for row in rows], columns))
    if not done:
        return
    print(f"ceilings: {limits['gflop_per_s']:.0f} GFLOP/s, {limits['gb_per_s']:.1f} GB/s; wrote {path.stem}.json, .csv")
    for target in targets:
        print(target.line())


def measure_all(
    bench: str, options: argparse.Namespace, shapes: list[tuple], measure: Callable[..., list[dict]],
    columns: list[str], targets: Callable[[list[dict], str], list[Target]],
) -> None:  # fmt: skip
    """Measure one shape after the other; show and keep what there is after each."""
    rows: list[dict] = []
    for shape in shapes:
        new = measure(*shape, options)
        show(new, columns)
        rows += new
        write(bench, options, rows, targets(rows, options.device), done=shape == shapes[-1])
