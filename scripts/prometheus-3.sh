#!/usr/bin/env bash
# Unpacks a Prometheus 3 from a newer Debian release into .cache/prometheus-3, for the tests of what only it has.
# Only where it is missing, only as root on Debian; nothing of the system is changed.
set -euo pipefail

cd "$(dirname "$0")/.."
release=forky
to=$PWD/.cache/prometheus-3
[[ ! -x $to/usr/bin/prometheus ]] || exit 0
sources=/etc/apt/sources.list.d/debian.sources
if [[ $(id -u) != 0 || ! -r $sources ]] || ! command -v apt-get >/dev/null; then
    echo "tests: no Prometheus 3, so the tests that need it are skipped"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/archives/partial" "$work/root" .cache
# The first entry of the system's sources, for another release.
awk -v RS= 'NR == 1' "$sources" | sed "s/^Suites:.*/Suites: $release/; s/^Types:.*/Types: deb/" >"$work/sources/newer.sources"
options=(
    -qq -o APT::Sandbox::User=root
    -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources"
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache::Archives=$work/archives"
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
)
apt-get "${options[@]}" update
(cd "$work" && apt-get "${options[@]}" download prometheus && dpkg-deb -x prometheus_*.deb root)
rm -rf "$to"
mv "$work/root" "$to"
