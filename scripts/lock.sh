#!/usr/bin/env bash
# Writes the locks from pyproject.toml. What is locked already stays as it is; --upgrade takes the newest versions.
# uv resolves for every Python and system at once; it comes from the index into an environment that is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv

# Hashes instead of addresses: a lock works with whatever index a machine is set to.
lock() {
    local file=$1
    shift
    echo "lock: $file"
    "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file "$file" "$@"
}

lock requirements.txt pyproject.toml --extra speed --extra postgres "$@"
lock requirements-dev.txt pyproject.toml --constraints requirements.txt --extra speed --extra postgres \
    --group build --group test --group lint --group bench "$@"
lock requirements-build.txt --constraints requirements-dev.txt --group build "$@"
lock requirements-deploy.txt --constraints requirements-dev.txt --group deploy "$@"
