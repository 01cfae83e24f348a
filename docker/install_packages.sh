#!/bin/sh
# Installs the packages that a file lists: install_packages.sh FILE
set -eu
apt-get update -q
xargs env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends <"$1"
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin "$1"
