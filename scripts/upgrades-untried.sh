#!/usr/bin/env bash
# Names, at the end of `make check`, what only `make upgrade-test` tries, where that differs from the main branch.
set -euo pipefail
cd "$(dirname "$0")/.."
tried=(deploy docs/upgrading.md ':(glob)tests_deploy/test_upgrades*')
for main in origin/main main; do
    if beginning=$(git merge-base HEAD "$main" 2>/dev/null); then
        git diff --name-only "$beginning" -- "${tried[@]}"
        git ls-files --others --exclude-standard -- "${tried[@]}"
        break
    fi
done | sed -n '1s/$/ was changed: make upgrade-test tries that on an API server of Kubernetes/p'
