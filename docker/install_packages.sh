#!/bin/sh
# Installs the packages that the files list, and removes the files: install_packages.sh FILE...
set -eu
apt-get update -q
sort -u "$@" | xargs env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin "$@"
