# Each target needs only Python 3.11 or later with venv: the first run makes .venv, and later ones find it ready.
# Another Python: make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := $(sort $(patsubst %/,%,$(wildcard libs/*/src/pelton/*/ services/*/src/pelton/*/)))
MODULES := $(foreach package,$(PACKAGES),--package pelton.$(notdir $(package)))

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-mlflow lint fmt schemas bench clean environment servers

help: ## Show this
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: servers ## Run the whole loop on a year of real flights
	@$(BIN)/pelton demo flights

test: servers ## Run the tests, on real Kafka and PostgreSQL
	@$(BIN)/python -m pytest -m "not slow and not peer"

test-all: servers ## Run also the slow tests and those against other projects
	@$(BIN)/python -m pytest

test-mlflow: servers ## Run MLflow's client, and its own tests if MLFLOW_SOURCE names a checkout of it
	@$(BIN)/python -m pytest tests/mlflow

lint: environment ## Check style, types and the walls between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(MODULES)
	@$(BIN)/mypy deploy/bootstrap.py
	@$(BIN)/lint-imports
	@$(BIN)/python -m pelton.contracts check

fmt: environment ## Format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schemas: environment ## Check that no change of a fact breaks a reader
	@$(BIN)/python -m pelton.contracts check

bench: servers ## Measure everything, side by side with its peers
	@$(BIN)/python tests/bench/run.py

bench-%: servers ## Measure one thing, for instance bench-outbox
	@$(BIN)/python tests/bench/run.py $*

clean: ## Remove .venv and what tools left; the data in .pelton stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find libs services tests deploy -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

environment:
	@$(PYTHON) deploy/bootstrap.py

servers: environment
	@$(BIN)/python -m pelton.local
