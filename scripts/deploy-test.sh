#!/usr/bin/env bash
# deploy-test.sh [ARGUMENTS OF PYTEST]
# The slow checks of deploy/: helm, kustomize, Grafana's schema and components, a rehearsed Prometheus, an alert end to end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deploy-tools.sh .venv-deploy/tools

scripts/node-packages.sh
# Two at once: what needs the rehearsed Prometheus, all in one file, and the rest. The first test of it waits until that has a past.
.venv/bin/python -m pytest tests_deploy --ignore tests_deploy/test_upgrades_on_an_api_server.py \
    -n 2 --dist loadfile --timeout 1500 "$@"
