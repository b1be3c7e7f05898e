# `make demo` and `make test` need python3 (3.11 or newer) and the packages' index, nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# Further arguments: make test ARGS='-k page', make demo ARGS='--duration 30s'.
ARGS ?=

SETUP := $(VENV)/.complete
DEPLOY_VENV := .venv-deploy
DEPLOY_SETUP := $(DEPLOY_VENV)/.complete

.PHONY: help
help: ## What there is to make
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup: $(SETUP) ## The environment in .venv, with everything pinned; only when a lock changed

$(SETUP): requirements-dev.txt pyproject.toml scripts/setup-venv.sh
	@scripts/setup-venv.sh $(VENV)
	@touch $@

.PHONY: demo
demo: $(SETUP) ## Run the exporter against a synthetic CircleCI: no token, no network
	@$(BIN)/circleci-insights-exporter demo $(ARGS)

.PHONY: test
test: $(SETUP) ## All tests, with the coverage they must reach
	@scripts/system-packages.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report term $(ARGS)

.PHONY: soak
soak: $(SETUP) ## The exactly-once campaign at length, with Prometheus; EXACTLY_ONCE_KILLS=60, EXACTLY_ONCE_SEED=1
	@scripts/system-packages.sh
	$(BIN)/python -m pytest tests/soak/exactly_once.py --no-cov -s $(ARGS)

.PHONY: format
format: $(SETUP) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --select I --fix --quiet

.PHONY: format-check
format-check: $(SETUP)
	$(BIN)/ruff format --check

.PHONY: lint
lint: $(SETUP) ## ruff, all rules but those that pyproject.toml gives a reason against
	$(BIN)/ruff check

.PHONY: types
types: $(SETUP) ## mypy --strict
	$(BIN)/mypy

.PHONY: check
check: format-check lint types test ## Everything that must be good before a commit

.PHONY: docs
docs: $(SETUP) ## Write the generated parts of the documents anew
	$(BIN)/python scripts/generate_docs.py $(ARGS)

.PHONY: screenshot
screenshot: $(SETUP) ## Draw the page anew for the README
	@scripts/system-packages.sh
	$(BIN)/python scripts/screenshot.py

.PHONY: bench
bench: $(SETUP) ## What a scrape and a poll cost
	scripts/bench.sh $(ARGS)

$(DEPLOY_SETUP): requirements-deploy.txt scripts/setup-venv.sh
	@scripts/setup-venv.sh --only-lock $(DEPLOY_VENV) requirements-deploy.txt
	@touch $@

.PHONY: deploy-test
deploy-test: $(SETUP) $(DEPLOY_SETUP) ## Check what stands in deploy/
	@scripts/system-packages.sh
	scripts/deploy-test.sh $(ARGS)

.PHONY: dashboards
dashboards: $(SETUP) $(DEPLOY_SETUP) ## Write the dashboards, and what the chart and kustomize take from elsewhere
	$(DEPLOY_VENV)/bin/python -m deploy.grafana
	$(BIN)/python scripts/sync_deploy.py

.PHONY: pictures
pictures: $(SETUP) $(DEPLOY_SETUP) ## Draw the dashboards for the README
	@scripts/system-packages.sh
	@scripts/deploy-tools.sh $(DEPLOY_VENV)/tools
	@scripts/node-packages.sh
	$(BIN)/python -m scripts.pictures

.PHONY: image-test
image-test: ## Build the container image and run it
	scripts/image-test.sh $(ARGS)

.PHONY: lock
lock: ## Renew the locks from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	scripts/lock.sh $(UPGRADE)

.PHONY: clean
clean: ## Remove all that make and the tools have made
	rm -rf $(VENV) $(VENV).lock $(DEPLOY_VENV) $(DEPLOY_VENV).lock build dist htmlcov coverage.xml .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
