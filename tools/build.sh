#!/usr/bin/env bash
# Configures and builds one preset (default: release): tools/build.sh [PRESET] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift
targets=()
[ $# -eq 0 ] || targets=(--target "$@")

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
grep -A1 '^-- sketch2photo' "$log"
cmake --build --preset "$preset" "${targets[@]}"
