#!/bin/sh
# Makes the first `docker compose up` end with a working search page: if no model is published, it
# has the training daemon train one on procedural shoes, and adds the photos of the held-out shoes.
# It repeats no step, however often it is stopped and restarted.
#   S2P_SERVER, S2P_TRAINER   addresses of the two
#   S2P_CHECKPOINT_ROOT       the store
#   S2P_DATA_ROOT             folder that the trainer reads data sets from
#   S2P_DEMO                  0: do nothing
#   S2P_DEMO_SET              fields of the training spec to set, as "step2.epochs=5 seed=2"
set -eu

name=demo
target=$name/target
say() { echo "demo: $*"; }
trainer() { s2p --server "$S2P_TRAINER" train "$@"; }
# Prints the newest job of ours in one of these states.
job() { trainer list | awk -v name="$name" -v states="$1" '$2 == name && $3 ~ states {print $1; exit}'; }
is_published() { find "$S2P_CHECKPOINT_ROOT" -maxdepth 1 -name '[0-9]*' | grep -q .; }
is_empty() { s2p gallery stats | grep -q '^photos *0$'; }

train() {
  id=$(job 'queued|running|paused')
  if [ -z "$id" ]; then
    # A folder under its final name is complete.
    if [ ! -e "$S2P_DATA_ROOT/$name" ]; then
      say "draws procedural shoes"
      rm -rf "$S2P_DATA_ROOT/$name.unfinished"
      s2p-trainer synthesize --out "$S2P_DATA_ROOT/$name.unfinished" --identities 800 --seed 1
      mv "$S2P_DATA_ROOT/$name.unfinished" "$S2P_DATA_ROOT/$name"
    fi
    printf 'preset: "demo" name: "%s" source_dataset: "%s" target_dataset: "%s"\n' \
      "$name" "$name/source" "$target" >/tmp/demo.textproto
    set --
    for field in ${S2P_DEMO_SET:-}; do set -- "$@" --set "$field"; done
    id=$(trainer submit /tmp/demo.textproto "$@")
  fi
  say "job $id trains; some minutes on two cores"
  trainer watch "$id"
}

if [ "${S2P_DEMO:-1}" = 0 ]; then
  say "switched off (S2P_DEMO=0)"
  exit 0
fi
until trainer list >/dev/null 2>&1 && s2p model status >/dev/null 2>&1; do
  say "waits for $S2P_SERVER and $S2P_TRAINER"
  sleep 2
done
is_published || train
if [ -z "$(job succeeded)" ]; then
  say "the store has another model already: nothing to do"
  exit 0
fi
until s2p model status | grep -q SERVING; do sleep 1; done
if is_empty; then
  s2p gallery add --dataset "$S2P_DATA_ROOT/$target" --split test
fi
say "ready: the page searches $(s2p gallery stats | sed -n 's/^photos *//p') photos"
