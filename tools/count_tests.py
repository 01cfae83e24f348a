#!/usr/bin/env python3
"""Counts the tests of a test run: "2556 passed, 0 failed, 4 skipped".

usage: count_tests.py JUNIT_XML     as written by ctest --output-junit --test-output-size-passed 1000000
                                    --test-output-size-failed 1000000

An entry of ctest can hold many tests: the cases of a GoogleTest suite, or the scenarios of a page. Their own
output says how many ran. An entry that ended before it could say so counts as one failure. The last lines of each
entry that failed are printed on the standard error output: where a process was killed, they say in which test.
"""
import re
import sys
import xml.etree.ElementTree as xml

LINES_OF_FAILURE = 20


def count(status, output):
    """Numbers of passed, failed and skipped tests of one entry."""
    ran = re.search(r"^\[==========\] (\d+) tests? from \d+ test suites? ran\.", output, re.MULTILINE)
    if ran:
        failed = re.search(r"^\[  FAILED  \] (\d+) tests?, listed below:", output, re.MULTILINE)
        skipped = re.search(r"^\[  SKIPPED \] (\d+) tests?, listed below:", output, re.MULTILINE)
        failed, skipped = (int(found.group(1)) if found else 0 for found in (failed, skipped))
        passed = int(ran.group(1)) - failed - skipped
        # The process can fail although all its cases pass, as when a sanitizer reports a leak.
        return passed, max(failed, 1 if status == "fail" else 0), skipped
    passed = len(re.findall(r"^passed: \w+$", output, re.MULTILINE))
    failed = len(re.findall(r"^FAILED: \w+: ", output, re.MULTILINE))
    if passed + failed:
        return passed, max(failed, 1 if status == "fail" else 0), 0
    return {"run": (1, 0, 0), "fail": (0, 1, 0)}.get(status, (0, 0, 1))


def print_end(name, output):
    lines = output.rstrip().splitlines()[-LINES_OF_FAILURE:]
    print("the end of %s:\n  %s" % (name, "\n  ".join(lines)), file=sys.stderr)


def main(path):
    totals = [0, 0, 0]
    for entry in xml.parse(path).getroot().iter("testcase"):
        output = entry.findtext("system-out") or ""
        if entry.get("status") == "fail":
            print_end(entry.get("name"), output)
        totals = [a + b for a, b in zip(totals, count(entry.get("status"), output))]
    print("%d passed, %d failed, %d skipped" % tuple(totals))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
