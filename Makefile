# Each target sets up what it needs from a bare Python 3.11+; a second call does not reinstall.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SPARK  := $(VENV)-spark

# Libraries that phone home are told not to, before any of them is imported.
export DO_NOT_TRACK = 1
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export DAGSTER_DISABLE_TELEMETRY = 1

.DEFAULT_GOAL := help
.PHONY: help env env-spark run test test-cluster test-spark chaos search ui notebook lint format bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@echo "Setting up the environment in $(VENV) from requirements.lock (one to three minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

env: $(READY) ## Set up the environment only

run: $(READY) ## Run the main job on the bundled edition and print what the data say
	@$(BIN)/biopharma run

test: $(READY) ## Run the test suite
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

test-cluster: $(READY) ## Build with every step in a process of its own and the history in PostgreSQL
	@BIOPHARMA_EXECUTOR=multiprocess $(BIN)/python -m pytest tests/cluster

env-spark: $(SPARK)/.ready ## Set up the environment of the Spark target

$(SPARK)/.ready: requirements-spark.lock
	@echo "Setting up the Spark environment in $(SPARK) from requirements-spark.lock (some minutes, once) ..."
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements-spark.lock
	@touch $@

test-spark: $(READY) $(SPARK)/.ready ## Build the models on Spark (needs Java 17) and compare every mart with DuckDB's
	@BIOPHARMA_SPARK_PYTHON=$(SPARK)/bin/python BIOPHARMA_SPARK_OPTIONS="$(OPTIONS)" $(BIN)/python -m pytest tests/spark

chaos: $(READY) ## Kill, starve and crowd the pipeline at length (about an hour)
	@$(BIN)/python -m tests.chaos

search: $(READY) ## Look for examples that break a property, twenty times as many as the suite has (some minutes)
	@BIOPHARMA_SEARCH=20 $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup -m hypothesis

ui: $(READY) ## Open the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/biopharma ui

notebook: $(READY) ## Open five analyses with plots on http://127.0.0.1:2718
	@$(BIN)/biopharma notebook

lint: $(READY) ## Ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## Measure speed and memory; prints where the time goes
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_parse

lock: ## Renew the locks (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --output-file requirements.lock
	uv pip compile --group spark --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --output-file requirements-spark.lock

clean: ## Remove what runs have made (not the environment)
	rm -rf var dbt_project/target dbt_project/logs
