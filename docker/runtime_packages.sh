#!/bin/sh
# Lists the packages whose libraries a program loads, one per line: runtime_packages.sh PROGRAM...
# Skips libraries without a package (a LibTorch from elsewhere).
set -eu
ldd "$@" | grep 'not found' >&2 && exit 1
ldd "$@" | sed -n 's/.* => \(\/.*\) (0x.*/\1/p' | sort -u | xargs -r -n 1 realpath |
  grep -v '^/opt/libtorch/' | xargs -r dpkg -S | cut -d: -f1 | sort -u
