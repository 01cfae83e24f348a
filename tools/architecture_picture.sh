#!/usr/bin/env bash
# Draws the rooms and the arrows between them, from the #include lines, for docs/architecture.md:
# docs/images/rooms.dot and rooms.svg. A test fails if the picture is out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v dot >/dev/null; then
  echo "architecture_picture: needs Graphviz; run tools/setup.sh" >&2
  exit 1
fi
python3 tests/architecture/check_architecture.py --dot >docs/images/rooms.dot
dot -Tsvg docs/images/rooms.dot >docs/images/rooms.svg
