"""Studies and comparisons whose runs are trained in the test's own process, or not drawn."""

from contextlib import contextmanager

import pytest

from rppg_graph.experiments import ablate, engine, results


@pytest.fixture(scope="session")
def here():
    """A context in which a run is trained and measured in this process: one of its own takes longer to start."""

    @contextmanager
    def patched():
        with pytest.MonkeyPatch.context() as patch:
            for module in (ablate, engine):
                patch.setattr(module, "in_own_process", lambda function, *args: function(*args))
            yield

    return patched


@pytest.fixture
def undrawn(monkeypatch):
    """A study whose plots are left out, which take longer than its runs."""
    monkeypatch.setattr(results, "THEMES", ())
