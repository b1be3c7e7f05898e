#!/usr/bin/env bash
# image-test.sh [BASE-IMAGE]
# Builds the image and holds it to what it promises: small, read-only, unprivileged, healthy, and gone at SIGTERM. Needs root. With
# a docker daemon that can pull, name its base image (python:3.13-slim). Without one, this starts a daemon of its own and makes a
# stand-in for the base image from Debian's packages; both are gone at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
image=circleci-insights-exporter
base=${1:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/image-test.XXXXXX")
container=

fail() {
    echo "image-test: $*" >&2
    exit 1
}

finish() {
    [[ -z $container ]] || docker rm --force "$container" >/dev/null 2>&1 || true
    if [[ -f $work/daemon.pid ]]; then
        kill "$(cat "$work/daemon.pid")" 2>/dev/null || true
        wait 2>/dev/null || true
        # The daemon leaves its own mounts.
        grep -o "$work[^ ]*" /proc/mounts | sort -r | xargs --no-run-if-empty umount 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

packages() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

install_tools() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io iptables)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    ((${#missing[@]})) || return 0
    echo "image-test: installing ${missing[*]}"
    printf '#!/bin/sh\nexit 101\n' >"$work/policy"
    [[ -e /usr/sbin/policy-rc.d ]] || { install -m 755 "$work/policy" /usr/sbin/policy-rc.d && trap 'rm -f /usr/sbin/policy-rc.d; finish' EXIT; }
    apt-get update -qq
    packages "${missing[@]}"
}

own_daemon() {
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd --data-root "$work/data" --exec-root "$work/exec" --host "$DOCKER_HOST" --pidfile "$work/docker.pid" \
        --iptables=false --bridge=none >"$work/daemon.log" 2>&1 &
    echo $! >"$work/daemon.pid"
    for _ in {1..300}; do
        docker version >/dev/null 2>&1 && return
        kill -0 "$(cat "$work/daemon.pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail "$work/daemon.log" >&2
    fail "no docker daemon"
}

# What this machine trusts, the build must trust too: its packages may come through a proxy.
stand_in() {
    echo "image-test: making a stand-in for the base image"
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        --customize-hook='mkdir -p "$1/usr/local/share/ca-certificates"' \
        --customize-hook='cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true' \
        --customize-hook='chroot "$1" update-ca-certificates >/dev/null 2>&1' \
        trixie "$work/base.tar"
    docker import "$work/base.tar" python:3.13-slim >/dev/null
    rm "$work/base.tar"
    base=python:3.13-slim
}

if [[ -z $base ]]; then
    [[ $(id -u) == 0 ]] || fail "needs root, or a base image that your docker can pull: $0 python:3.13-slim"
    install_tools
    own_daemon
    stand_in
fi

if [[ -x .venv-deploy/tools/bin/hadolint ]]; then
    .venv-deploy/tools/bin/hadolint deploy/docker/Dockerfile
fi

DOCKER_BUILDKIT=0 docker build --quiet --network=host --build-arg PYTHON_IMAGE="$base" --build-arg REVISION="$(git rev-parse HEAD)" \
    --file deploy/docker/Dockerfile --tag "$image" . >/dev/null
whole=$(docker image inspect --format '{{.Size}}' "$image")
below=$(docker image inspect --format '{{.Size}}' "$base")
echo "image-test: $((whole / 1000000)) MB, of which $(((whole - below) / 1000000)) MB are ours"

address=127.0.0.1:$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
container=$(docker run --detach --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --tmpfs /tmp:size=16m --memory=512m --health-interval=1s --env "HEALTH_URL=http://$address/-/healthy" \
    "$image" demo --web.listen-address="$address")
ask() {
    python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())' \
        "http://$address$1" 2>/dev/null
}
for _ in {1..300}; do
    health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
    [[ $health == healthy ]] && ask /metrics | grep -q '^circleci_insights_workflow_runs{' && break
    [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]] || break
    sleep 0.2
done
[[ $health == healthy ]] || { docker logs "$container" >&2; fail "not healthy: $health"; }
series=$(ask /metrics | grep -vc '^#') || fail "no metrics"
((series > 1000)) || fail "only $series samples"
[[ $(docker inspect --format '{{.Config.User}}' "$container") == 65532:65532 ]] || fail "not the user 65532"
docker exec "$container" python -c 'open("/etc/x", "w")' 2>/dev/null && fail "the root file system can be written"
[[ $(docker exec "$container" python -c 'import os; print(os.getuid())') == 65532 ]] || fail "not the user 65532"
[[ $(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.licenses"}}' "$image") == Apache-2.0 ]] \
    || fail "no label with the licence"

docker stop --time 20 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[[ $code == 0 ]] || { docker logs "$container" >&2; fail "exit code $code after SIGTERM"; }
echo "image-test: $series samples, healthy, read-only, user 65532, exit 0 after SIGTERM"
echo "1 passed, 0 failed"
