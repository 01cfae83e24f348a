#!/usr/bin/env bash
# The whole product on this machine: installs, builds, makes the procedural data set, trains,
# publishes, serves, adds photos, searches, and shows the result.
#   tools/demo.sh          at a terminal it ends with the drawing page, up until Ctrl-C
#   tools/demo.sh --once   ends after the search (the default without a terminal)
# Can be run any number of times; everything it makes is in build/demo/.
set -euo pipefail
cd "$(dirname "$0")/.."

once=0
case "${1:-}" in
  '') [ -t 0 ] && [ -t 1 ] || once=1 ;;
  --once) once=1 ;;
  *)
    echo "usage: tools/demo.sh [--once]" >&2
    exit 2
    ;;
esac

begin=$SECONDS
step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - begin)); }

step "Packages"
tools/setup.sh
step "Build"
tools/build.sh release s2p-trainer s2p-server s2p s2p-web

bin=$PWD/build/release/bin
demo=$PWD/build/demo
rm -rf "$demo"
mkdir -p "$demo"

step "Data set: procedural shoes, drawn and photographed"
"$bin/s2p-trainer" synthesize --out "$demo/data" --identities 800 --seed 1
target=$demo/data/target

step "Train and publish"
"$bin/s2p-trainer" run --preset demo \
  --set source_dataset="$demo/data/source" --set target_dataset="$target" \
  --checkpoint-root "$demo/checkpoints" --state-dir "$demo/trainer"

step "Serve"
server_pid=
pids=()
# Stop the page first: it has calls in flight to the others.
stop_all() {
  for ((i = ${#pids[@]} - 1; i >= 0; --i)); do
    { kill "${pids[i]}" && wait "${pids[i]}"; } 2>/dev/null || true
  done
}
trap stop_all EXIT
trap 'exit 130' INT TERM
"$bin/s2p-server" --checkpoint-root "$demo/checkpoints" --data-dir "$demo/server" \
  --listen 127.0.0.1:0 --http 127.0.0.1:0 --address-file "$demo/address" \
  2>"$demo/server.log" &
server_pid=$!
pids+=("$server_pid")
while ! [ -s "$demo/address" ]; do
  kill -0 "$server_pid" 2>/dev/null || { cat "$demo/server.log" >&2; exit 1; }
  sleep 0.1
done
S2P_SERVER=$(cat "$demo/address")
export S2P_SERVER
until "$bin/s2p" model status 2>/dev/null | grep -q SERVING; do
  kill -0 "$server_pid" 2>/dev/null || { cat "$demo/server.log" >&2; exit 1; }
  sleep 0.2
done
"$bin/s2p" model status

step "Add the photos of the held-out identities"
"$bin/s2p" gallery add --dataset "$target" --split test
"$bin/s2p" gallery stats

step "Search with a sketch that the model has never seen"
sketch=$target/$(sed -n 's/.*"path":"\([^"]*sketch[^"]*\)".*"split":"test".*/\1/p' \
  "$target/dataset.jsonl" | head -n 1)
"$bin/s2p" search "$sketch" -k 8 --montage "$demo/search.png"

step "How often is the right photo first?"
echo "This model, asked over gRPC with every held-out sketch:"
"$bin/s2p" eval --dataset "$target" --split test --montage "$demo/result.png" --rows 6
echo "The same network untrained:"
"$bin/s2p-trainer" run --preset demo --set name=untrained --set step1.epochs=0 \
  --set step2.epochs=0 --set target_dataset="$target" \
  --checkpoint-root "$demo/untrained" --state-dir "$demo/trainer" >/dev/null
"$bin/s2p-trainer" evaluate --checkpoint "$demo/untrained/1" --dataset "$target" --split test
echo "Correlation of edge maps, no network at all:"
"$bin/s2p-trainer" evaluate --baseline edge-correlation --dataset "$target" --split test

step "Result"
echo "$demo/result.png: six sketches, each next to its matches; correct ones have a green frame"
echo "$demo/search.png: the search above"

step "The drawing page"
# wait_for FILE PID LOG: waits until a program has written its address to FILE.
wait_for() {
  until [ -s "$1" ]; do
    kill -0 "$2" 2>/dev/null || { cat "$3" >&2; exit 1; }
    sleep 0.1
  done
}
"$bin/s2p-trainer" serve --state-dir "$demo/jobs" --checkpoint-root "$demo/checkpoints" \
  --data-root "$demo/data" --listen 127.0.0.1:0 --http 127.0.0.1:0 \
  --address-file "$demo/trainer_address" 2>"$demo/trainer.log" &
pids+=($!)
wait_for "$demo/trainer_address" $! "$demo/trainer.log"
# The usual port if it is free, otherwise any.
listen=127.0.0.1:8080
if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then listen=127.0.0.1:0; fi
"$bin/s2p-web" --server "$S2P_SERVER" --trainer "$(cat "$demo/trainer_address")" \
  --listen "$listen" --address-file "$demo/web_address" 2>"$demo/web.log" &
pids+=($!)
wait_for "$demo/web_address" $! "$demo/web.log"
page=http://$(cat "$demo/web_address")/
"$bin/s2p-web" --health --listen "$(cat "$demo/web_address")"
echo "$page is ready: draw, and photos that look like it will appear"

if [ "$once" -eq 0 ]; then
  cat <<TEXT

Open $page in a browser. All of it stays up until you press Ctrl-C.
From another terminal:
  export S2P_SERVER=$S2P_SERVER
  $bin/s2p search $sketch --montage found.png
TEXT
  wait "$server_pid"
fi
