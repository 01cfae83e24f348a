#!/usr/bin/env python3
"""Finds the photos that match a sketch.

usage: search.py SERVER SKETCH [KEY=VALUE]...     only photos whose metadata has the pairs

An API key is read from S2P_API_KEY.
"""
import os
import sys

import sketch2photo


def main(server, sketch, *pairs):
    wanted = sketch2photo.Filter(metadata=dict(pair.split("=", 1) for pair in pairs))
    with sketch2photo.Client(server, api_key=os.environ.get("S2P_API_KEY", "")) as client:
        for match in client.search(sketch, top_k=5, filter=wanted).matches:
            print("%d\t%.4f\t%s" % (match.rank, match.score, match.photo_id))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (sketch2photo.Error, OSError) as error:
        sys.exit(str(error))
