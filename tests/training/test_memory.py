"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from rppg_graph.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
elif sys.argv[1] == "command":
    from rppg_graph import cli
    sys.argv[1:] = ["score", "none.npz"]
    assert cli.main() == 2
elif sys.argv[1] == "called":
    from rppg_graph import cli
    assert cli.main(["score", "none.npz"]) == 2
import numpy as np
def fill():
    np.ones(8_000_000)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is a setting of glibc")
def test_a_block_that_was_freed_costs_no_page_fault_again():
    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    as_it_is = faults("as it is")
    assert faults("kept") < 0.1 * as_it_is
    assert faults("command") < 0.1 * as_it_is
    assert faults("called") > 0.9 * as_it_is  # by a program whose memory is its own affair
