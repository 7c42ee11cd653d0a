# One door for habits; CI calls only these targets. `make` alone lists them.

VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
WHEEL    := .venv-wheel
COVERAGE := 95

# What is type-checked, as far as it exists: mypy refuses a folder without Python files.
TYPED := $(foreach folder,src examples benchmarks tests/typing,$(if $(wildcard $(folder)/*.py $(folder)/*/*.py),$(folder)))

# A worker for each processor, each with a PostgreSQL of its own. worksteal keeps the order of the tests, so that
# those that share a database stay together until a worker has nothing left to do.
PARALLEL := -n logical --maxprocesses 8 --dist worksteal

# Tests to run: `make test T=tests/loading` runs a part, without asking for coverage.
T :=

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint types mypy pyright bench bench-quick wheel-test clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Load the Chinook store into SQLite and take the tour
	@$(BIN)/python -m examples.demo

serve: $(STAMP) ## Start the REST and the GraphQL example
	@$(BIN)/python -m examples.serve

test: $(STAMP) ## Run the tests; T=path runs a part
ifeq ($(strip $(T)),)
	@# `coverage run` and not pytest-cov: our own pytest plugin is imported before pytest-cov starts to measure.
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(PARALLEL)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=$(COVERAGE)
else
	@$(BIN)/python -m pytest $(T)
endif

lint: $(STAMP) ## Check style, format, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory types
	@$(BIN)/lint-imports --no-cache

types: $(STAMP) ## Check types with mypy and pyright
	@$(MAKE) --no-print-directory --jobs=2 --output-sync mypy pyright

mypy: $(STAMP)
	@$(BIN)/mypy $(TYPED)

pyright: $(STAMP)
	@$(BIN)/pyright --pythonpath $(BIN)/python $(TYPED)

bench: $(STAMP) ## Measure batchrepo side by side with its peers: half an hour, docs/benchmarks.md
	@$(BIN)/python -m benchmarks

bench-quick: $(STAMP) ## The same with less data and fewer rounds: two minutes, nothing is written
	@$(BIN)/python -m benchmarks --quick

wheel-test: $(STAMP) ## Build the wheel and run the tests against it, without src
	@# The benchmarks are not in the wheel, and counting their instructions takes minutes.
	@scripts/wheel-test $(BIN)/python $(WHEEL) $(PARALLEL) --ignore tests/benchmarks

clean: ## Remove environments, caches and builds
	@rm -rf $(VENV) $(WHEEL) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs once; again only when pyproject.toml changes.
$(STAMP): pyproject.toml
	@scripts/make-venv $(VENV)
	@echo "Installing batchrepo and its development tools into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
