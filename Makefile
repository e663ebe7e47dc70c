# Two commands do everything: `make demo` and `make test`. Both re-run in seconds when nothing changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)

SOURCES := $(shell find src -type f -not -path '*/__pycache__/*' -not -name '.partial-*')
TESTS := $(shell find tests benchmarks examples -type f -name '*.py' 2>/dev/null)

DOCS_VENV := .venv-docs

.PHONY: demo test test-all docs mutants fuzz audit sbom install lint encoder segmenter clean help

FUZZ_CASES ?= 2000
FUZZ_FIRST ?= 10000

help: ## Show what can be asked for
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(STAMPS)/installed ## Install and run every step on a few simulated patients; ends with the path of a report
	$(BIN)/espark demo demo

test: $(STAMPS)/tested ## Ruff, mypy, import-linter and the tests that take under ten seconds each

test-all: $(STAMPS)/test-installed lint ## Every test, the slow ones too
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist worksteal

docs: $(STAMPS)/installed $(STAMPS)/docs-installed ## Build the documentation site, build/docs/site; warnings and dead links are errors
	$(BIN)/python docs/site/gather.py build/docs
	$(DOCS_VENV)/bin/zensical build --strict --clean --config-file build/docs/zensical.toml
	$(BIN)/python docs/site/check_site.py build/docs/site

mutants: $(STAMPS)/test-installed ## Put thirty faults into the code, one at a time: how many do the tests see? (ten minutes)
	$(BIN)/python tests/mutants.py --workers $(CORES)

fuzz: $(STAMPS)/test-installed ## Read damaged files of every kind, more than the tests do (an hour; FUZZ_CASES of each kind)
	$(BIN)/python tests/fuzz/fuzz_all.py --cases $(FUZZ_CASES) --first $(FUZZ_FIRST)

audit: $(STAMPS)/audit-installed ## Compare the installed packages with the known vulnerabilities (needs the network)
	$(BIN)/python tests/audit.py

sbom: $(STAMPS)/audit-installed ## Write sbom.json: every installed package, its version and license (CycloneDX)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json $(BIN)/python

install: $(STAMPS)/installed ## Make .venv with espark in it

lint: $(STAMPS)/test-installed
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

encoder: $(STAMPS)/installed ## Fit the embedded encoder again (maintainers; under two hours on a CPU, killed and restarted as you like)
	$(BIN)/python -m espark.pretrain.make_encoder

segmenter: $(STAMPS)/installed ## Fit the embedded segmenter again: make segmenter REAL=folder-of-openkbp (a quarter of an hour with a GPU, nine hours on one core; killed and restarted as you like)
	$(BIN)/python -m espark.pretrain.make_segmenter --real $(REAL)

clean: ## Remove the environment and the demonstration
	rm -rf $(VENV) $(DOCS_VENV) demo build

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "espark needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

# torch comes first, and from the constraints, so that nothing can pull another build of it.
$(STAMPS)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	mkdir -p $(STAMPS)
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(STAMPS)/test-installed: $(STAMPS)/installed
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	touch $@

$(STAMPS)/docs-installed: docs/site/requirements.txt | $(VENV)/bin/python
	mkdir -p $(STAMPS)
	$(VENV)/bin/python -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(STAMPS)/audit-installed: $(STAMPS)/installed
	$(PIP) install --constraint constraints.txt --editable '.[audit]'
	touch $@

$(STAMPS)/tested: $(STAMPS)/test-installed $(SOURCES) $(TESTS) pyproject.toml Makefile
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist worksteal -m 'not slow'
	touch $@
