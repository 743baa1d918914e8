"""What the command line sets for its own process, and the library for nobody."""

import os
import subprocess
import sys

import pytest

COUNT = """
import contextlib, sys
{first}
import numpy
from threadpoolctl import threadpool_info
print(max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"))
"""
COMMAND = """
from rppg_graph.cli import main
sys.argv = ["run.py", "--help"]
with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
    main()
"""


def blas_threads(first: str, repository, **environment: str) -> int:
    """Of numpy, in a fresh process that did something first."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    kept |= {"PYTHONPATH": str(repository)} | environment
    done = subprocess.run([sys.executable, "-c", COUNT.format(first=first)], env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="BLAS has one thread on one core")
def test_the_command_line_keeps_blas_to_one_thread_and_the_library_does_not(repository):
    assert blas_threads("import rppg_graph", repository) > 1
    assert blas_threads(COMMAND, repository) == 1
    assert blas_threads(COMMAND, repository, OPENBLAS_NUM_THREADS="2") == 2  # who asked for two has two


def test_the_command_line_lets_torch_threads_wait_for_a_short_time_and_the_library_does_not(repository):
    says = "import contextlib, os, sys\n{0}\nprint('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT'))"
    kept = dict(os.environ, PYTHONPATH=str(repository))
    kept.pop("GOMP_SPINCOUNT", None)
    for first, asked, said in (
        ("import rppg_graph", {}, "False None"),
        (COMMAND, {}, "False 10000"),  # in time: torch is not loaded yet
        (COMMAND, {"GOMP_SPINCOUNT": "7"}, "False 7"),
    ):
        command = [sys.executable, "-c", says.format(first)]
        done = subprocess.run(command, env=kept | asked, capture_output=True, text=True)
        assert done.stdout.strip() == said, done.stderr
