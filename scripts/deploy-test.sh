#!/usr/bin/env bash
# deploy-test.sh [ARGUMENTS OF PYTEST]
# The slow checks of deploy/: helm, kustomize, Grafana's schema and components, a rehearsed Prometheus, an alert end to end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deploy-tools.sh .venv-deploy/tools

# Node comes with the machine, or from Debian.
if ! command -v npm >/dev/null; then
    [[ $(id -u) == 0 ]] || { echo "deploy-test: needs Node.js 20 or newer with npm" >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends nodejs npm </dev/null >/dev/null
fi
node=tests_deploy/node
if ! cmp -s "$node/package-lock.json" "$node/node_modules/.lock-as-installed"; then
    echo "deploy-test: installing Grafana's components"
    (cd "$node" && npm ci --no-progress --loglevel=error)
    cp "$node/package-lock.json" "$node/node_modules/.lock-as-installed"
fi

.venv/bin/python -m pytest tests_deploy --no-cov "$@"
