# Two commands do everything: `make run` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMMA := ,
PLATFORM := embedded,ml,video,demo
STAMP = $(VENV)/.stamp-$(shell cat pyproject.toml Makefile | sha256sum | cut -c1-16)

.PHONY: run test check lint clean install install-dev browser

run: install
	@exec $(BIN)/assay up

test: install-dev browser
	@$(MAKE) --no-print-directory lint
	@echo "== tests"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: install-dev
	@echo "== ruff"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy"; $(BIN)/mypy
	@echo "== arrows between rooms"; $(BIN)/lint-imports --no-logo

install: $(STAMP)-run
install-dev: $(STAMP)-dev

# torch first and exactly: a range would bring the CUDA build. uv where it can be had, else pip.
define install_with
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "== installing $(1)"
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
	@links="$$($(BIN)/pip config get global.find-links 2>/dev/null || true)"; \
	  UV_FIND_LINKS="$$links" $(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[$(1)]' 2>$(VENV)/uv.log \
	  || $(BIN)/pip install --quiet --disable-pip-version-check -e '.[$(1)]'
endef

$(STAMP)-run:
	$(call install_with,$(PLATFORM))
	@rm -f $(VENV)/.stamp-*-run; touch $@

$(STAMP)-dev:
	$(call install_with,$(PLATFORM)$(COMMA)dev)
	@rm -f $(VENV)/.stamp-*; touch $@ $(STAMP)-run

browser:
	@command -v chromium >/dev/null || { echo "== installing chromium"; \
	  $$(test "$$(id -u)" = 0 || echo sudo) sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium' >/dev/null; } \
	  || { echo "The browser tests need Debian's chromium: apt-get install chromium"; exit 1; }

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
