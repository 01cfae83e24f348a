#!/usr/bin/env python3
"""Tests of tools/count_tests.py."""
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/count_tests.py")


def run(*entries):
    """The program's outputs for a run with these (status, output) entries."""
    cases = "".join('<testcase name="t" status="%s"><system-out>%s</system-out></testcase>' % entry
                    for entry in entries)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write("<testsuite>%s</testsuite>" % cases)
        file.flush()
        return subprocess.run([sys.executable, PROGRAM, file.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=True, universal_newlines=True)


def counted(*entries):
    """The line that counts them."""
    return run(*entries).stdout.strip()


SUITE = """[==========] 5 tests from 1 test suite ran. (3 ms total)
[  PASSED  ] 2 tests.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] A.B
[  FAILED  ] 2 tests, listed below:
[  FAILED  ] A.C
[  FAILED  ] A.D
"""


def run_of(tests, suites):
    """The output of a process in which all these tests passed."""
    return ("[==========] Running {0} from {1}.\n[==========] {0} from {1} ran. (12 ms total)\n"
            "[  PASSED  ] {0}.\n").format(tests, suites)


class CountTests(unittest.TestCase):
    def test_entry_with_many_suites_counts_the_cases_of_all(self):
        self.assertEqual(counted(("run", run_of("41 tests", "7 test suites"))),
                         "41 passed, 0 failed, 0 skipped")

    def test_entries_with_one_case_and_with_many_add_up(self):
        self.assertEqual(counted(("run", run_of("12 tests", "1 test suite")),
                                 ("run", run_of("1 test", "1 test suite")), ("fail", SUITE)),
                         "15 passed, 2 failed, 1 skipped")

    def test_suite_whose_cases_pass_in_a_process_that_fails_is_a_failure(self):
        self.assertEqual(counted(("fail", run_of("12 tests", "1 test suite"))),
                         "12 passed, 1 failed, 0 skipped")

    def test_suite_whose_filter_leaves_no_case_counts_none(self):
        self.assertEqual(counted(("run", run_of("0 tests", "0 test suites"))),
                         "0 passed, 0 failed, 0 skipped")

    def test_each_case_of_a_suite_counts(self):
        self.assertEqual(counted(("fail", SUITE)), "2 passed, 2 failed, 1 skipped")

    def test_end_of_an_entry_that_was_killed_is_shown(self):
        lines = ["[ RUN      ] A.Case%d" % i for i in range(50)]
        errors = run(("run", "fine"), ("fail", "\n".join(lines))).stderr
        self.assertIn("the end of t:\n", errors)
        self.assertIn(lines[-1], errors)
        self.assertNotIn(lines[0] + "\n", errors)
        self.assertNotIn("fine", errors)

    def test_each_scenario_of_a_page_counts(self):
        self.assertEqual(counted(("fail", "passed: a\nFAILED: b: Error\n    at c\npassed: d\n")),
                         "2 passed, 1 failed, 0 skipped")

    def test_page_that_fails_after_its_scenarios_is_a_failure(self):
        self.assertEqual(counted(("fail", "passed: a\n")), "1 passed, 1 failed, 0 skipped")

    def test_suite_that_crashes_is_a_failure(self):
        self.assertEqual(counted(("fail", "[ RUN      ] A.B\n")), "0 passed, 1 failed, 0 skipped")

    def test_entry_without_cases_counts_once(self):
        self.assertEqual(counted(("run", "ok"), ("notrun", ""), ("fail", "no")),
                         "1 passed, 1 failed, 1 skipped")


if __name__ == "__main__":
    unittest.main()
