# The two commands of a newcomer, and what they stand on. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
BOARD ?= icebreaker

# The installer may be another one (PIP="uv pip"); it installs into $(VENV) either way.
PIP ?= $(VENV)/bin/python -m pip
# One test worker per core; the tests of a file stay together, they share what they build.
PYTEST_ARGS ?= -n auto --dist loadfile

BIN := $(VENV)/bin
INSTALL = VIRTUAL_ENV="$(abspath $(VENV))" $(PIP) install --editable

# Verilator's makefile calls `python`, which a Debian without an environment does not have.
RUN = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python

.DEFAULT_GOAL := help
.NOTPARALLEL: # doctor speaks before anything is installed
.PHONY: help doctor doctor-demo icebreaker test prove coverage bench-check lint clean

help:
	@echo "make icebreaker   the shipped network becomes a bitstream and classifies real digits"
	@echo "make test         lint, types, import rules and the whole test suite"
	@echo "make coverage     the test suite again: which situations and lines it has seen"
	@echo "make prove        formal proofs about the gateware, each with a mutant that it refutes"
	@echo "make bench-check  the engine's size, cycles and clock against bench/baseline.json"
	@echo "make doctor       what this machine lacks, and how to get it"
	@echo "make lint         the quick half of make test"
	@echo "make clean        remove what was built ($(VENV) stays)"
	@echo
	@echo "variables: PYTHON=$(PYTHON)  VENV=$(VENV)  PIP=\"$(PIP)\"  PYTEST_ARGS=\"$(PYTEST_ARGS)\""

define require_python
	@command -v $(PYTHON) >/dev/null || { \
	  echo "MISSING   $(PYTHON): for everything; get it with: sudo apt-get install python3 python3-venv"; \
	  exit 1; }
endef

doctor:
	$(require_python)
	@$(PYTHON) scripts/doctor.py --for test

doctor-demo:
	$(require_python)
	@$(PYTHON) scripts/doctor.py --for demo

icebreaker: doctor-demo $(VENV)/.installed-demo
	$(RUN) scripts/demo.py --board $(BOARD)

test: doctor $(VENV)/.installed-test lint
	$(RUN) -m pytest $(PYTEST_ARGS) sim/ tests/

# Situations of the engine (fails if one is missing), and lines of Python (a figure, no gate).
coverage: doctor $(VENV)/.installed-test
	rm -rf build/coverage
	$(RUN) -m pytest $(PYTEST_ARGS) --cov --cov-report=term:skip-covered --cov-report=html:build/coverage/html sim/ tests/
	$(RUN) -m sim.coverage

prove: $(VENV)/.installed-test
	$(RUN) -m sim.prove

# Part of `make test`, too; alone, with its tables.
bench-check: $(VENV)/.installed-test
	$(RUN) -m bench.engine --quick --check
	$(RUN) -m bench.hardware --quick --check

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

# A stamp is newer than the dependencies it installed, so they are installed once.
$(VENV)/.installed-demo: pyproject.toml | $(BIN)/python
	$(INSTALL) ".[demo]"
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(INSTALL) ".[test]"
	@touch $@ $(VENV)/.installed-demo

clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
