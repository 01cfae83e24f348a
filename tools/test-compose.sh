#!/usr/bin/env bash
# Brings up all of deploy/docker-compose.yml in containers and checks its promises: health, a demo
# that ends in a search, a job whose model is swapped in under queries, every container killed and
# restarted, the server replaced by a new build, Prometheus with all targets and no alert.
#   tools/test-compose.sh          needs a Docker daemon, docker-compose 1.29 or Compose v2, python3
# Leaves the images, but no container, network or volume. If third-party images cannot be pulled,
# the base is made with debootstrap (as root), Prometheus comes from Debian's package, and Grafana
# is omitted.
set -euo pipefail
cd "$(dirname "$0")/../deploy"

begin=$SECONDS
step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - begin)); }
fail() { echo "test-compose: $*" >&2; exit 1; }

docker info >/dev/null 2>&1 || fail "no Docker daemon is running"
if docker compose version >/dev/null 2>&1; then
  engine=(docker compose)
elif command -v docker-compose >/dev/null; then
  engine=(docker-compose)
else
  fail "neither docker compose nor docker-compose is installed"
fi
compose() { "${engine[@]}" "$@"; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
export COMPOSE_PROJECT_NAME=s2p-test COMPOSE_FILE=docker-compose.yml S2P_TAG=test S2P_REVISION=first
# A local .env is not tested.
export S2P_DATASETS=datasets S2P_DEMO=1 S2P_OPERATOR_PASSWORD_FILE='' S2P_WEB_NAME=localhost
export S2P_GRAFANA_PASSWORD=''
# Trained enough to tell shoes apart; the figures of a model are not tested here.
export S2P_DEMO_SET="step1.epochs=1 step2.epochs=3"
web=127.0.0.1:$(free_port)
prometheus=127.0.0.1:$(free_port)
export S2P_WEB_PORT=$web S2P_PROMETHEUS_PORT=$prometheus
S2P_SERVER_PORT=127.0.0.1:$(free_port) S2P_TRAINER_PORT=127.0.0.1:$(free_port)
S2P_GRAFANA_PORT=127.0.0.1:$(free_port)
export S2P_SERVER_PORT S2P_TRAINER_PORT S2P_GRAFANA_PORT

work=$(mktemp -d)
services=(server trainer web demo prometheus)
tear_down() {
  status=$?
  trap - EXIT
  touch "$work/stop"
  if [ "$status" -ne 0 ]; then compose logs --tail 40 2>&1 || true; fi
  compose --profile '*' down --volumes --remove-orphans >/dev/null 2>&1 ||
    compose down --volumes --remove-orphans >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
trap tear_down EXIT
trap 'exit 130' INT TERM

container() { compose ps -q "$1"; }
# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "timed out: $what"
    sleep 1
  done
}
is_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$(container "$1")")" = healthy ]; }
# Runs the command-line client in the network of the others, with the key that was made for it.
client=(docker run --rm --network "${COMPOSE_PROJECT_NAME}_default" -e S2P_INSECURE=true
  -e S2P_API_KEY_FILE=/secrets/cli.key -v "${COMPOSE_PROJECT_NAME}_secrets:/secrets:ro")
s2p() {
  "${client[@]}" -e S2P_SERVER=server:50051 \
    -v "${COMPOSE_PROJECT_NAME}_datasets:/datasets:ro" "sketch2photo/client:$S2P_TAG" "$@"
}
secret() { "${client[@]}" --entrypoint cat "sketch2photo/client:$S2P_TAG" "/secrets/$1"; }
get() { python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())' "$1"; }
served_version() { s2p model status | awk '$2 == "SERVING" {print $1}'; }
serves() { [ "$(served_version)" = "$1" ]; }
# Ids and scores for the first held-out sketch, without the time that it took.
answer() { s2p search "/datasets/$sketch" -k 5 | grep -v '^model version'; }

