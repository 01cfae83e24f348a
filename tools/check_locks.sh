#!/usr/bin/env bash
# Checks our locks: clang's thread-safety analysis, syntax only, of all our code that sees a mutex or
# an annotation such as ABSL_GUARDED_BY, directly or through our headers. Warnings are errors.
#   tools/check_locks.sh           all such files
#   tools/check_locks.sh FILE...   those of them that are named
# Takes the flags from build/release/compile_commands.json (tools/build.sh ci writes it).
#
# Left out: tests, whose mutexes guard local variables, which cannot be annotated; and files that see
# no mutex of ours, where there is nothing to check. The latter are most of those that include
# LibTorch, whose headers take clang up to 40 seconds a file.
set -euo pipefail
cd "$(dirname "$0")/.."

clang=
for candidate in clang++-14 clang++; do
  if command -v "$candidate" >/dev/null; then
    clang=$candidate
    break
  fi
done
if [ -z "$clang" ]; then
  echo "locks: not checked, clang is not installed" >&2
  exit 77
fi
if [ ! -f build/release/compile_commands.json ]; then
  echo "locks: build/release/compile_commands.json is missing; run tools/build.sh ci first" >&2
  exit 2
fi

# Prints one command a file, as its arguments separated by tabs, files that take long first.
commands() {
  python3 - "$clang" "$@" <<'PY'
import json
import os
import re
import shlex
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
LOCKS = re.compile(r"\bABSL_(PT_)?GUARDED_BY\b|\bABSL_\w*LOCK|\babsl::Mutex")
clang, named = sys.argv[1], {os.path.relpath(name) for name in sys.argv[2:]}
root = os.getcwd()
texts = {}


def text_of(path):
    if path not in texts:
        with open(path, encoding="utf-8") as file:
            texts[path] = file.read()
    return texts[path]


def closure(path):
    seen, left = set(), [path]
    while left:
        path = left.pop()
        if path in seen or not os.path.isfile(path):
            continue
        seen.add(path)
        left.extend(INCLUDE.findall(text_of(path)))
    return seen


def flags_of(entry):
    words = iter(shlex.split(entry["command"])[1:])
    flags = []
    for word in words:
        if word in ("-isystem", "-I"):
            flags += [word, next(words)]
        elif word in ("-include", "-o", "-c"):
            next(words)
        elif word.startswith(("-D", "-I", "-std=", "-pthread")):
            flags.append(word)
    return flags


files = []
for entry in json.load(open("build/release/compile_commands.json", encoding="utf-8")):
    name = os.path.relpath(os.path.realpath(entry["file"]), os.path.realpath(root))
    if name.startswith(("..", "build/", "tests/")) or (named and name not in named):
        continue
    seen = closure(name)
    if any(LOCKS.search(text_of(path)) for path in seen):
        slow = any("<torch/" in text_of(path) for path in seen)
        files.append((not slow, name, flags_of(entry)))
for _, name, flags in sorted(files):
    print("\t".join([clang, "-fsyntax-only", "-Wno-everything", "-Wthread-safety",
                     "-Werror=thread-safety"] + flags + [name]))
PY
}

check() {
  IFS=$'\t' read -r -a command <<<"$1"
  "${command[@]}"
}
export -f check

list=$(commands "$@")
count=$(grep -c . <<<"$list" || true)
status=0
tr '\n' '\0' <<<"$list" | xargs -0 -r -n 1 -P "$(nproc)" bash -c 'check "$1"' _ || status=1
if [ "$status" -ne 0 ]; then
  echo "locks: a check failed; hold the lock that is named, or declare with" \
    "ABSL_EXCLUSIVE_LOCKS_REQUIRED that the caller does" >&2
  exit 1
fi
echo "locks: $clang finds nothing wrong in $count files"
