"""How long the README's commands take on a bare machine, and what they end with: a fresh clone, pip's cache empty.

    python benchmarks/setup_times.py          half an hour on two cores; writes results/setup.json and demo.json

The clone is made of the last commit. The shared folder of real recordings, where one lies beside the repository, is
put beside the clone too, so that no test is skipped for want of it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from kept import ROOT, environment, keep, write_document

STEPS = {  # what a command stands for
    "make demo": "environment, install, demo",
    "make test": "compiled extras, lint, whole suite",
    "make check": "lint and quick tests, everything installed",
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        clone, cache = Path(folder) / "clone", Path(folder) / "pip-cache"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if (ROOT.parent / "shared").is_dir():
            (Path(folder) / "shared").symlink_to(ROOT.parent / "shared")
        steps: list[dict] = []
        found = {"environment": environment(), "steps": steps}  # of the commit that is cloned
        for command, what in STEPS.items():
            steps.append(_timed(command, clone, cache) | {"what": what})
            write_document("setup.json", found)
            if command == "make demo" and steps[-1]["exit_code"] == 0:
                keep(clone / "runs" / "demo" / "eval", "demo")  # the table that it ended with
    return max(step["exit_code"] for step in steps)


def _timed(command: str, clone: Path, cache: Path) -> dict:
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    print(f"$ {command}", flush=True)
    start, printed = time.monotonic(), []
    done = subprocess.Popen(
        command.split(), cwd=clone, env=variables | {"PIP_CACHE_DIR": str(cache)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    for line in done.stdout:
        printed.append(line.rstrip("\n"))
        print(line, end="", flush=True)
    code, seconds = done.wait(), time.monotonic() - start
    print(f"{command}: exit code {code} after {seconds:.0f} s", flush=True)
    end = [line for line in printed if line.strip()][-1]
    return {"command": command, "seconds": round(seconds), "exit_code": code, "end": end}


if __name__ == "__main__":
    raise SystemExit(main())