step "Third-party images"
if ! docker image inspect debian:trixie-slim >/dev/null 2>&1 && ! docker pull -q debian:trixie-slim; then
  command -v debootstrap >/dev/null || fail "debian:trixie-slim cannot be pulled, and debootstrap is not installed to make it"
  debootstrap --variant=minbase trixie "$work/root" >"$work/debootstrap.log" || fail "debootstrap: $(tail -1 "$work/debootstrap.log")"
  tar -C "$work/root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' -c . |
    docker import - debian:trixie-slim
  rm -rf "$work/root"
fi
if ! docker pull -q prom/prometheus:v2.53.4 2>/dev/null; then
  echo "prom/prometheus cannot be pulled: using Debian's package"
  export S2P_PROMETHEUS_IMAGE=s2p-test/prometheus
  docker build -q -t "$S2P_PROMETHEUS_IMAGE" - <<'DOCKERFILE'
FROM debian:trixie-slim
RUN apt-get update -q && apt-get install -q -y --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* && mkdir -p /prometheus && chown nobody:nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
DOCKERFILE
fi
if docker pull -q grafana/grafana:11.6.0 2>/dev/null; then
  services+=(grafana)
else
  echo "grafana/grafana cannot be pulled: Grafana is not part of this run"
fi

step "Build"
compose build secrets server trainer web demo >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; fail "build"; }
docker build -q -f ../docker/Dockerfile --target client --build-arg REVISION="$S2P_REVISION" \
  --build-arg BASE=debian:trixie-slim --build-arg BUILD_BASE=debian:trixie-slim --build-arg LIBTORCH= \
  -t "sketch2photo/client:$S2P_TAG" .. >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; fail "build"; }
docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep "^sketch2photo/.*:$S2P_TAG " | sort

step "Up"
compose up -d --no-build "${services[@]}" 2>&1 | grep -v '^$' || true
for service in server trainer web; do
  wait_until 120 "$service is healthy" is_healthy "$service"
  user=$(docker inspect -f '{{.Config.User}}' "$(container "$service")")
  [ "$user" = s2p ] || fail "$service runs as '$user'"
  ! docker exec "$(container "$service")" touch /usr/x 2>/dev/null || fail "$service can write to its root"
  echo "$service is healthy"
done

step "Keys and passwords"
for name in operator-password grafana-password; do
  [ "$(secret "$name" | wc -c)" -ge 32 ] || fail "no $name was made"
done
modes=$("${client[@]}" --entrypoint stat "sketch2photo/client:$S2P_TAG" -c %a /secrets /secrets/api-keys /secrets/web.key | tr '\n' ' ')
[ "$modes" = "750 600 600 " ] || fail "the secrets have the modes $modes"
! "${client[@]}" -e S2P_SERVER=server:50051 -e S2P_API_KEY_FILE= "sketch2photo/client:$S2P_TAG" model status 2>/dev/null ||
  fail "the server answers without a key"
keys=$(secret api-keys)
compose up -d --no-build secrets >/dev/null 2>&1
[ "$(secret api-keys)" = "$keys" ] || fail "the second start made other keys"
echo "made once, for their owner only; the server asks for a key"

step "The demo trains, publishes, adds"
demo_ended() { [ "$(docker inspect -f '{{.State.Status}}' "$(docker ps -aqf "name=${COMPOSE_PROJECT_NAME}[-_]demo")")" = exited ]; }
wait_until 1500 "the demo ends" demo_ended
compose logs --no-log-prefix demo 2>/dev/null | tail -3 || compose logs demo | tail -3
serves 1 || fail "version 1 does not serve"
sketch=demo/target/$(docker run --rm -v "${COMPOSE_PROJECT_NAME}_datasets:/datasets:ro" --entrypoint sed \
  "sketch2photo/client:$S2P_TAG" -n '/"split":"test"/s/.*"path":"\(sketch[^"]*\)".*/\1/p' \
  /datasets/demo/target/dataset.jsonl | head -n 1)
answer | tee "$work/first"
[ "$(grep -c . "$work/first")" -ge 5 ] || fail "the search found fewer than 5 photos"
get "http://$web/" | grep -q '<canvas' || fail "http://$web/ is not the drawing page"
get "http://$web/api/photos" | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["photos"]) == 100' ||
  fail "the page does not list the photos"
