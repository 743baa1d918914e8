"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

RETURNED = """
import sys
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
def resident():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) << 10
block = np.ones(8_000_000)
before = resident()
del block
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is a setting of glibc")
def test_a_block_that_was_freed_stays_with_the_process_of_the_command_line_alone():
    def returned(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", RETURNED, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    size = 64_000_000
    assert returned("as it is") > 0.9 * size
    assert returned("kept") < 0.1 * size
    assert returned("command") < 0.1 * size
    assert returned("called") > 0.9 * size  # by a program whose memory is its own affair
