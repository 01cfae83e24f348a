#!/usr/bin/env python3
"""Compresses a file as Debian's documentation is: at best, without a name or a time.

    compress.py FILE OUT
"""
import gzip
import os
import sys


def compress(data, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as source:
        compress(source.read(), sys.argv[2])
