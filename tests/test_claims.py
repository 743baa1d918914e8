"""Claims and processes of their own: alone while they hold, gone with who holds them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rppg_graph.errors import InputError
from rppg_graph.experiments.own_process import in_own_process
from rppg_graph.files import claim

HOLD = "import sys, time; from pathlib import Path; from rppg_graph.files import claim\n"
HOLD += "with claim(Path(sys.argv[1])) as held: print(held, flush=True); time.sleep(60)"


def fail(reason: str) -> None:
    raise InputError(reason)


def end_abruptly() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tell_and_sleep(path: str) -> None:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def test_a_claim_is_for_one_and_is_given_back_by_the_dead(tmp_path):
    path = tmp_path / "new" / "claim"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    with claim(path, wait=False) as mine:
        assert not mine
    holder.kill()
    with claim(path, wait=True) as mine:
        assert mine
    holder.communicate()
    with claim(path, wait=False) as mine:
        assert mine
    assert path.exists()


def test_a_process_of_its_own_returns_and_raises():
    assert in_own_process(os.getpid) != os.getpid()
    with pytest.raises(InputError, match="no such luck"):
        in_own_process(fail, "no such luck")
    with pytest.raises(InputError, match="ended from outside"):
        in_own_process(end_abruptly)


def test_a_process_of_its_own_ends_with_its_parent(tmp_path, repository):
    code = "import sys; from test_claims import *\n"
    code += "if __name__ == '__main__': in_own_process(tell_and_sleep, sys.argv[1])"
    script, told = tmp_path / "parent.py", tmp_path / "child"
    script.write_text(code)
    path = os.pathsep.join((str(repository), os.path.dirname(__file__)))
    parent = subprocess.Popen([sys.executable, str(script), str(told)], env=os.environ | {"PYTHONPATH": path})
    until = time.monotonic() + 30
    while not (told.exists() and told.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    child = int(told.read_text())
    parent.kill()
    parent.wait()
    while time.monotonic() < until and alive(child):
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = f"/proc/{process}/status"
    return not (os.path.exists(status) and "State:\tZ" in open(status).read())  # nobody may be there to bury it
