#!/usr/bin/env bash
# release.sh [--rehearsal] [--without-image] [--twice] [DIR]
# Makes everything of a release from the newest commit into DIR (dist): wheel, sdist, chart, image, SBOM, notes, checksums; and tries
# the wheel in an empty environment. Nothing is published. --twice makes it a second time and compares the bytes.
# It refuses placeholders in publish.env, and a changelog without a section for the version; --rehearsal only names them.
#   BASE_IMAGE   base of the image, by its digest if you know it; without it, a stand-in from Debian's packages (needs root)
#   SIGNING_KEY  SSH key that signs the checksums, the one of SIGNER in publish.env; without it they are not signed
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
image=yes twice= rehearsal=
while [[ ${1:-} == --* ]]; do
    case $1 in
        --without-image) image= ;;
        --twice) twice=yes ;;
        --rehearsal) rehearsal=yes ;;
        *) echo "release: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
dist=$(realpath -m "${1:-dist}")
name=circleci-insights-exporter
work=$(mktemp -d "${TMPDIR:-/tmp}/release.XXXXXX")
python=$root/.venv/bin/python
deploy=$root/.venv-deploy

fail() {
    echo "release: $*" >&2
    exit 1
}

# shellcheck source=scripts/docker.sh
source scripts/docker.sh
trap 'end_docker; rm -rf "$work"' EXIT

version=$(sed -nE 's/^__version__ = "(.+)"$/\1/p' exporter/__init__.py)
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C.UTF-8
tag=${CIRCLE_TAG:-}
[[ -z $tag || $tag == "v$version" ]] || fail "the tag is $tag, but exporter/__init__.py says $version"
git diff --quiet HEAD || echo "release: changes that are not committed are left out" >&2
echo "release: $name $version from ${revision:0:12}"

# A copy of the commit in which nothing is newer than it.
mkdir "$work/source"
git archive HEAD | tar --extract --directory "$work/source"
find "$work/source" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
(cd "$work/source" && "$python" -m scripts.sync_deploy --check) || fail "run make dashboards and commit"

# What a person must do first, all of it at once.
source_url=$(sed -n 's/^REPOSITORY=//p' "$work/source/publish.env")
"$python" "$work/source/scripts/release_notes.py" "$version" >"$work/NOTES.md" || fail "no notes"
unready=$(
    (cd "$work/source" && "$python" -m scripts.publish_as) || true
    grep -q "^## \[$version\]" "$work/source/CHANGELOG.md" || echo "CHANGELOG.md: [Unreleased] is not yet named [$version]"
)
[[ -z $unready || -n $rehearsal ]] || fail "not ready (see publish.env; --rehearsal goes on all the same):"$'\n'"$unready"
[[ -z $unready ]] || printf 'release: a rehearsal only:\n%s\n' "$unready" >&2

python_packages() {
    (cd "$work/source" && "$python" -m hatchling build --target wheel --target sdist --directory "$1" 2>&1) >"$work/log" \
        || fail "$(cat "$work/log")"
}

chart() {
    local copy=$work/chart/$name
    rm -rf "$work/chart"
    mkdir "$work/chart"
    cp --archive "$work/source/deploy/helm/$name" "$copy"
    find "$copy" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
    "$deploy/tools/bin/helm" package "$copy" --version "$version" --app-version "$version" --destination "$1" >/dev/null
}

# What the wheel needs and nothing else; then the demo from there, and the list of what is in it.
rehearse() {
    local venv=$work/venv
    rm -rf "$venv"
    "$python" -m venv --without-pip "$venv"
    local pip=("$python" -m pip --python "$venv/bin/python" --disable-pip-version-check --no-input install --quiet --no-deps)
    "${pip[@]}" --require-hashes --requirement "$work/source/requirements.txt"
    "${pip[@]}" "$1"/*.whl
    "$python" "$root/scripts/try_demo.py" "$venv/bin/$name" || fail "the demo does not run from the wheel"
    # The version is read from the package, where the tool does not look.
    sed "s/^dynamic = .*/version = \"$version\"/" "$work/source/pyproject.toml" >"$work/pyproject.toml"
    "$deploy/bin/cyclonedx-py" environment "$venv/bin/python" --pyproject "$work/pyproject.toml" --mc-type application \
        --output-reproducible --output-format JSON --output-file "$1/sbom.cdx.json" 2>"$work/log" || fail "$(cat "$work/log")"
}

container_image() {
    local saved=$work/saved.tar said
    (cd "$work/source" && build_image --quiet --no-cache --build-arg VERSION="$version" --build-arg REVISION="$revision" \
        --build-arg CREATED="$(date --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" --build-arg SOURCE="$source_url" \
        --tag "$name:$version" . >/dev/null)
    docker save --output "$saved" "$name:$version"
    "$python" "$root/scripts/reproducible_image.py" "$saved" "$1/$name-$version.image.tar" "$SOURCE_DATE_EPOCH"
    rm "$saved"
    # What was written is an image that docker takes and that runs.
    docker image rm --force "$name:$version" >/dev/null
    docker load --quiet --input "$1/$name-$version.image.tar" >/dev/null
    said=$(docker run --rm --network=none "$name:$version" --version)
    [[ $said == *" $version" ]] || fail "the image says: $said"
}

make_release() {
    rm -rf "$1"
    mkdir -p "$1"
    python_packages "$1"
    chart "$1"
    rehearse "$1"
    [[ -z $image ]] || container_image "$1"
    cp "$work/NOTES.md" "$1/NOTES.md"
    (cd "$1" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
}

[[ -z $image ]] || start_docker "${BASE_IMAGE:-}"
make_release "$dist"
if [[ -n $twice ]]; then
    make_release "$work/again"
    diff "$dist/SHA256SUMS" "$work/again/SHA256SUMS" || fail "the second time gave other bytes"
    echo "release: made twice, the same bytes"
fi
if [[ -n ${SIGNING_KEY:-} ]]; then
    ssh-keygen -q -Y sign -f "$SIGNING_KEY" -n "$name" "$dist/SHA256SUMS" 2>/dev/null || fail "SIGNING_KEY: cannot sign with it"
    sed -n 's/^SIGNER=/release /p' "$work/source/publish.env" >"$work/signers"
    ssh-keygen -q -Y verify -f "$work/signers" -I release -n "$name" -s "$dist/SHA256SUMS.sig" <"$dist/SHA256SUMS" >/dev/null 2>&1 \
        || [[ -n $rehearsal ]] || fail "SIGNING_KEY is not the key of SIGNER in publish.env"
fi
(cd "$dist" && ls -l --human-readable -- *)
