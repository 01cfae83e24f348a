#!/usr/bin/env python3
"""Prints, for each golden file, the largest error that the tests have seen, as a Markdown table.

    S2P_GOLDEN_REPORT=/tmp/golden.tsv ctest --test-dir build/release -R Golden
    tools/golden_table.py /tmp/golden.tsv

A row shows the comparison that came nearest to its tolerance. Exit code 1 if one went beyond it.
"""
import collections
import sys


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = collections.defaultdict(list)
    with open(sys.argv[1], encoding="utf-8") as report:
        for line in report:
            file, tensor, error, tolerance = line.rstrip("\n").split("\t")
            rows[file].append((float(error), float(tolerance), tensor))
    print("| golden file | comparisons | largest error | nearest to its tolerance | error | tolerance |")
    print("|---|---|---|---|---|---|")
    failed = False
    for file, seen in sorted(rows.items()):
        worst = max(seen, key=lambda row: row[0] / row[1] if row[1] > 0 else row[0])
        failed |= any(error > tolerance for error, tolerance, _ in seen)
        print(f"| {file} | {len(seen)} | {max(row[0] for row in seen):.2g} | {worst[2]} "
              f"| {worst[0]:.2g} | {worst[1]:.2g} |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
