#!/usr/bin/env python3
"""Writes the accepted feedback into a new folder: photo/SHA256.ENDING, and sketch/SHA256-ID.png of the same photo.

usage: feedback_export.py SERVER FOLDER
"""
import os
import sys

import sketch2photo

ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def main(server, folder):
    for part in ("photo", "sketch"):
        os.makedirs(os.path.join(folder, part))
    with sketch2photo.Client(server) as client:
        for entry in client.export_feedback():
            name = entry.feedback.photo_sha256
            if entry.photo is not None:
                write(os.path.join(folder, "photo", name + ENDINGS[entry.photo_content_type]), entry.photo)
            write(os.path.join(folder, "sketch", "%s-%s.png" % (name, entry.feedback.feedback_id)), entry.sketch)
            print("%s\t%s" % (entry.feedback.feedback_id, entry.identity))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (sketch2photo.Error, OSError) as error:
        sys.exit(str(error))
