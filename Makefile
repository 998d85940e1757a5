# Works from a fresh clone with Python 3.11 or newer and make. Everything else goes into .venv, the first time by itself.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# What was compiled once is kept: without, every start compiles everything again, and every test run all tests.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
KILLS ?= 100
JOBS ?= 6
TESTS ?= tests
PYTEST_ARGS ?=
PY := .venv/bin/python
RUN_READY := .venv/.ready-to-run
DEV_READY := .venv/.ready-to-develop
NEED_NO_MORE := not n8n and not browser and not crash and not again and not image

.DEFAULT_GOAL := help
.PHONY: help run demo test test-again test-n8n test-browser test-crash test-image test-all lint format schema bench clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | while IFS=$$'\t' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

run: $(RUN_READY) ## start n8n-medic on http://127.0.0.1:8808, until Ctrl-C
	@exec $(PY) -m recovery serve

demo: $(DEV_READY) ## a two-minute tour, with nothing else installed
	@exec $(PY) -m tests.demo

test: $(DEV_READY) ## the suite that needs only PyPI packages
	@$(PY) -m pytest $(TESTS) -m "$(NEED_NO_MORE)" -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-again: $(DEV_READY) ## the stories once more, on PostgreSQL, and those that wait long
	@$(PY) -m pytest $(TESTS) -m "again and not n8n" -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-n8n: $(DEV_READY) ## the suite against a real n8n, installed once into ~/.cache/n8n-medic
	@$(PY) -m tests.n8n.install
	@$(PY) -m pytest tests -m n8n -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-browser: $(DEV_READY) ## the pages in a real Chromium; screenshots in build/screenshots/
	@if ! command -v chromium >/dev/null && [ ! -x /usr/bin/chromium ]; then \
	  echo "Chromium is missing: installing Debian's (apt-get, as root) ..."; \
	  [ "$$(id -u)" = 0 ] || { echo "Not root. Please run: sudo apt-get install chromium" >&2; exit 1; }; \
	  apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-noto-cjk >/dev/null; \
	fi
	@$(PY) -m pytest tests -m browser $(PYTEST_ARGS)

test-crash: $(DEV_READY) ## kill -9 at random moments, KILLS=100 times
	@KILLS=$(KILLS) SEED=$${SEED:-$$RANDOM} $(PY) -m pytest tests -m crash -n 4 --dist worksteal $(PYTEST_ARGS)

test-image: $(DEV_READY) ## the container image, built and run without Docker; needs root
	@$(PY) -m pytest tests -m image $(PYTEST_ARGS)

test-all: test test-again test-n8n test-browser test-crash test-image ## all of these

lint: $(DEV_READY) ## format, rules and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

format: $(DEV_READY) ## put the code into its form
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

schema: $(DEV_READY) ## write docs/medic.schema.json anew, after a change of the settings
	@mkdir -p build; $(PY) -m recovery check-config --schema > build/medic.schema.json; mv build/medic.schema.json docs/

bench: $(DEV_READY) ## the benchmarks: figures and ratios
	@exec $(PY) -m bench

clean: ## take away what was built; keeps ./data
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Choose one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }

# $(call install,what for,pip's arguments): a dot for each package, errors in full, all of it in build/install.log
define install
@mkdir -p build; printf 'Installing what $(1) needs into .venv (once) '
@$(PY) -m pip install --disable-pip-version-check --no-input --progress-bar off $(2) 2>&1 | tee build/install.log \
  | while IFS= read -r line; do case "$$line" in Collecting*|Building*) printf .;; esac; done \
  || { echo; grep ERROR build/install.log >&2; echo "That failed: build/install.log has it all. Is PyPI reachable?" >&2; exit 1; }
@echo " done"; touch $@
endef

$(RUN_READY): requirements.txt constraints.txt pyproject.toml | $(PY)
	$(call install,n8n-medic,-r requirements.txt -c constraints.txt -e .)

$(DEV_READY): requirements.txt requirements-dev.txt constraints.txt pyproject.toml | $(PY)
	$(call install,the test suite,-r requirements-dev.txt -c constraints.txt -e .)
