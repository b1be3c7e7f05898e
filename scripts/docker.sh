# shellcheck shell=bash
# A docker daemon and a base image, for scripts that source this. They set `work` (a folder of their own), define `fail`, call
# `start_docker [BASE-IMAGE]` before anything else and `end_docker` in the end. With a daemon that can pull, name its base image
# (python:3.13-slim). Without a name, and as root, this starts a daemon of its own and makes a stand-in for the base image from
# Debian's packages; both are gone at the end.

base=

start_docker() {
    base=${1:-}
    if [[ -z $base ]]; then
        [[ $(id -u) == 0 ]] || fail "needs root, or a base image that your docker can pull: $0 python:3.13-slim"
        install_docker
        own_daemon
        stand_in
    fi
    # A docker command without its plugin for BuildKit cannot build with it; Debian's has it built in.
    if ! docker buildx version >/dev/null 2>&1 && [[ -x /usr/bin/docker ]]; then
        docker() { command /usr/bin/docker "$@"; }
    fi
}

# build_image [ARGUMENTS OF docker build]: from the folder in which it is called.
build_image() {
    DOCKER_BUILDKIT=1 docker build --network=host --build-arg PYTHON_IMAGE="$base" --file deploy/docker/Dockerfile "$@"
}

end_docker() {
    if [[ -f $work/daemon.pid ]]; then
        kill "$(cat "$work/daemon.pid")" 2>/dev/null || true
        wait 2>/dev/null || true
        # The daemon leaves its own mounts.
        grep -o "$work[^ ]*" /proc/mounts | sort -r | xargs --no-run-if-empty umount 2>/dev/null || true
    fi
}

install_docker() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io iptables)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    ((${#missing[@]})) || return 0
    echo "docker: installing ${missing[*]}"
    # A package's own service must not start: Debian asks this file first.
    local policy=/usr/sbin/policy-rc.d made=
    [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
        "${missing[@]}" </dev/null >/dev/null
    [[ -z $made ]] || rm "$policy"
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
    echo "docker: making a stand-in for the base image"
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        --customize-hook='mkdir -p "$1/usr/local/share/ca-certificates"' \
        --customize-hook='cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true' \
        --customize-hook='chroot "$1" update-ca-certificates >/dev/null 2>&1' \
        trixie "$work/base.tar"
    docker import "$work/base.tar" python:3.13-slim >/dev/null
    rm "$work/base.tar"
    base=python:3.13-slim
}
