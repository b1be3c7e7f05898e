# `make demo` and `make test` need only python3 (3.11 or newer) and a package index.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The tests start the program thousands of times: it is compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
# More arguments: make test ARGS='-k page', make demo ARGS='--duration 30s'.
ARGS ?=

SETUP := $(VENV)/.complete
DEPLOY_VENV := .venv-deploy
DEPLOY_SETUP := $(DEPLOY_VENV)/.complete

.PHONY: help
help: ## Show this help
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup: $(SETUP) ## Create the environment in .venv, or update it after a lock file changed

$(SETUP): requirements-dev.txt pyproject.toml scripts/setup-venv.sh
	@scripts/setup-venv.sh $(VENV)
	@touch $@

.PHONY: demo
demo: $(SETUP) ## Run the exporter against a synthetic CircleCI: no token, no network
	@$(BIN)/circleci-insights-exporter demo $(ARGS)

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Tests that start no program and wait for no interval.
QUICK := $(addprefix tests/,circleci client config formats history insights knowledge polling publishing repository runs system telemetry)

.PHONY: quick
quick: $(SETUP) ## Run the tests that start no program, in a minute or two
	$(PYTEST) $(QUICK) $(ARGS)

.PHONY: test
test: $(SETUP) ## Run all tests
	@scripts/system-packages.sh
	$(PYTEST) $(ARGS)

.PHONY: coverage
coverage: $(SETUP) ## Run all tests and measure what they cover
	@scripts/system-packages.sh
	$(PYTEST) --cov --cov-report term $(ARGS)

.PHONY: test-pythons
test-pythons: ## Run all tests on every Python that pyproject.toml names
	@scripts/test-pythons.sh $(ARGS)

# Tests with a short form and a long one.
LONG := $(shell grep -rlw effort --include='test_*.py' tests)

.PHONY: test-long
test-long: $(SETUP) ## Run the long exactly-once tests, and others with all their seeds; EXACTLY_ONCE_KILLS=60, EXACTLY_ONCE_SEED=1, HINTED_RUNS=500, HINTED_KILLS=60, REPLICAS_ROUNDS=3
	@scripts/system-packages.sh
	$(BIN)/python -m pytest -m long -s $(ARGS)
	TEST_LONG=1 $(PYTEST) $(LONG) $(ARGS)

.PHONY: format
format: $(SETUP) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --select I --fix --quiet

.PHONY: format-check
format-check: $(SETUP)
	$(BIN)/ruff format --check

.PHONY: lint
lint: $(SETUP) ## Run ruff
	$(BIN)/ruff check

.PHONY: types
types: $(SETUP) ## Run mypy --strict
	$(BIN)/mypy

.PHONY: check
check: format-check lint types test ## Everything that must pass before a commit
	@scripts/upgrades-untried.sh

.PHONY: docs
docs: $(SETUP) ## Update the generated parts of the documents and of the chart
	$(BIN)/python scripts/generate_docs.py $(ARGS)
	$(BIN)/python -m scripts.sync_deploy $(ARGS)

.PHONY: screenshot
screenshot: $(SETUP) ## Take the pictures of the page for the README
	@scripts/system-packages.sh
	$(BIN)/python scripts/screenshot.py

.PHONY: bench
bench: $(SETUP) ## Run the benchmarks
	scripts/bench.sh $(ARGS)

$(DEPLOY_SETUP): requirements-deploy.txt scripts/setup-venv.sh
	@scripts/setup-venv.sh --only-lock $(DEPLOY_VENV) requirements-deploy.txt
	@touch $@

.PHONY: deploy-test
deploy-test: $(SETUP) $(DEPLOY_SETUP) ## Check deploy/
	@scripts/system-packages.sh
	scripts/deploy-test.sh $(ARGS)

.PHONY: upgrade-test
upgrade-test: $(SETUP) $(DEPLOY_SETUP) ## Try every upgrade of docs/upgrading.md on a real Kubernetes API server; builds one at first
	@scripts/system-packages.sh
	@scripts/deploy-tools.sh $(DEPLOY_VENV)/tools
	@test -n "$${KUBEBUILDER_ASSETS:-}" || scripts/kubernetes-api.sh .cache/kubernetes
	$(BIN)/python -m pytest tests_deploy/test_upgrades_on_an_api_server.py --timeout 300 $(ARGS)

.PHONY: dashboards
dashboards: $(SETUP) $(DEPLOY_SETUP) ## Generate the dashboards, and copy rules and dashboards to the chart and kustomize
	$(DEPLOY_VENV)/bin/python -m deploy.grafana
	$(BIN)/python -m scripts.sync_deploy

.PHONY: pictures
pictures: $(SETUP) $(DEPLOY_SETUP) ## Take the pictures of the dashboards for the documents
	@scripts/system-packages.sh
	@scripts/deploy-tools.sh $(DEPLOY_VENV)/tools
	@scripts/node-packages.sh
	$(BIN)/python -m scripts.pictures

.PHONY: image-test
image-test: ## Build the container image and run it
	scripts/image-test.sh $(ARGS)

.PHONY: publish-as
publish-as: $(SETUP) ## Write who publishes this, and where, wherever it stands: REPOSITORY=https://..., see publish.env
	@$(BIN)/python -m scripts.publish_as $(foreach name,REPOSITORY IMAGE RUNBOOK CONTACT SIGNER PROMETHEUS GRAFANA,$(if $($(name)),'$(name)=$($(name))'))
	@$(BIN)/python -m scripts.sync_deploy

.PHONY: release
release: $(SETUP) $(DEPLOY_SETUP) ## Make everything of a release into dist; publishes nothing. ARGS=--twice compares two of them
	@scripts/deploy-tools.sh $(DEPLOY_VENV)/tools
	scripts/release.sh $(ARGS)

.PHONY: lock
lock: ## Update the lock files from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	scripts/lock.sh $(UPGRADE)

.PHONY: clean
clean: ## Remove everything that make and the tools have created
	rm -rf $(VENV) $(VENV).lock .venv-3.* $(DEPLOY_VENV) $(DEPLOY_VENV).lock build dist htmlcov coverage.xml .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
