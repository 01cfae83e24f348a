#!/usr/bin/env python3
"""Reads our programs as built, and checks what makes their faults harder to exploit.

usage: hardening_test.py BIN_DIR TEST...     runs tests of Hardening by name
"""
import os
import re
import subprocess
import sys
import unittest

BIN = ""
PROGRAMS = ("s2p", "s2p-decoder", "s2p-server", "s2p-trainer", "s2p-web")


def readelf(program, *flags):
    return subprocess.run(["readelf", "--wide"] + list(flags) + [os.path.join(BIN, program)],
                          stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout


class Hardening(unittest.TestCase):
    def expect(self, pattern, *flags, absent=False, without=None):
        """Readelf's output with these flags has the pattern, or lacks it, for each program."""
        for program in PROGRAMS:
            if program == without:
                continue
            found = re.search(pattern, readelf(program, *flags))
            self.assertEqual(bool(found), not absent, (program, pattern))

    def test_programs_lie_at_random_addresses(self):
        self.expect(r"Type:\s+DYN", "--file-header")

    def test_tables_of_the_loader_are_read_only(self):
        self.expect(r"GNU_RELRO", "--segments")
        self.expect(r"\(FLAGS_1\).*\bNOW\b", "--dynamic")

    def test_stack_is_not_executable(self):
        self.expect(r"GNU_STACK.* RW ", "--segments")

    def test_no_segment_is_writable_and_executable(self):
        self.expect(r"\bRWE\b", "--segments", absent=True)

    def test_overrun_of_the_stack_is_noticed(self):
        self.expect(r"\b__stack_chk_fail\b", "--dyn-syms")

    def test_calls_of_the_c_library_check_sizes(self):
        # Only s2p of the five is sure to make a call that cannot be checked when it is compiled.
        self.assertRegex(readelf("s2p", "--dyn-syms"), r"\b__snprintf_chk\b")

    def test_index_beyond_a_container_ends_the_program(self):
        # Nothing in s2p-decoder indexes a container of the standard library.
        self.expect(r"__glibcxx_assert_fail", "--dyn-syms", without="s2p-decoder")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    BIN = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0]] + ["Hardening." + name for name in sys.argv[2:]])
