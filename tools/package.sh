#!/usr/bin/env bash
# Builds the programs and makes a Debian package of each, for the Debian that this runs on.
#   tools/package.sh [OUT]   puts them into OUT, by default build/packages
# Needs dpkg-dev and help2man, besides what tools/setup.sh --build installs. See docs/install.md.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/packages}

for program in dpkg-shlibdeps:dpkg-dev help2man:help2man; do
  command -v "${program%%:*}" >/dev/null && continue
  echo "package: install ${program##*:} first" >&2
  exit 1
done
tools/build.sh release s2p-server s2p-decoder s2p-trainer s2p-web s2p
# In a new folder, as what an interrupted run has left in it would be packed, too.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cpack --config build/release/CPackConfig.cmake -B "$work" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mkdir -p "$out"
mv "$work"/*.deb "$out/"
ls "$out"/*.deb
