#!/bin/sh
# Builds the benchmarks and runs them: tools/benchmark.sh [PART...] Parts: encoder decoder drawing index
# data retrieval training pipeline batching load alone swap start; all of them by default. Also soak: ten minutes at 80 % of
# capacity. docs/benchmarks.md explains the figures.
set -eu
cd "$(dirname "$0")/.."
parts=${*:-encoder decoder drawing index data retrieval training pipeline batching load alone swap start}
build=build/release
work=${S2P_BENCHMARK_DIR:-build/benchmark}

cmake --preset release -DS2P_BUILD_BENCHMARKS=ON >/dev/null
cmake --build --preset release

echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
for part in $parts; do
  case $part in
    encoder | decoder | drawing | index | data | retrieval | training) "$build/benchmarks/${part}_benchmark" ;;
    *) python3 tests/benchmarks/serving_benchmark.py "$build" "$work" "$part" ;;
  esac
done
