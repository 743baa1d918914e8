# `make demo` and `make test` do all the set-up on a bare machine; both skip in seconds what is already there.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
FUZZ ?= 600
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
RUN := $(BIN)/python run.py
# One process of one thread for each core: faster than one process with as many threads.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist worksteal

.PHONY: demo test check soak lint core cluster dev browser constraints clean

demo: core
	$(RUN) demo runs/demo

test: dev cluster browser lint
	$(PYTEST)

check: dev lint
	$(PYTEST) -m "not slow and not soak"

# About an hour, and FUZZ=SECONDS of each of fifteen targets where atheris is installed.
soak: dev
	@set -o pipefail; { date -u; $(BIN)/python -m pytest -m soak --timeout 7200 -v --tb=short --durations=0 tests/soak; \
	FUZZ_EXAMPLES=3000 $(BIN)/python -m pytest tests/test_strangers.py -k any_bytes; \
	for target in $$($(BIN)/python tests/soak/fuzz.py 2>/dev/null); do \
	    $(BIN)/python tests/soak/fuzz.py "$$target" $(FUZZ) 2>&1 | grep -avE "^#|^INFO: Instrumenting"; done; \
	} 2>&1 | tee tests/soak/last.log

lint: dev
	$(BIN)/ruff check .

core: $(VENV)/core.done
dev: $(VENV)/dev.done
cluster: $(VENV)/cluster.done

# torch first and by its own pin: an unpinned request would bring another build.
$(VENV)/core.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing rppg-graph and what it needs into $(VENV) (about two minutes the first time) ..."
	$(PIP) torch setuptools wheel
	$(PIP) --editable .
	@touch $@

$(VENV)/dev.done: $(VENV)/core.done
	$(PIP) --editable ".[dev,bench,export]"
	@touch $@

# Source only, compiled against the installed torch: both at the same time, several extensions of each at once.
# pip keeps the built wheels, so that the next time takes seconds.
$(VENV)/cluster.done: $(VENV)/core.done
	@echo "Compiling torch-cluster and torch-scatter (about ten minutes the first time) ..."
	@mkdir -p $(VENV)/wheels
	@printf '[build_ext]\nparallel = %s\n' "$$(getconf _NPROCESSORS_ONLN)" > $(VENV)/build_ext.cfg
	@export DIST_EXTRA_CONFIG="$(CURDIR)/$(VENV)/build_ext.cfg"; pids=; \
	for package in torch-cluster torch-scatter; do \
	    $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --constraint constraints.txt \
	        --wheel-dir $(VENV)/wheels $$package & pids="$$pids $$!"; \
	done; \
	for pid in $$pids; do wait $$pid || exit 1; done
	$(PIP) --no-deps $(VENV)/wheels/torch_cluster-*.whl $(VENV)/wheels/torch_scatter-*.whl
	@touch $@

# The report's tests open it in a headless Chromium; without one they are skipped and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	    { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing chromium for the report's tests ..." && \
	      apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	    echo "No Chromium found and none could be installed: the tests that open the report in one will be skipped."

# The versions that the tests passed with. The marker leaves older Pythons to pip's own choice.
constraints:
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu//; s/ @ .*//; s/$$/ ; python_version >= "3.11"/' > constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info runs
