#!/usr/bin/env bash
# Installs what tests_deploy/node locks: Grafana's components and schema, the models of the Prometheus operator; once for each lock.
set -euo pipefail
cd "$(dirname "$0")/.."
# Node comes with the machine, or from Debian.
if ! command -v npm >/dev/null; then
    [[ $(id -u) == 0 ]] || { echo "node: needs Node.js 20 or newer with npm" >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends nodejs npm </dev/null >/dev/null
fi
node=tests_deploy/node
if ! cmp -s "$node/package-lock.json" "$node/node_modules/.lock-as-installed"; then
    echo "node: installing Grafana's components"
    (cd "$node" && npm ci --no-progress --loglevel=error)
    cp "$node/package-lock.json" "$node/node_modules/.lock-as-installed"
fi
