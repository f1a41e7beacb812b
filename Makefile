# One command for each thing; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# A file's tests stay together: they share servers. The order is tests/conftest.py's.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo collector e2e compose-config env test test-slow coverage lint format typecheck bench bench-pipeline bench-micro dashboards-preview prices docs wheel clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml
	@echo "Setting up $(VENV): about 700 MB, most of it the embedded ClickHouse. One to four minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	$(BIN)/python -m pip install --disable-pip-version-check --upgrade --quiet 'pip>=25.1'
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[local,redis,mcp,openai,anthropic,groq,google,bedrock,mistralai,cohere,ollama,pii]' --group dev
	@touch $@

install: $(INSTALLED) ## Make the virtual environment with everything in it

demo: $(INSTALLED) ## Run an agent against a mock provider, then show its report and its trace
	$(BIN)/spanledger demo

test: $(INSTALLED) ## Run all tests but the slow ones, on up to four cores
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(PYTEST_ARGS)

test-slow: $(INSTALLED) ## Run the long ones: kill loops, soaks, mutants
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

collector: ## Build the OpenTelemetry Collector that the pipeline uses (needs Go, no Docker)
	@collector-config/build.sh

e2e: $(INSTALLED) collector ## Run the pipeline's tests: Collector, ClickHouse, faults
	$(BIN)/python -m pytest -m "not slow" tests/pipeline $(PYTEST_ARGS)

env: ## Make .env with generated passwords for docker-compose.yml
	@deploy/make-env.sh

compose-config: $(INSTALLED) ## Check docker-compose.yml and all that it mounts
	$(BIN)/python -m pytest -q tests/pipeline/test_compose.py

coverage: $(INSTALLED) ## Run the tests with branch coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -m "not slow" $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=90 --skip-covered

lint: $(INSTALLED) typecheck ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED) ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Compare what a call costs beside every peer; writes docs/benchmarks.md (20 to 40 minutes)
	$(BIN)/python -m benchmarks.peers $(BENCH_ARGS)
	$(BIN)/python benchmarks/startup.py

bench-pipeline: $(INSTALLED) collector ## Time Collector, stack, tables and dashboards on millions of spans; writes docs/benchmarks-pipeline.md
	$(BIN)/python -m benchmarks.pipeline_page $(BENCH_ARGS)

bench-micro: $(INSTALLED) ## Time the small parts, each beside its target; writes docs/benchmarks-micro.md
	$(BIN)/python -m benchmarks.micro --json benchmarks/results/micro.json --page $(BENCH_ARGS)

dashboards-preview: $(INSTALLED) ## Draw every dashboard with Grafana's own libraries (needs Node and Chromium)
	$(BIN)/python -m grafana.preview

prices: $(INSTALLED) ## Make the price file anew from genai-prices
	$(BIN)/spanledger prices update

docs: $(INSTALLED) ## Print the generated pages anew
	$(BIN)/python -m spanledger.cli.reference > docs/cli.md
	REWRITE_DOCS=1 $(BIN)/python -m pytest -q tests/config tests/guard

wheel: $(INSTALLED) ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps --quiet --wheel-dir dist .

clean: ## Remove the virtual environment and everything that was built
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
