#!/usr/bin/env bash
# Installs missing packages, checks the format, builds with warnings as errors, checks the locks, and
# runs all tests. Can be run any number of times. The last line counts the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh

formatter=
for candidate in clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
    formatter=$candidate
    break
  fi
done
if [ -n "$formatter" ]; then
  git ls-files '*.h' '*.cc' | xargs "$formatter" --dry-run --Werror
  echo "format: all files are formatted as by $formatter"
else
  echo "format: not checked, clang-format 14 is not installed"
fi

tools/build.sh ci
tools/check_locks.sh

# Without playwright-core and acorn, the tests of the drawing page are skipped and counted as
# skipped.
npm ci --prefix tests/web --no-audit --no-fund --loglevel=error ||
  echo "test: npm cannot fetch playwright-core and acorn, so the drawing page is not tested" >&2

# Every test but those that take minutes or measure speed: see docs/architecture.md for these.
# LibTorch's and FAISS's thread pools would fight over the cores that two tests already share.
results=build/release/tests.xml
status=0
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} ctest --preset ci --label-exclude '^(slow|benchmark)$' \
  --parallel "$(nproc)" --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
  --output-junit "$PWD/$results" || status=$?

python3 tools/count_tests.py "$results"
exit $status
