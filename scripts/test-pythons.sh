#!/usr/bin/env bash
# Runs the tests on every Python that pyproject.toml names, each in an environment of its own (.venv-3.12).
# Arguments go to pytest: scripts/test-pythons.sh tests/config
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints an interpreter of the version: python3.12 on the path, or the newest one of pyenv.
interpreter() {
    local candidate pyenv=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in "python$1" $(compgen -G "$pyenv/versions/$1.*/bin/python" | sort -Vr); do
        if [[ $("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$1" ]]; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

failed=()
for version in $(sed -nE 's/^ *"Programming Language :: Python :: (3\.[0-9]+)",$/\1/p' pyproject.toml); do
    if ! python=$(interpreter "$version"); then
        echo "test-pythons: no Python $version found; install it, for example with pyenv" >&2
        failed+=("$version")
    elif ! make --no-print-directory test VENV=".venv-$version" PYTHON="$python" ARGS="$*"; then
        failed+=("$version")
    fi
done
((${#failed[@]} == 0)) || {
    echo "test-pythons: failed on Python ${failed[*]}" >&2
    exit 1
}
