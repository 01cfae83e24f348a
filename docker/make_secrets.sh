#!/bin/sh
# Makes the keys and passwords that the containers need, once: a start that finds them changes
# nothing. Needs s2p.
#   S2P_SECRETS            folder to put them into, by default /secrets
#   S2P_GRAFANA_PASSWORD   the password of Grafana's admin; empty: a random one
# Each file belongs to the user that reads it; only Grafana runs as another one, of the same group.
set -eu
umask 077

folder=${S2P_SECRETS:-/secrets}
new=$folder/.new
say() { echo "secrets: $*"; }
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
# make FILE MODE: puts standard input into a file, unless it exists.
make() {
  [ ! -e "$folder/$1" ] || return 0
  cat >"$new/$1"
  chmod "$2" "$new/$1"
  mv "$new/$1" "$folder/$1"
  say "made $folder/$1"
}

# Left behind by a start that was interrupted.
rm -rf "$new"
mkdir "$new"

random | make operator-password 600
password=${S2P_GRAFANA_PASSWORD:-}
if [ "$password" = admin ]; then
  say "S2P_GRAFANA_PASSWORD is admin, which everybody knows: made a random one instead"
  password=
fi
printf %s "${password:-$(random)}" | make grafana-password 640

# The servers' file comes last: without it, a start makes all keys again.
if [ ! -e "$folder/api-keys" ]; then
  key() {
    s2p keys new --name "$1" --role "$2" --file "$new/api-keys" >"$new/$1.key"
  }
  key web admin
  key demo search,write,train
  key cli admin
  mv "$new/web.key" "$new/demo.key" "$new/cli.key" "$folder/"
  mv "$new/api-keys" "$folder/api-keys"
  say "made the API keys of web, demo and cli"
fi
rm -rf "$new"
say "ready; to see the operators' password: docker compose run --rm --entrypoint cat cli $folder/operator-password"
