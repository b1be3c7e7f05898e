#!/usr/bin/env bash
# Gets from Debian the programs that tests run against. Only what is missing; only as root; no service is started.
# Elsewhere it names them, and the tests that need them are skipped with that reason (with CI=true they fail instead).
set -euo pipefail

"$(dirname "$0")/prometheus-3.sh" || echo "tests: Prometheus 3 could not be fetched, so the tests that need it are skipped"

# program -> package
declare -A needed=(
    [chromium]=chromium
    [chromedriver]=chromium-driver
    [curl]=curl
    [openssl]=openssl
    [pg_lsclusters]=postgresql
    [pgbouncer]=pgbouncer
    [prometheus]=prometheus
    [prometheus-alertmanager]=prometheus-alertmanager
    [promtool]=prometheus
    [ssh-keygen]=openssh-client
    [systemd-analyze]=systemd
)

missing() {
    local program
    for program in "${!needed[@]}"; do
        command -v "$program" >/dev/null || printf '%s\n' "${needed[$program]}"
    done | sort -u
}

mapfile -t packages < <(missing)
((${#packages[@]})) || exit 0

if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "tests: not installed, so the tests that need them are skipped: ${packages[*]}"
    exit 0
fi

# A package's own service must not start: Debian asks this file first.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

echo "tests: installing ${packages[*]}"
apt-get update -qq
# One that this release does not have must not keep the others away.
if ! install "${packages[@]}" 2>/dev/null; then
    for package in "${packages[@]}"; do
        install "$package" || echo "tests: $package could not be installed"
    done
fi

# Nor at the next boot.
if command -v systemctl >/dev/null; then
    for package in "${packages[@]}"; do
        case $package in prometheus* | postgresql | pgbouncer) systemctl disable --quiet "$package" 2>/dev/null || true ;; esac
    done
fi
