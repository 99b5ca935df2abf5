# Two commands do everything on a fresh machine: `make train` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install train test test-fast lint format tensorboard clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 22

# The stamp is newer than what it was made from, so that a second `make` installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one with: make train PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable '.[dev]'
	# The reference that heatmaps are tested against. Its own dependencies would bring a second OpenCV
	# (headless, into the same folder); what it needs of them is here already.
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps grad-cam ttach
	@touch $@

install: $(VENV)/.installed  ## create .venv and install the project with its development tools

train: install  ## train the coil inspector on synthetic images (a few minutes on 2 cores)
	$(BIN)/python scripts/train.py task=coil model=lenet

test: train lint  ## everything: the main job, lint, types, all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: install  ## lint, types and the quick tests, in under 3 minutes
	$(MAKE) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

lint: install  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tensorboard: install  ## look at all runs in a browser
	$(BIN)/tensorboard --logdir outputs

clean:  ## remove the environment, caches and synthetic images (runs and your own data stay)
	rm -rf $(VENV) data/synthetic data/cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
