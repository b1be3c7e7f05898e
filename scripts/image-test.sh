#!/usr/bin/env bash
# image-test.sh [BASE-IMAGE]
# Builds the image and holds it to what it promises: small, read-only, unprivileged, healthy, and gone at SIGTERM; and runs it as
# deploy/docker/README.md says, as a user with files of that user's own. Needs root. scripts/docker.sh says what BASE-IMAGE is.
set -euo pipefail
cd "$(dirname "$0")/.."
image=circleci-insights-exporter
work=$(mktemp -d "${TMPDIR:-/tmp}/image-test.XXXXXX")
container=
own=image-test-$$

fail() {
    echo "image-test: $*" >&2
    exit 1
}

# shellcheck source=scripts/docker.sh
source scripts/docker.sh

finish() {
    for each in $container $own; do
        docker rm --force "$each" >/dev/null 2>&1 || true
    done
    docker volume rm --force "$own" >/dev/null 2>&1 || true
    end_docker
    rm -rf "$work"
}
trap finish EXIT

start_docker "${1:-}"

if [[ -x .venv-deploy/tools/bin/hadolint ]]; then
    .venv-deploy/tools/bin/hadolint deploy/docker/Dockerfile
fi

build_image --quiet --build-arg REVISION="$(git rev-parse HEAD)" --tag "$image" . >/dev/null
whole=$(docker image inspect --format '{{.Size}}' "$image")
below=$(docker image inspect --format '{{.Size}}' "$base")
echo "image-test: $((whole / 1000000)) MB, of which $(((whole - below) / 1000000)) MB are ours"

address=127.0.0.1:$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
container=$(docker run --detach --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --tmpfs /tmp:size=16m --memory=512m --health-interval=1s --env "HEALTH_URL=http://$address/-/healthy" \
    "$image" demo --web.listen-address="$address")
ask() {
    python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())' \
        "http://$address$1" 2>/dev/null
}
for _ in {1..300}; do
    health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
    [[ $health == healthy ]] && ask /metrics | grep -q '^circleci_insights_workflow_runs{' && break
    [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]] || break
    sleep 0.2
done
[[ $health == healthy ]] || { docker logs "$container" >&2; fail "not healthy: $health"; }
series=$(ask /metrics | grep -vc '^#') || fail "no metrics"
((series > 1000)) || fail "only $series samples"
[[ $(docker inspect --format '{{.Config.User}}' "$container") == 65532:65532 ]] || fail "not the user 65532"
docker exec "$container" python -c 'open("/etc/x", "w")' 2>/dev/null && fail "the root file system can be written"
[[ $(docker exec "$container" python -c 'import os; print(os.getuid())') == 65532 ]] || fail "not the user 65532"
[[ $(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.licenses"}}' "$image") == Apache-2.0 ]] \
    || fail "no label with the license"
docker exec "$container" python -c 'import psycopg' || fail "the image cannot reach PostgreSQL"
docker exec "$container" python -c 'import pip' 2>/dev/null && fail "pip is in the image"
docker exec "$container" sh -c 'command -v pip pip3' && fail "pip is in the image"

docker stop --time 20 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[[ $code == 0 ]] || { docker logs "$container" >&2; fail "exit code $code after SIGTERM"; }
echo "image-test: $series samples, healthy, read-only, user 65532, exit 0 after SIGTERM"

# As deploy/docker/README.md says, by a user who is neither root nor the image's, with a token that only this user can read. Only the
# names and the network are the test's own.
user=12345
mkdir "$work/own"
printf 'circleci: {url: "http://127.0.0.1:9", token_file: token}\nstate: {path: /var/lib/circleci-insights-exporter/state.sqlite}\n' \
    >"$work/own/config.yaml"
echo 'projects: [gh/acme/web]' >>"$work/own/config.yaml"
echo made-up-token >"$work/own/token"
chmod 0600 "$work/own/token"
chown -R $user "$work/own"
chmod 711 "$work"
command=$(sed -n '/<!-- run -->/,/^- /{/^docker run/,/^```$/p}' deploy/docker/README.md | sed '$d')
command=${command//--name circleci-insights-exporter/--name $own}
command=${command//circleci-insights-exporter-state:/$own:}
command=${command/--publish 127.0.0.1:10115:10115/--network host --env HEALTH_URL=http:\/\/$address\/-\/healthy --health-interval=1s}
# A shell function of that name, since the user cannot reach the daemon.
(cd "$work/own" && id() { echo $user; } && eval "$command --web.listen-address=$address" >/dev/null)
for turn in "first start" restart; do
    for _ in {1..150}; do
        health=$(docker inspect --format '{{.State.Health.Status}}' "$own")
        [[ $health == healthy ]] && ask /-/ready >/dev/null && break
        sleep 0.2
    done
    [[ $health == healthy ]] || { docker logs "$own" >&2; fail "$turn: $health"; }
    ask /metrics | grep -q '^circleci_exporter_state_writable 1' || { docker logs "$own" >&2; fail "$turn: no state"; }
    docker restart "$own" >/dev/null
done
[[ $(docker exec "$own" python -c 'import os; print(os.stat("state.sqlite", dir_fd=os.open("/var/lib/circleci-insights-exporter", 0)).st_uid)') == "$user" ]] \
    || fail "the state file is not the user's"
echo "image-test: runs as deploy/docker/README.md says, with a token of mode 0600 and a named volume"
echo "1 passed, 0 failed"
