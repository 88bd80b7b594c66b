# Deepfield: `make run` shows the whole pipeline, `make test` checks it.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
FRAMES ?=
LABELLED ?=
PYTEST_ARGS ?= -n auto

.DEFAULT_GOAL := help
.PHONY: help setup browser run test lint docs bench clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.installed browser ## make .venv with everything Deepfield needs

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Deepfield needs Python 3.11 or newer: install it or call make PYTHON=/path/to/python3.11." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	    echo "Python's venv module is missing: apt-get install python3-venv, then call make again." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,dask,onnx,postgres]'
	@touch $@

$(VENV)/.peers: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	@touch $@

# Playwright drives Debian's Chromium where it is there; its own download is the fallback.
browser: $(VENV)/.installed
	@$(BIN)/python -m scrapers.browser

run: setup ## the whole pipeline on the built-in archive; FRAMES=DIR serves your own pictures
	$(BIN)/deepfield demo $(if $(FRAMES),--frames '$(FRAMES)')

test: setup lint ## lint and all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed ## ruff, mypy and the rules on imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed ## write the tables of docs/ from the code
	$(BIN)/python -m flows.docs docs

bench: setup $(VENV)/.peers ## print the figures that README and docs quote; LABELLED=DIR adds the curation policy's on labelled frames
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/crawl_rate.py
	$(BIN)/python benchmarks/ledger_scale.py
	$(BIN)/python benchmarks/duplicates.py
	$(BIN)/python benchmarks/measuring_rate.py
	$(BIN)/python benchmarks/review_latency.py
	$(BIN)/python benchmarks/review_crowd.py
	$(BIN)/python benchmarks/loader_rate.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/upscale_memory.py --side 2000
	$(if $(LABELLED),$(BIN)/python benchmarks/curation_rates.py '$(LABELLED)')

clean: ## remove .venv, caches and the demo's data
	rm -rf $(VENV) build data/demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
