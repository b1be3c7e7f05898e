#!/usr/bin/env bash
# Measures scrapes, polls and starts beside what else could be had, and writes benchmarks/RESULTS.md. Arguments go to
# `python -m benchmarks`. The programs beside which it measures come from Debian when this runs as root; else it names them.
set -euo pipefail
cd "$(dirname "$0")/.."

# program -> package
declare -A needed=(
    [curl]=curl
    [go]=golang-go
    [nginx]=nginx-light
    [prometheus]=prometheus
    [prometheus-pushgateway]=prometheus-pushgateway
)
CLIENT_GOLANG=/usr/share/gocode/src/github.com/prometheus/client_golang
export PATH=$PATH:/usr/sbin

missing() {
    local program
    for program in "${!needed[@]}"; do
        command -v "$program" >/dev/null || printf '%s\n' "${needed[$program]}"
    done
    [[ -d $CLIENT_GOLANG ]] || echo golang-github-prometheus-client-golang-dev
}

mapfile -t packages < <(missing | sort -u)
if ((${#packages[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "bench: not installed: ${packages[*]}. Install them and run make bench again." >&2
        exit 1
    fi
    # A package's own service must not start: Debian asks this file first.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    echo "bench: installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
        "${packages[@]}" </dev/null >/dev/null
fi

.venv/bin/python -m benchmarks "$@"
