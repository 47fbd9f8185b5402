# Two commands do everything: `make run` and `make test`.
SHELL := /bin/bash
export PYTHON ?= python3
BIN := .venv/bin
PLATFORM := embedded,ml,video,demo
TESTERS := $(PLATFORM),qlora,otel,dev

.PHONY: run test lint clean install install-dev browser

run: install
	@exec $(BIN)/assay up

test: install-dev browser lint
	@echo "== tests"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15 --durations-min 5

lint: install-dev
	@echo "== ruff"; $(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@echo "== mypy"; $(BIN)/mypy
	@echo "== arrows between rooms"; $(BIN)/lint-imports --no-logo

install:
	@scripts/install $(PLATFORM)

install-dev:
	@scripts/install $(TESTERS)

browser:
	@scripts/install-chromium

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
