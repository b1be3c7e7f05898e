#!/usr/bin/env bash
# deploy-test.sh [ARGUMENTS OF PYTEST]
# The slow checks of deploy/: helm, kustomize, Grafana's schema and components, a rehearsed Prometheus, an alert end to end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deploy-tools.sh .venv-deploy/tools

scripts/node-packages.sh
# Two at once: what needs the rehearsed Prometheus, and the rest. The first test of each waits until that has a past.
.venv/bin/python -m pytest tests_deploy -n 2 --dist loadgroup --timeout 1500 "$@"
