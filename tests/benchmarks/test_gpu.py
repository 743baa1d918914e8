"""What measures a GPU runs without one, and without the packages that a machine lent for minutes may lack."""

import json
import os
import subprocess
import sys

import pytest

BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("av", "cv2", "pydantic", "neurokit2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run(repository, code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", BLOCKED + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_what_a_gpu_is_needed_for_starts_without_video_and_config_packages(repository):
    code = "import pytest\nassert pytest.main(['-p', 'no:cacheprovider', '--collect-only', *{}]) == 0\n"
    code += "sys.path.insert(0, 'benchmarks')\nimport bench_gpu, bench_knn, bench_graph_conv"
    collected = run(repository, code.format(["tests/test_cuda.py", "tests/graph/test_triton_kernels.py"]))
    assert "test_training_steps_are_finite_whatever_the_memory_held" in collected


def script(repository, out, stages: str, seconds: int) -> subprocess.CompletedProcess:
    environment = {"OUT": str(out), "PYTHON": sys.executable, "STAGES": stages, "SECONDS_IN_ALL": str(seconds)}
    command = ["sh", str(repository / "benchmarks" / "gpu.sh"), "--cpu"]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def assert_whole(out, part: str) -> None:
    (path,) = out.glob(f"gpu_{part}_*.json")
    document = json.loads(path.read_text())
    rows = document["longest"] if part == "profile" else document["rows"]
    assert rows
    assert not any(row.get("error") for row in rows)


@pytest.mark.slow
def test_a_dry_run_leaves_result_files(repository, tmp_path):
    done = script(repository, tmp_path, "gpu_train", 300)
    assert done.returncode == 0, done.stdout
    assert_whole(tmp_path, "train")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["fed", "profile"])
def test_every_part_leaves_a_result_file(tmp_path, part, call_bench):
    call_bench("gpu", part, "--quick", "--out", str(tmp_path))
    assert_whole(tmp_path, part)


def test_what_there_is_no_time_for_is_said(repository, tmp_path):
    done = script(repository, tmp_path, "knn gpu_fed", 0)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["== knn: no time left", "== gpu_fed: no time left"]
