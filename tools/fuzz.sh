#!/usr/bin/env bash
# Builds the fuzzers and runs one of them, or each in turn: tools/fuzz.sh [TARGET|all] [SECONDS]
# TARGET is a function of tests/fuzz/targets.h; without one, all run. SECONDS: of each, 600 if not given.
# New inputs are kept in build/fuzz/corpus. An input that shows a fault is left in build/fuzz/faults: fix the
# fault, add a unit test, and put the input into tests/fuzz/corpus/TARGET, which the test run replays.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-all}
seconds=${2:-600}

tools/build.sh fuzz
targets=("$target")
[ "$target" != all ] || mapfile -t targets < <(find tests/fuzz/corpus -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
mkdir -p build/fuzz/faults

# Objects of libraries that are not instrumented break the rules of a container's bounds.
# An allocation that is too large fails as malloc does: libmatio asks for what a file claims.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
export OMP_NUM_THREADS=1

# Readers of files get them in memory. A fuzzer ends without removing them.
TMPDIR=$(mktemp -d /dev/shm/s2p_fuzz_XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

failed=()
for name in "${targets[@]}"; do
  corpora=("build/fuzz/corpus/$name" "tests/fuzz/corpus/$name")
  [ "$name" != Image ] || corpora+=(tests/data/images)
  mkdir -p "${corpora[0]}"
  dictionary=()
  allocation_mb=1024
  leaks=1
  # faiss::read_index forgets what it has read of an index that it then refuses.
  [ "$name" != IndexFile ] || leaks=0
  [ "$name" != Mat ] || allocation_mb=1048576
  case $name in
    Image | AddPhoto | Feedback | Search) dictionary=(-dict=tests/fuzz/dictionaries/Image.dict) ;;
    Http) dictionary=(-dict=tests/fuzz/dictionaries/Http.dict) ;;
    Json) dictionary=(-dict=tests/fuzz/dictionaries/Json.dict) ;;
    Toml) dictionary=(-dict=tests/fuzz/dictionaries/Toml.dict) ;;
    Safetensors | PackedImages) dictionary=(-dict=tests/fuzz/dictionaries/Safetensors.dict) ;;
    DataSet | JobEvents | JobFile | Manifest | WeightIndex) dictionary=(-dict=tests/fuzz/dictionaries/Records.dict) ;;
  esac
  echo "fuzz: $name, $seconds s"
  "build/fuzz/fuzz/fuzz_$name" "${corpora[@]}" "${dictionary[@]}" -max_total_time="$seconds" \
    -max_len=65536 -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb="$allocation_mb" -detect_leaks="$leaks" -print_final_stats=1 \
    -artifact_prefix="build/fuzz/faults/$name-" -verbosity=1 || failed+=("$name")
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "fuzz: faults in ${failed[*]}: see build/fuzz/faults" >&2
  exit 1
fi
echo "fuzz: no faults"