echo "http://$web/ is the page"

step "A job; its model is swapped in while a client queries"
(
  while [ ! -e "$work/stop" ]; do
    s2p bench --duration 5 --concurrency 2 --json "/datasets/$sketch" | tr -d '\n' >>"$work/bench" || echo FAILED >>"$work/bench"
    echo >>"$work/bench"
  done
) &
querying=$!
printf 'preset: "demo" name: "second" source_dataset: "demo/source" target_dataset: "demo/target"\n' >"$work/job.textproto"
"${client[@]}" -v "$work/job.textproto:/job.textproto:ro" "sketch2photo/client:$S2P_TAG" --server trainer:50052 train submit /job.textproto \
  --set step1.epochs=1 --set step2.epochs=2 --set seed=2 --watch | tail -2
wait_until 300 "version 2 serves" serves 2
sleep 6
touch "$work/stop"
wait "$querying"
python3 - "$work/bench" <<'PY'
import json, sys
runs = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]
requests, errors = sum(r["requests"] for r in runs), sum(r["errors"] for r in runs)
print(f"{requests} queries while the job ran and its model was swapped in, {errors} errors")
sys.exit(errors != 0 or requests < 100)
PY
answer >"$work/second"
! cmp -s "$work/first" "$work/second" || fail "version 2 gives the same scores as version 1"

step "Each container is killed and restarted"
for service in server trainer web prometheus; do
  docker kill "$(container "$service")" >/dev/null
  compose start "$service" >/dev/null 2>&1
  if [ "$service" != prometheus ]; then wait_until 120 "$service is healthy again" is_healthy "$service"; fi
  wait_until 60 "version 2 serves" serves 2
  answer | cmp - "$work/second" || fail "a different answer after $service was killed"
  echo "$service: killed, back, the same answer"
done
s2p --server trainer:50052 train list

step "The server is replaced by a new build"
S2P_REVISION=second compose build server >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; fail "build"; }
old=$(container server)
compose up -d --no-build --no-deps server >/dev/null 2>&1
[ "$(container server)" != "$old" ] || fail "the server was not replaced"
[ "$(docker inspect -f '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$(container server)")" = second ] ||
  fail "the new server is not of the new build"
wait_until 120 "the new server is healthy" is_healthy server
wait_until 60 "version 2 serves" serves 2
answer | cmp - "$work/second" || fail "a different answer from the new build"
get "http://$web/api/model" | grep -q STATE_SERVING || fail "the page does not reach the new server"
echo "replaced, the same answer"

step "Prometheus"
all_up() {
  get "http://$prometheus/api/v1/targets" | python3 -c '
import json, sys
targets = json.load(sys.stdin)["data"]["activeTargets"]
for target in targets:
    print(target["labels"]["job"], target["health"], target["lastError"])
sys.exit(len(targets) != 4 or any(target["health"] != "up" for target in targets))'
}
wait_until 90 "all targets are up" all_up
all_up
# Waiting as long as every alert would take too long; an alert that fires within this time is a
# fault.
sleep 60
get "http://$prometheus/api/v1/rules" | python3 -c '
import json, sys
rules = [r for g in json.load(sys.stdin)["data"]["groups"] for r in g["rules"]]
print(len(rules), "alert rules:", {s: sum(r["state"] == s for r in rules) for s in sorted({r["state"] for r in rules})})
bad = [r["name"] for r in rules if r["state"] == "firing" or r["health"] != "ok"]
sys.exit(", ".join(bad) if bad or not rules else 0)'

step "Down"
for service in web trainer server; do
  name=$(container "$service")
  compose stop "$service" >/dev/null 2>&1
  code=$(docker inspect -f '{{.State.ExitCode}}' "$name")
  [ "$code" = 0 ] || fail "$service ended with $code on SIGTERM"
done
echo "all ended with 0 on SIGTERM"
echo "test-compose: passed"
