"""Compiled loops run where nothing can be cached, in threads, after a fork and with any number of threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rppg_graph.graph.compiled import run_on_threads
from rppg_graph.graph.knn import knn

SCRIPT = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = [] if {read_only} else caching.CacheImpl._locator_classes
import torch
from rppg_graph.graph.knn import knn
x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
print(int(knn(x, 5, backend="blocked").sum()))
"""


def test_every_item_is_worked_on_once():
    seen = []
    run_on_threads(lambda items: seen.extend(items), range(1000))
    assert sorted(seen) == list(range(1000))


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(items) -> None:
        raise ArithmeticError("from a thread")

    with pytest.raises(ArithmeticError, match="from a thread"):
        run_on_threads(fail, range(3))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(threads):
    x = torch.randn(900, 16, generator=torch.Generator().manual_seed(0))
    before, expected = torch.get_num_threads(), knn(x, 8, backend="blocked")
    try:
        torch.set_num_threads(threads)
        assert torch.equal(knn(x, 8, backend="blocked"), expected)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_several_threads_may_search_at_once():
    xs = [torch.randn(400, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(12)]
    expected = [knn(x, 6, backend="blocked") for x in xs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: knn(x, 6, backend="blocked"), xs))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_makes_its_own_threads():
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    expected = knn(x, 5, backend="blocked")
    child = os.fork()
    if child == 0:
        torch.set_num_threads(2)
        same = torch.equal(knn(x, 5, backend="blocked"), expected)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_without_a_place_for_compiled_code(repository):
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(read_only=read_only)],
            capture_output=True, text=True, check=True, cwd=repository,
        ).stdout
        for read_only in (True, False)
    ]  # fmt: skip
    assert outputs[0] == outputs[1] != ""


@pytest.mark.parametrize("backend", ["dense", "blocked", "auto"])
def test_inference_mode(backend):
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    expected = knn(x, 5, backend=backend)
    with torch.inference_mode():
        assert torch.equal(knn(x.clone(), 5, backend=backend), expected)
