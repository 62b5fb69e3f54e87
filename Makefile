# Everything a person or CI does, each by one command. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: coverage help setup run test lint format check model clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IDEA ?= examples/text_stats.yaml
STAMP := $(VENV)/.complete

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Milepost needs Python 3.11 or newer; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The module venv is missing: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[embedded,dev]'
	@touch $@

setup: $(STAMP) ## virtual environment and dependencies

model: setup ## download the embedded model (1.1 GB), if it is not there yet
	@$(BIN)/milepost fetch

run: setup ## turn IDEA (default: examples/text_stats.yaml) into a prototype
	@$(BIN)/milepost run $(IDEA)

test: setup ## all tests, in 3 processes: much of the time they wait for others
	$(BIN)/python -m pytest -q -n 3

coverage: setup ## the same, with line coverage (at least 90 %), which takes half as long again
	$(BIN)/python -m pytest -q -n 3 --cov --cov-report=term

lint: setup ## formatting, style, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## mend formatting and imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test ## what CI does

clean: ## remove the virtual environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage build *.egg-info
