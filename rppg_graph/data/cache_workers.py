"""Several processes cut recordings at once; an error in one leaves the others to finish."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
from tqdm import tqdm

from rppg_graph.data.cache_builder import build
from rppg_graph.data.cached_recording import CropSettings
from rppg_graph.data.recordings import Recording
from rppg_graph.errors import InputError

WORKER_BYTES = 1 << 30  # what a worker may take, with a 4K video's frames waiting for a detection
POLL_SECONDS = 0.5

Failures = list[tuple[Recording, Exception]]


def build_all(
    recordings: list[Recording],
    out: Path,
    settings: CropSettings,
    workers: int | None,
    finished: Callable[[Recording], None],
) -> Failures:
    """Build each recording's folder under `out`; `finished` is called here after each; the errors of the others."""
    if not recordings:
        return []
    workers = min(workers or default_workers(), len(recordings))
    run = _build_here if workers == 1 else _build_in_processes
    with tqdm(total=len(recordings), desc="cutting faces", unit="recording", disable=None) as bar:
        return run(recordings, out, settings, workers, finished, _Progress(bar))


def default_workers() -> int:
    """As many as cores that this process may use, and as the memory that is free holds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, available_bytes() // WORKER_BYTES))


def available_bytes(root: Path = Path("/")) -> int:
    """Memory that this process may still take: of the machine, and of each control group (a container's) it is in."""
    try:
        meminfo = (root / "proc/meminfo").read_text().splitlines()
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return 1 << 62  # not Linux: the cores decide
    free = [int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:")]
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, *names = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            folder = root / "sys/fs/cgroup/memory"
            names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]
        else:
            continue
        group = folder / path.lstrip("/")  # inside a container it may be unseen, and its root stands for it
        for place in (group, *group.parents):
            if place.is_relative_to(folder):
                free += _left(place, *names)
    return max(0, min(free))


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> list[int]:
    """What is left of a control group's limit, [] where it has none; pages of files go where memory is asked for."""
    try:
        bounds = [int((group / name).read_text()) for name in (limit, usage)]
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # "max" is no limit
        return []
    return [bounds[0] - bounds[1] + sum(int(line.split()[1]) for line in lines if line.split()[0] == reclaimable)]


class _Progress:
    """Frames so far and their speed, beside the bar of recordings."""

    def __init__(self, bar: tqdm) -> None:
        self._bar, self._start, self._shown, self.frames = bar, time.monotonic(), 0.0, 0

    def count(self) -> None:
        self.frames += 1
        self.show()

    def show(self) -> None:
        now = time.monotonic()
        if now - self._shown >= POLL_SECONDS:
            self._shown = now
            self._bar.set_postfix_str(f"{self.frames} frames, {self.frames / (now - self._start):.0f}/s")

    def recording_done(self) -> None:
        self._bar.update()


def _build_here(recordings, out, settings, _workers, finished, progress: _Progress) -> Failures:
    failures: Failures = []
    for recording in recordings:
        try:
            build(recording, out, settings, progress.count)
        except Exception as error:
            failures.append((recording, error))
        else:
            finished(recording)
        progress.recording_done()
    return failures


def _build_in_processes(recordings, out, settings, workers, finished, progress: _Progress) -> Failures:
    context = multiprocessing.get_context("spawn")  # forked, a child may inherit locks of torch's and OpenCV's threads
    frames = context.Value("q", 0)
    failures: Failures = []
    with ProcessPoolExecutor(workers, context, _start_worker, (frames,)) as pool:
        jobs = {pool.submit(_build_in_worker, recording, out, settings): recording for recording in recordings}
        waiting = set(jobs)
        try:
            while waiting:
                done, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                progress.frames = frames.value
                progress.show()
                for job in done:
                    error = _explained(job.exception())
                    if error is None:
                        finished(jobs[job])
                    else:
                        failures.append((jobs[job], error))
                    progress.recording_done()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return sorted(failures, key=lambda failure: recordings.index(failure[0]))


def _explained(error: BaseException | None) -> Exception | None:
    if isinstance(error, BrokenProcessPool):
        return InputError("a worker process was ended, by lack of memory most likely; use fewer workers")
    return error


_frames_of_all_workers = None


def _start_worker(frames) -> None:
    global _frames_of_all_workers
    _frames_of_all_workers = frames
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would wait for ever for a next job."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _count_in_worker() -> None:
    with _frames_of_all_workers.get_lock():
        _frames_of_all_workers.value += 1


def _build_in_worker(recording: Recording, out: Path, settings: CropSettings) -> None:
    build(recording, out, settings, _count_in_worker)
