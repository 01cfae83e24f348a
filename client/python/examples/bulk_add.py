#!/usr/bin/env python3
"""Adds all photos of a folder and shows the progress. The id of a photo is its path below the folder.

usage: bulk_add.py SERVER FOLDER
"""
import os
import sys

import sketch2photo


def photos(folder):
    """One photo at a time: files are read when they are sent."""
    for path, _, names in os.walk(folder):
        for name in sorted(names):
            if name.lower().endswith((".jpg", ".jpeg", ".png", ".webp")):
                file = os.path.join(path, name)
                yield sketch2photo.Photo(os.path.relpath(file, folder), file, {"file": name})


def main(server, folder):
    total = sum(1 for _ in photos(folder))
    failed = 0
    with sketch2photo.Client(server) as client:
        for done, added in enumerate(client.add_photos(photos(folder)), 1):
            if added.error is not None:
                failed += 1
                print("%s: %s" % (added.photo_id, added.error), file=sys.stderr)
            if done % 10 == 0 or done == total:
                print("%d of %d" % (done, total))
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except sketch2photo.Error as error:
        sys.exit("%s; without an outcome: %s" % (error, ", ".join(error.unanswered) or "none"))
