# Both targets do all their set-up: a virtual environment in .venv, then the package in it.
PYTHON ?= python3
BIN := .venv/bin
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: demo test clean

demo: .venv/core
	$(BIN)/fieldspec analyze c1c2c3c40
	$(BIN)/python examples/classify.py examples/sailboat.png

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fieldspec needs Python 3.11 or newer; try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml
	@echo "installing torch and the other dependencies into .venv; this takes some minutes"
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml
	@echo "installing the development tools into .venv; this takes some minutes"
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ .venv/core

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
