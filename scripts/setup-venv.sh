#!/usr/bin/env bash
# setup-venv.sh [--only-lock] [DIR [LOCK]]
# Makes the virtual environment DIR (.venv): everything in LOCK (requirements-dev.txt) by its hash, and, but for --only-lock,
# this project itself, editable. Needs Python 3.11 or newer; PYTHON names another interpreter than the one it would find.
set -euo pipefail
cd "$(dirname "$0")/.."
itself=yes
if [[ ${1:-} == --only-lock ]]; then
    itself=no
    shift
fi
venv=${1:-.venv}
lock=${2:-requirements-dev.txt}

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if new_enough "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# Debian and Ubuntu keep the venv module's own pip in a package apart.
install_venv_package() {
    local package=python3-venv
    [[ $(basename "$1") == python3 ]] || package=$(basename "$1")-venv
    command -v apt-get >/dev/null || fail "$1 has no ensurepip module: install it (on Debian: $package) and run make again."
    [[ $(id -u) == 0 ]] || fail "$1 cannot make a virtual environment yet. Run this, then make again:" "  sudo apt-get install $package"
    echo "setup: installing $package"
    local said
    said=$({ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
        --no-install-recommends "$package"; } </dev/null 2>&1) || fail "$said" "could not install $package."
}

# Two runs of make at once must not fill one environment.
if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
fi

if ! new_enough "$venv/bin/python"; then
    python=$(find_python) || fail "no Python 3.11 or newer found (tried ${PYTHON:-python3, python3.13, python3.12, python3.11})." \
        "Install one and run make again, or name it: make PYTHON=/path/to/python3 ..."
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_package "$python"
    echo "setup: making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet)
echo "setup: installing what $lock pins"
"${pip[@]}" --require-hashes --no-deps --requirement "$lock"
[[ $itself == no ]] || "${pip[@]}" --no-deps --no-build-isolation --editable .
