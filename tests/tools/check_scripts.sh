#!/bin/bash
# Checks that every shell script of the repository parses, is executable, and passes shellcheck.
#   check_scripts.sh ROOT syntax|lint
# Exit code 77: skipped, because shellcheck is not installed.
set -euo pipefail
cd "$1"
mode=$2

scripts=()
for file in tools/* docker/* .ci/*; do
  [[ -f $file ]] || continue
  read -r first <"$file" || true
  if [[ $first =~ ^'#!'.*sh($|' ') ]]; then scripts+=("$file"); fi
done
if ((${#scripts[@]} == 0)); then
  echo "no scripts below $1"
  exit 1
fi

failed=0
case $mode in
  syntax)
    for script in "${scripts[@]}"; do
      bash -n "$script" || failed=1
      if [[ ! -x $script ]]; then
        echo "$script cannot be executed: chmod +x"
        failed=1
      fi
    done
    ;;
  lint)
    if ! command -v shellcheck >/dev/null; then
      echo "shellcheck is not installed"
      exit 77
    fi
    shellcheck --severity=warning "${scripts[@]}" || failed=1
    ;;
  *)
    echo "unknown mode: $mode"
    exit 2
    ;;
esac
echo "${#scripts[@]} scripts, mode $mode, failed: $failed"
exit "$failed"
