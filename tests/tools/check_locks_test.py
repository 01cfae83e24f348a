#!/usr/bin/python3
"""Tests tools/check_locks.sh with violations planted in a tree of its own."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_locks.sh"

if not (shutil.which("clang++-14") or shutil.which("clang++")):
    print("SKIPPED: clang is not installed")
    sys.exit(77)

COUNTER = """
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
class Counter {
 public:
  void Add();
 private:
  absl::Mutex mutex_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};
"""


class CheckLocksTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.commands = []
        self.write("tools/check_locks.sh", SCRIPT.read_text())
        (self.root / "tools/check_locks.sh").chmod(0o755)
        self.write("server/counter.h", COUNTER)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, name, text):
        self.write(name, text)
        self.commands.append({
            "directory": str(self.root), "file": str(self.root / name),
            "command": f"c++ -I{self.root} -std=c++17 -Winvalid-pch -fpch-preprocess "
                       f"-include no_such_pch.hxx -o x.o -c {self.root / name}"})

    def check(self, *files):
        self.write("build/release/compile_commands.json", json.dumps(self.commands))
        return subprocess.run([str(self.root / "tools/check_locks.sh"), *files],
                              capture_output=True, text=True)

    def test_guarded_access_passes(self):
        self.source("server/counter.cc", '#include "server/counter.h"\n'
                    "void Counter::Add() { absl::MutexLock lock(&mutex_); ++value_; }\n")
        result = self.check()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("finds nothing wrong in 1 files", result.stdout)

    def test_unguarded_access_is_refused(self):
        self.source("server/counter.cc", '#include "server/counter.h"\n'
                    "void Counter::Add() { ++value_; }\n")
        result = self.check()
        self.assertEqual(result.returncode, 1)
        self.assertIn("server/counter.cc:2:25: error: writing variable 'value_' requires holding "
                      "mutex 'mutex_'", result.stderr)

    def test_lock_that_is_taken_twice_is_refused(self):
        self.source("server/local.cc", '#include "absl/synchronization/mutex.h"\n'
                    "void Twice(absl::Mutex& mutex) { mutex.Lock(); mutex.Lock(); }\n")
        result = self.check()
        self.assertEqual(result.returncode, 1)
        self.assertIn("acquiring mutex 'mutex' that is already held", result.stderr)

    def test_file_that_sees_no_mutex_is_left_out(self):
        self.source("model/broken.cc", "this is not C++\n")
        result = self.check()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("in 0 files", result.stdout)

    def test_missing_build_is_named(self):
        result = subprocess.run([str(self.root / "tools/check_locks.sh")], capture_output=True,
                                text=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("run tools/build.sh ci first", result.stderr)


if __name__ == "__main__":
    unittest.main()
