#!/usr/bin/env bash
# kubernetes-api.sh DIR
# Builds kube-apiserver and kube-controller-manager from Debian's source package into DIR, for `make upgrade-test`. Takes about ten
# minutes of two cores, once. For Debian 12, as root. Elsewhere, or for a newer Kubernetes, get etcd, kube-apiserver and
# kube-controller-manager yourself and name their folder in KUBEBUILDER_ASSETS.
set -euo pipefail
dir=$(mkdir -p "${1:?where to}" && cd "$1" && pwd)
[[ -x $dir/kube-apiserver && -x $dir/kube-controller-manager && -x $dir/etcd ]] && exit 0

go=/usr/lib/go-1.19
echo "upgrade-test: building an API server, which takes about ten minutes"
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends dpkg-dev golang-1.19-go etcd-server </dev/null >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The sources of where the packages come from, beside the machine's own lists.
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial,source}
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$work/parts/source.sources"
apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update -qq
(cd "$work/source" && apt-get "${apt[@]}" source -qq --download-only kubernetes)

tree=$work/go/src/k8s.io/kubernetes
mkdir -p "$tree"
tar --extract --gzip --strip-components 1 --directory "$tree" --file "$work"/source/kubernetes_*.orig.tar.gz
cd "$tree"
export PATH=$go/bin:$PATH GOROOT=$go GOPATH=$work/go GOCACHE=$work/build GO111MODULE=off CGO_ENABLED=0
unset GOFLAGS

# The API's description is generated, not kept: from every package that asks for it.
mapfile -t described < <(grep -rlF '+k8s:openapi-gen=true' --include='*.go' staging/src/k8s.io pkg cmd |
    grep -vE '/(_examples|sample-|code-generator)' | xargs -n 1 dirname | sort -u |
    sed -E 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#')
go run ./vendor/k8s.io/kube-openapi/cmd/openapi-gen --logtostderr --report-filename "$work/report" \
    --input-dirs "$(IFS=,; echo "${described[*]}")" --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --output-file-base zz_generated.openapi --go-header-file vendor/k8s.io/code-generator/hack/boilerplate.go.txt

for program in kube-apiserver kube-controller-manager; do
    go build -ldflags '-s -w' -o "$dir/$program" "./cmd/$program"
done
install -m 755 "$(command -v etcd)" "$dir/etcd"
