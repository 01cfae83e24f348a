#!/usr/bin/env python3
"""Measures what one colour adds to a drawing.

usage: colour_gain.py S2P SERVER DATASET [SPLIT]

S2P is the program s2p, SERVER the address of an s2p-server whose gallery holds the photos of DATASET:

  s2p --server SERVER gallery add --dataset DATASET --split test

Every sketch of the split (test) is searched without a colour, and with the one that a person would pick:
the colour that most of its photo has, as the nearest of 16 that have a name. Prints rank-1, rank-5 and
rank-10 of both in percent, for several weights.
"""
import collections
import concurrent.futures
import json
import os
import subprocess
import sys

WEIGHTS = (0.1, 0.2, 0.3, 0.5, 1.0)
SHOWN_RANKS = (1, 5, 10)
# What a person calls black, grey, white, red, dark red, pink, orange, brown, beige, yellow, green, dark
# green, light blue, blue, navy and purple.
PALETTE = ("#141414 #808080 #f5f5f5 #c81e1e #6e1423 #f096b4 #eb821e #6e4628 #d7be96 #f0d732 #46a046 #1e5032 "
           "#96bee6 #2850c8 #192850 #78328c").split()


def lab(rgb):
    """CIELAB of "#rrggbb", with the white of D65."""
    def linear(value):
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    def root(ratio):
        return ratio ** (1 / 3) if ratio > (6 / 29) ** 3 else ratio / (3 * (6 / 29) ** 2) + 4 / 29
    red, green, blue = (linear(int(rgb[i:i + 2], 16) / 255) for i in (1, 3, 5))
    x = root((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = root(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = root((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def named(colour):
    """The colour of the palette nearest to a LabColor."""
    point = [colour.get(axis, 0) for axis in "lab"]
    return min(PALETTE, key=lambda rgb: sum((a - b) ** 2 for a, b in zip(lab(rgb), point)))


class Measurement:
    """The searches of one data set."""

    def __init__(self, program, server, folder, split):
        self.command = [program, "--server", server]
        with open(os.path.join(folder, "dataset.jsonl"), encoding="utf-8") as lines:
            images = [json.loads(line) for line in lines]
        self.sketches = [(os.path.join(folder, image["path"]), image["identity"]) for image in images
                         if image["split"] == split and image["modality"] == "sketch"]
        listed = json.loads(self.run("gallery", "list", "--json"))["photos"]
        self.photos = {photo["metadata"]["identity"]: photo for photo in listed
                       if photo["modality"] == "MODALITY_PHOTO"}

    def run(self, *arguments):
        """What the program prints."""
        return subprocess.run(self.command + list(arguments), check=True, stdout=subprocess.PIPE,
                              encoding="utf-8").stdout

    def rank(self, sketch, identity, *arguments):
        """The rank of the sketch's photo, or None."""
        found = json.loads(self.run("search", sketch, "--json", "-k", str(min(1000, len(self.photos))), *arguments))
        for match in found.get("matches", []):
            if match["metadata"].get("identity") == identity:
                return match["rank"]
        return None

    def ranks(self, arguments_of):
        """All ranks, with the arguments that arguments_of(colour) gives."""
        def one(query):
            sketch, identity = query
            colour = named(self.photos[identity]["colors"][0]["color"])
            return self.rank(sketch, identity, *arguments_of(colour))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(one, self.sketches))


def summary(name, ranks):
    """A line of the table."""
    shares = [100 * sum(rank is not None and rank <= most for rank in ranks) / len(ranks) for most in SHOWN_RANKS]
    return f"{name:<12}" + "".join(f"{share:8.1f}" for share in shares)


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    measurement = Measurement(*sys.argv[1:4], sys.argv[4] if len(sys.argv) == 5 else "test")
    print(f"{len(measurement.sketches)} sketches, {len(measurement.photos)} photos")
    print(f"{'colour':<12}" + "".join(f"{'rank-' + str(most):>8}" for most in SHOWN_RANKS))
    without = measurement.ranks(lambda colour: [])
    print(summary("none", without))
    for weight in WEIGHTS:
        ranks = measurement.ranks(lambda colour, w=weight: ["--color", colour, "--color-weight", str(w)])
        print(summary(f"weight {weight}", ranks), flush=True)
        if weight == 0.3:
            moved = collections.Counter("first" if rank == 1 else "not first"
                                        for rank, before in zip(ranks, without) if before is None or before > 1)
            print(f"  of the {sum(moved.values())} that were not first without a colour, {moved['first']} now are")


if __name__ == "__main__":
    main()
