#!/usr/bin/env python3
"""Measures how good a model is by the number of sketches that people have drawn.

    tools/pairs_curve.py BIN_DIR DATASET WORK_DIR [--pairs 0,10,30,100,300,1000] [--folds 3] ...

The training identities of DATASET are dealt into folds by a hash of their names; its test split is never
read. A model of a fold has seen the photos of all training identities, as in a gallery whose photos are
known, and is given that many sketches of the other folds, of which it holds back what its preset says
(validation.fraction). It is measured on the sketches of its fold, each searched among the photos of its
fold. Sketches are taken in the order of a hash, first one of each photo, so that fewer are a part of more.

WORK_DIR/points.jsonl gets a line for each fold, number, seed and spec. A point that is there already is
not measured again, so the command can be stopped and repeated, and folds can be added. The table of the
points of this spec is printed at the end.
"""
import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys

METRICS = ("rank1", "rank5", "rank10", "mAP")


def number_of(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def read_lines(data_set):
    with open(os.path.join(data_set, "dataset.jsonl"), encoding="utf-8-sig") as file:
        return [line for line in map(json.loads, file) if line["split"] == "train"]


def in_rounds(sketches):
    """One of each identity, then the second of each, and so on; identities by their hash."""
    of_identity = {}
    for line in sketches:
        of_identity.setdefault(line["identity"], []).append(line)
    rounds = max((len(lines) for lines in of_identity.values()), default=0)
    order = sorted(of_identity, key=lambda name: number_of("order " + name))
    return [of_identity[name][turn] for turn in range(rounds) for name in order
            if turn < len(of_identity[name])]


def write_data_set(folder, images, lines):
    """A data set whose images are a link to those of another one."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.symlink(os.path.abspath(images), os.path.join(folder, "of"))
    with open(os.path.join(folder, "dataset.json"), "w", encoding="utf-8") as file:
        json.dump({"format": 1, "name": os.path.basename(folder)}, file)
    with open(os.path.join(folder, "dataset.jsonl"), "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({"path": "of/" + line["path"], "identity": line["identity"],
                                   "modality": line["modality"], "split": line["split"]}) + "\n")


def run(arguments):
    result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True, check=False)
    if result.returncode != 0:
        sys.exit("%s\n%s\n%s" % (" ".join(arguments), result.stdout, result.stderr))
    return result.stdout


def measure(options, lines, fold, pairs, seed):
    """A point, or None where there are fewer sketches than pairs."""
    work = os.path.join(options.work_dir, "fold%d" % fold)

    def is_out(line):
        return number_of(line["identity"]) % options.folds == fold
    photos = [line for line in lines if line["modality"] == "photo"]
    sketches = [line for line in lines if line["modality"] == "sketch"]
    usable = in_rounds([line for line in sketches if not is_out(line)])
    if len(usable) < pairs:
        return None
    data, held_out = os.path.join(work, "data"), os.path.join(work, "held-out")
    write_data_set(data, options.data_set, photos + usable[:pairs])
    write_data_set(held_out, options.data_set,
                   [dict(line, split="test") for line in photos + sketches if is_out(line)])
    store = os.path.join(work, "checkpoints")
    for folder in (store, os.path.join(work, "state")):
        shutil.rmtree(folder, ignore_errors=True)
    trainer = os.path.join(options.bin_dir, "s2p-trainer")
    settings = ["target_dataset=" + data, "seed=%d" % seed, *options.set]
    run([trainer, "run", "--preset", options.preset, "--device", options.device,
         "--checkpoint-root", store, "--state-dir", os.path.join(work, "state"),
         *[argument for setting in settings for argument in ("--set", setting)]])
    found = json.loads(run([trainer, "evaluate", "--checkpoint", os.path.join(store, "1"),
                            "--dataset", held_out, "--split", "test", "--device", options.device,
                            "--json"]))
    return {"fold": fold, "folds": options.folds, "pairs": pairs, "seed": seed,
            "spec": spec_of(options),
            "queries": found["queries"], **{metric: found[metric] for metric in METRICS}}


def spec_of(options):
    """What the points of one curve have in common."""
    return " ".join([options.preset, os.path.abspath(options.data_set), *options.set])


def key_of(point):
    return point["spec"], point["fold"], point["folds"], point["pairs"], point["seed"]


def read_points(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        # A line that was cut short has no line feed.
        return {key_of(point): point for point in
                (json.loads(line) for line in file if line.endswith("\n"))}


def table(points):
    print("| pairs | " + " | ".join(METRICS) + " | runs |")
    print("|---|" + "---|" * (len(METRICS) + 1))
    for pairs in sorted({point["pairs"] for point in points}):
        of_pairs = [point for point in points if point["pairs"] == pairs]
        means = [100 * statistics.fmean(point[metric] for point in of_pairs) for metric in METRICS]
        print("| %d | %s | %d |" % (pairs, " | ".join("%.1f" % mean for mean in means),
                                    len(of_pairs)))


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bin_dir", "data_set", "work_dir"):
        parser.add_argument(name)
    parser.add_argument("--pairs", default="0,10,30,100,300,1000")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--preset", default="day-one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help="of every run's spec, such as initial_weights")
    return parser.parse_args()


def main():
    options = parse()
    os.makedirs(options.work_dir, exist_ok=True)
    path = os.path.join(options.work_dir, "points.jsonl")
    lines, points = read_lines(options.data_set), read_points(path)
    # A line that was cut short goes.
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(point) + "\n" for point in points.values())
    os.replace(path + ".new", path)
    with open(path, "a", encoding="utf-8") as file:
        for seed in map(int, options.seeds.split(",")):
            for pairs in map(int, options.pairs.split(",")):
                for fold in range(options.folds):
                    if (spec_of(options), fold, options.folds, pairs, seed) in points:
                        continue
                    point = measure(options, lines, fold, pairs, seed)
                    if point is None:
                        print("fold %d has fewer than %d sketches" % (fold, pairs), file=sys.stderr)
                        continue
                    points[key_of(point)] = point
                    file.write(json.dumps(point) + "\n")
                    file.flush()
                    print("%(pairs)d pairs, fold %(fold)d, seed %(seed)d: rank1 %(rank1).3f, "
                          "mAP %(mAP).3f" % point, flush=True)
    table([point for point in points.values()
           if point["folds"] == options.folds and point["spec"] == spec_of(options)])


if __name__ == "__main__":
    main()
