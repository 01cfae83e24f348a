#!/bin/sh
# The packages whose libraries a program loads, one a line: runtime_packages.sh PROGRAM...
# What belongs to no package (a LibTorch from elsewhere) is not among them.
set -eu
ldd "$@" | grep 'not found' >&2 && exit 1
ldd "$@" | sed -n 's/.* => \(\/.*\) (0x.*/\1/p' | sort -u | xargs -r -n 1 realpath |
  grep -v '^/opt/libtorch/' | xargs -r dpkg -S | cut -d: -f1 | sort -u
