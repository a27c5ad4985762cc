# make app    serve the page (creates .venv and installs what is missing, once)
# make test   lint, types and tests, with what the browser tests need
# make bench  benchmarks         make lint  format and lint, fixing what can be fixed
#
# HOST=0.0.0.0 PORT=8000 make app      serve elsewhere
# PYTHON=/path/to/python3.12 make app  use another Python (3.11 or newer)
# TORCH_INDEX=... make app             take torch from another index (see scripts/install.sh)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help app test bench lint install install-dev chromium clean

HOST ?= 127.0.0.1
PORT ?= 7860
VENV := .venv
BIN := $(VENV)/bin
export HOST PORT VENV

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -7

app: $(VENV)/.installed
	@exec $(BIN)/python -m app --host "$(HOST)" --port "$(PORT)"

test: $(VENV)/.installed-dev chromium
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest benchmarks --benchmark-only $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

# The stamps make the second run instant; a changed requirement renews them.
$(VENV)/.installed: requirements.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@scripts/install.sh requirements-dev.txt
	@touch $@

chromium: $(VENV)/.installed-dev
	@scripts/chromium.sh

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
