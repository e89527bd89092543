# `make help` lists the targets. Needed: Python 3.11 or newer, make, git.
# Everything is installed into .venv; an active virtual environment is neither used nor changed.

PYTHON ?= python3
VENV ?= .venv
PYTHONS ?= 3.11 3.12 3.13 3.14

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The locks name every package, so pip need not look for dependencies. What is imported is compiled
# at its first import, which takes less time than compiling all; so that variable must not be set.
LOCKED = --no-deps --require-hashes --no-compile
unexport PYTHONDONTWRITEBYTECODE

# Each worker has a Prefect server and a PostgreSQL of its own; a file's tests stay together. Files with many tests do not
# come first: they are not those that take long.
WORKERS ?= 2
PYTEST = $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test test-long fuzz test-all bench check fix lock matrix clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# Each step leaves a file in the virtual environment, and is done again only when what it read has changed.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The locked pip first: with the pip of Python 3.11 the second line takes twice as long.
# In the third, setuptools warns of nothing but that the installation is editable.
$(VENV)/installed: $(VENV)/made requirements.lock pyproject.toml
	@sed -n '/^pip==/,/[^\\]$$/p' requirements.lock > $(VENV)/pip.lock
	$(PIP) install $(LOCKED) -r $(VENV)/pip.lock
	$(PIP) install $(LOCKED) -r requirements.lock
	PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	$(PIP) install $(LOCKED) -r requirements-dev.lock
	@touch $@

.venv: $(VENV)/made ## Create the virtual environment (another Python: make .venv PYTHON=python3.12)

install: $(VENV)/installed ## Install the service and the environment `local`, at the locked versions

install-dev: $(VENV)/installed-dev ## Also install what the tests and checks need

demo: $(VENV)/installed ## Run the flows in the environment `local` and show the result
	$(VENV)/bin/python -m deployments.demo

test: $(VENV)/installed-dev ## Run the tests except the long ones
	$(PYTEST) -m "not long and not locales"

test-long: $(VENV)/installed-dev ## Run the long tests, and those that need Debian's package locales
	$(PYTEST) -m "long or locales"

INPUTS ?= 200000
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

fuzz: $(VENV)/installed-dev ## Compare the readers with the model on new random objects (INPUTS=200000 SEED=…)
	FUZZ_INPUTS=$(INPUTS) FUZZ_SEED=$(SEED) $(VENV)/bin/python -m pytest -q -s --timeout 0 tests/logs/test_fuzz.py -m long

test-all: $(VENV)/installed-dev ## Run all tests
	$(PYTEST)

SIZE ?= full

bench: $(VENV)/installed-dev ## Measure the service against its targets, and write docs/performance.md (SIZE=small: quick, and says less)
	$(VENV)/bin/python -m tests.benchmarks --size $(SIZE)

check: $(VENV)/installed-dev ## Check style, format, types and imports; changes no file
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_arrows.py

fix: $(VENV)/installed-dev ## Let ruff correct and format the files
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

# Versions are kept if possible; `make lock LOCK=--upgrade` takes the newest.
COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(LOCK) pyproject.toml --extra local --group build

lock: ## Write the lock files from pyproject.toml (all newest: make lock LOCK=--upgrade)
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --group dev --constraints requirements.lock --output-file requirements-dev.lock
	rm -rf .venv-lock

# A pyenv shim can be on the PATH and yet start nothing, so each Python is tried.
matrix: ## Run the tests that need no Prefect server on each Python found, each in its own .venv-3.X
	@tested=; missing=; failed=; \
	for version in $(PYTHONS); do \
		python=; \
		for found in python$$version $$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python 2>/dev/null | sort -rV); do \
			if $$found -c "import venv" 2>/dev/null; then python=$$found; break; fi; \
		done; \
		if [ -z "$$python" ]; then missing="$$missing $$version"; continue; fi; \
		echo "== Python $$version"; \
		if $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=$$python install-dev \
			&& .venv-$$version/bin/python -m pytest -m "not long and not locales and not server"; \
		then tested="$$tested $$version"; else failed="$$failed $$version"; fi; \
	done; \
	echo "Passed:$${tested:- none}. Failed:$${failed:- none}. Not found:$${missing:- none}."; \
	[ -n "$$tested" ] && [ -z "$$failed" ]

clean: ## Remove virtual environments, caches and builds, but not the data in .local
	rm -rf .venv .venv-* build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find flows blocks deployments tests -name __pycache__ -type d -prune -exec rm -rf {} +
