"""What does a second process bring: to preprocessing, and to the steps of a training?

``python benchmarks/bench_processes.py [--quick]`` (Linux)

One process has one core and one thread, two processes have a core and a thread each. ``preprocess`` is the whole
command, its start included, on recordings of a rendered face. ``train`` is ``run.py train`` on their crops, alone or by
``torchrun``, with the same batch in all: clips a second as the trainer counts them, without its first steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import harness
import numpy as np
import yaml
from kept import Target, show
from pipeline_parts import on_cores, recordings_of, render

from rppg_graph.training.trainer import read_metrics

COLUMNS = ["what", "processes", "per_second", "p20", "p80", "calls"]
RUN = Path(__file__).resolve().parents[1] / "run.py"
PROCESSES = (1, 2)


class Plan(NamedTuple):
    """How much is measured: recordings of so many seconds, training steps of which half count, and how often."""

    size: tuple[int, int]
    recordings: int
    seconds: int
    network: str
    crop: int
    steps: int
    rounds: int


FULL = Plan((640, 480), 4, 60, "stgnet_released", 64, 24, 3)
QUICK = Plan((320, 240), 3, 6, "stgnet_small", 32, 2, 1)


def run(processes: int, *command: str) -> float:
    """Seconds that a command takes on so many cores, one thread for each process."""
    with on_cores(processes):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return time.perf_counter() - started


def preprocess(config: Path, cache: Path, frames: int, processes: int) -> float:
    """Frames a second from the first byte to the manifest."""
    words = ["preprocess", str(config), f"data.cache={cache}", "--workers", str(processes)]
    return frames / run(processes, sys.executable, str(RUN), *words)


def train(config: Path, cache: Path, out: Path, processes: int) -> float:
    """Clips a second of the second half of a training."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    run(processes, *start, str(RUN), "train", str(config), "--out", str(out), f"data.cache={cache}")
    return read_metrics(out)[-1]["clips_per_second"]


def measure(folder: Path, plan: Plan) -> list[dict]:
    """Rows of both, one and two processes in turn."""
    source = render(folder, plan.size, 1)
    recordings = recordings_of(source, folder / "data", plan.seconds, plan.recordings)
    frames = sum(len(recording.reference().seconds) for recording in recordings)
    config = folder / "config.yaml"
    steps = {"steps": plan.steps, "batch": 4, "validate_every": plan.steps // 2, "workers": 0}
    data = {"root": str(folder / "data"), "split": "sorted-80-20", "crop": {"size": plan.crop}, "stride": 60}
    config.write_text(yaml.safe_dump({"data": data, "model": {"name": plan.network}, "train": steps}))
    found: dict[tuple[str, int], list[float]] = {}
    for turn in range(plan.rounds):
        for processes in PROCESSES:
            cache = folder / f"cache-{turn}-{processes}"
            measures = {
                "preprocess": partial(preprocess, config, cache, frames),
                "train": partial(train, config, cache, folder / f"run-{turn}-{processes}"),
            }
            for what, speed in measures.items():
                found.setdefault((what, processes), []).append(speed(processes))
    rows = []
    for (what, processes), speeds in found.items():
        p20, median, p80 = np.percentile(speeds, [20, 50, 80])
        rows.append({"what": what, "processes": processes, "per_second": median, "p20": p20, "p80": p80})
        rows[-1] |= {"unit": {"preprocess": "frames", "train": "clips"}[what], "calls": len(speeds)}
    show(rows, COLUMNS)
    return rows


def targets_of(rows: list[dict]) -> list[Target]:
    """Two processes against one."""
    speed = {(row["what"], row["processes"]): row["per_second"] for row in rows}
    return [
        Target(f"{what}: two processes against one", speed[what, 2] / speed[what, 1], least, 2)
        for what, least in (("preprocess", 1.8), ("train", 1.6))
    ]


def main() -> None:
    options = harness.arguments(__doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), QUICK if options.quick else FULL)
    harness.write("processes", options, rows, targets_of(rows))


if __name__ == "__main__":
    main()
