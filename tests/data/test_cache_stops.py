"""A cache that is stopped, by a kill or by a full disk, and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from rppg_graph.data.cache import CropSettings, preprocess
from rppg_graph.data.pool import available_bytes, default_workers
from rppg_graph.data.recordings import find_recordings

SETTINGS = CropSettings(size=32)


def test_workers_by_cores_and_memory():
    assert 1 <= default_workers() <= os.cpu_count()


@pytest.mark.promise("a container has less memory than its host", "fewer workers")
@pytest.mark.parametrize(
    ("files", "megabytes"),
    [
        ({"proc/self/cgroup": "0::/"}, 8192),
        ({"proc/self/cgroup": "0::/", "memory.max": "max", "memory.current": "1"}, 8192),
        ({"proc/self/cgroup": "0::/a/b", "a/memory.max": 3000, "a/memory.current": 2500}, 500 + 100),
        ({"proc/self/cgroup": "0::/../x", "memory.max": 3000, "memory.current": 2500}, 500 + 100),
        ({"proc/self/cgroup": "0::/", "memory.max": 3000, "memory.current": 3200}, 0),
        (
            {
                "proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/",
                "memory/memory.limit_in_bytes": 2000,
                "memory/memory.usage_in_bytes": 500,
            },
            1500 + 50,
        ),
        (
            {
                "proc/self/cgroup": "4:cpuset,memory:/a",
                "memory/a/memory.limit_in_bytes": 2**63 >> 20,
                "memory/a/memory.usage_in_bytes": 500,
            },
            8192,
        ),
    ],
)
def test_memory_is_what_the_container_has_left(tmp_path, files, megabytes):
    """The files of a machine with 8 GB free, in the form of proc(5) and of control groups of version 2 and 1."""
    for name, content in ({"proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"} | files).items():
        path = tmp_path / (name if name.startswith("proc") else f"sys/fs/cgroup/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content << 20}\n" if isinstance(content, int) else content)
        if not name.startswith("proc"):
            stat = f"anon 1\ninactive_file {100 << 20}\ntotal_inactive_file {50 << 20}\n"
            path.with_name("memory.stat").write_text(stat)
    assert available_bytes(tmp_path) == megabytes << 20


RUN = """
import resource, signal, sys
from rppg_graph.data.cache import CropSettings, preprocess
from rppg_graph.data.recordings import find_recordings
from rppg_graph.errors import InputError

def main(root, out, workers, file_bytes):
    if int(file_bytes):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
    print("started", flush=True)
    try:
        preprocess(find_recordings(root), out, CropSettings(size=32), int(workers))
    except InputError as error:
        print(error)
        sys.exit(2)
    print("finished", flush=True)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "run_preprocess.py"
    path.write_text(RUN)
    return path


def command(script: Path, videos: list[Path], out: Path, workers: int = 1, file_bytes: int = 0) -> list[str]:
    return [sys.executable, str(script), str(videos[0].parent), str(out), str(workers), str(file_bytes)]


def started(script: Path, videos: list[Path], out: Path, workers: int) -> subprocess.Popen:
    """The run, when its imports are done; its workers inherit the mark in its environment."""
    run = command(script, videos, out, workers)
    marked = os.environ | {"RUN_OF": str(out)}
    process = subprocess.Popen(run, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], env=marked)
    process.stdout.readline()
    return process


@pytest.mark.promise("the disk is full while faces are cut", "a message, exit code 2; nothing half-written stays")
def test_full_disk(videos, tmp_path, script, contents):
    """The limit on a file's size stands for the full disk: the system refuses to write the crops."""
    out = tmp_path / "cache"
    run = command(script, videos, out, file_bytes=20_000)
    done = subprocess.run(run, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2, done.stderr
    assert "3 of 3 recordings could not be preprocessed" in done.stdout
    assert "free some space" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(contents(out)) == ["manifest.json"]


@pytest.mark.promise("preprocess is killed at any moment", "the next start ends with the same bytes")
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_point_and_started_again(videos, tmp_path, script, workers, contents):
    """SIGKILL in every part of the time that an undisturbed run takes, at a random moment of the part."""
    undisturbed = started(script, videos, tmp_path / "whole", workers)
    began = time.monotonic()
    assert undisturbed.stdout.readline() == b"finished\n"
    lasted = time.monotonic() - began
    assert undisturbed.wait() == 0
    whole = contents(tmp_path / "whole")
    parts = 5 if workers == 1 else 2
    for part, offset in enumerate(np.random.default_rng(workers).uniform(0.0, 1.0, parts)):
        out, moment = tmp_path / f"killed-{part}", lasted * (part + offset) / parts
        process = started(script, videos, out, workers)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for_orphans(out)
        for folder in (path for path in out.glob("*") if path.is_dir() and not path.name.startswith(".partial-")):
            assert {f"{folder.name}/{name}": data for name, data in contents(folder).items()}.items() <= whole.items()
        preprocess(find_recordings(videos[0].parent), out, SETTINGS, workers=1)
        assert contents(out) == whole


def wait_for_orphans(out: Path, seconds: float = 10.0) -> None:
    """Until no worker of a killed run is left: they end themselves when their parent is gone."""
    deadline = time.monotonic() + seconds
    while any(str(out).encode() in environment for environment in environments()):
        assert time.monotonic() < deadline, "a worker of the killed run lives on"
        time.sleep(0.05)


def environments() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            yield path.read_bytes()
