#!/bin/sh
# Unpacks a LibTorch from pytorch.org: get_libtorch.sh URL FOLDER. With an empty URL the folder
# stays empty, and the system's LibTorch is used.
set -eu
url=$1 folder=$2
mkdir -p "$folder/lib"
[ -n "$url" ] || exit 0
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends curl unzip binutils
curl -fsSL -o /tmp/libtorch.zip "$url"
unzip -q /tmp/libtorch.zip -d "$(dirname "$folder")"
rm -rf /tmp/libtorch.zip /var/lib/apt/lists/*
# The headers of its own protobuf would take precedence over the system's.
rm -rf "$folder/include/google"
# gRPC loads the system's libprotobuf into the same process. If this LibTorch exports symbols of its
# own copy, one would call into the other and crash.
if nm -D --defined-only "$folder/lib/libtorch_cpu.so" | grep -q 'N6google8protobuf'; then
  echo "get_libtorch: $url exports its own protobuf, which clashes with the one of gRPC" >&2
  exit 1
fi
