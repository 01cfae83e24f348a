#!/usr/bin/env python3
"""What paper, boards and cameras cost a model, with and without sketch.measured_ground.

    tools/measure_drawings.py DATASET WEIGHTS [--work DIR] [--trainer PROGRAM] [--set FIELD=VALUE ...]

DATASET is a data set as `s2p-trainer import-dataset` makes it; its test split is left out. The training
identities are dealt into folds by SHA-256. For each fold a model is made of the others (shoes-resnet18,
the start alone), and the sketches of the fold, one for each identity, are searched under every condition
of `s2p-trainer vary-sketches`. Prints rank-1 and mAP as a Markdown table, over all queries of the folds.
What is in DIR already is not made again.
"""
import argparse
import hashlib
import json
import os
import subprocess

CONDITIONS = ("clean", "paper", "grey", "specks", "scan", "pens", "negative", "board", "corner",
              "shadow", "ruled", "whiteboard", "table", "phone")
FURTHER = "further"


def write_data_set(folder, name, lines, links):
    """A data set of `lines`; `links` are the folders of its images, by name."""
    os.makedirs(folder, exist_ok=True)
    for link, target in links.items():
        if not os.path.lexists(os.path.join(folder, link)):
            os.symlink(os.path.abspath(target), os.path.join(folder, link))
    description = {"format": 1, "name": name, "attributes": [], "source": "", "licence": ""}
    with open(os.path.join(folder, "dataset.json"), "w", encoding="utf-8") as out:
        json.dump(description, out)
    with open(os.path.join(folder, "dataset.jsonl"), "w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(line) + "\n")


def read_lines(folder):
    with open(os.path.join(folder, "dataset.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Fold:
    """One fold: what is trained on, and its queries under all conditions."""

    def __init__(self, options, number):
        self.options = options
        self.folder = os.path.join(options.work, f"fold{number}")
        self.number = number

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def trainer(self, *arguments):
        return subprocess.run([self.options.trainer, *arguments], check=True,
                              stdout=subprocess.PIPE).stdout

    def is_held_out(self, line):
        digest = hashlib.sha256(line["identity"].encode()).hexdigest()
        return int(digest, 16) % self.options.folds == self.number

    def make_data_sets(self):
        lines = [line for line in read_lines(self.options.dataset) if line["split"] == "train"]
        images = {name: os.path.join(self.options.dataset, name)
                  for name in {line["path"].split("/")[0] for line in lines}}
        train = [line for line in lines if not self.is_held_out(line)]
        test = [dict(line, split="test") for line in lines
                if self.is_held_out(line) and FURTHER not in line["path"]]
        write_data_set(self.path("train"), "train", train, images)
        write_data_set(self.path("test"), "test", test, images)
        queries = [line for line in test if line["modality"] == "photo"]
        for condition in CONDITIONS:
            if not os.path.exists(self.path(condition, "dataset.jsonl")):
                self.trainer("vary-sketches", "--dataset", self.path("test"),
                             "--condition", condition, "--out", self.path(condition))
            queries += [dict(line, path=f"{condition}/{line['path']}")
                        for line in read_lines(self.path(condition))
                        if line["modality"] == "sketch"]
        links = {condition: self.path(condition) for condition in CONDITIONS}
        write_data_set(self.path("all"), "all", queries, {**images, **links})

    def ranks(self, measured):
        """The rank of each query's photo, by condition."""
        store = self.path(f"checkpoints-{measured}")
        if not os.path.exists(os.path.join(store, "1")):
            settings = ["step2.epochs=0", "averaging.runs=1", "validation.fraction=0",
                        f"initial_weights={os.path.abspath(self.options.weights)}",
                        f"target_dataset={os.path.abspath(self.path('train'))}",
                        f"sketch.measured_ground={measured}", *self.options.set]
            self.trainer("run", "--preset", "shoes-resnet18", "--checkpoint-root", store,
                         "--threads", "1", *[word for s in settings for word in ("--set", s)])
        result = json.loads(self.trainer(
            "evaluate", "--checkpoint", os.path.join(store, "1"), "--dataset", self.path("all"),
            "--threads", "1", "--json", "--details"))
        ranks = {condition: [] for condition in CONDITIONS}
        for query in result["ranks"]:
            ranks[query["path"].split("/")[0]].append(query["rank"])
        return ranks


def summary(ranks):
    """Rank-1 and mAP in percent; each query has one photo."""
    return (100 * sum(rank == 1 for rank in ranks) / len(ranks),
            100 * sum(1 / rank for rank in ranks) / len(ranks))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("dataset")
    parser.add_argument("weights")
    parser.add_argument("--work", default="drawings")
    parser.add_argument("--trainer", default="build/release/bin/s2p-trainer")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    ranks = {measured: {condition: [] for condition in CONDITIONS}
             for measured in ("false", "true")}
    for number in range(options.folds):
        fold = Fold(options, number)
        fold.make_data_sets()
        for measured, so_far in ranks.items():
            for condition, more in fold.ranks(measured).items():
                so_far[condition] += more
    print("| condition | fit alone: rank-1, mAP | measured_ground: rank-1, mAP | rank-1 - clean |")
    print("|---|---|---|---|")
    clean = summary(ranks["true"]["clean"])[0]
    for condition in CONDITIONS:
        before, after = summary(ranks["false"][condition]), summary(ranks["true"][condition])
        print(f"| `{condition}` | {before[0]:.1f}, {before[1]:.1f} | {after[0]:.1f}, {after[1]:.1f} "
              f"| {after[0] - clean:+.1f} |")
    print(f"{len(ranks['true']['clean'])} queries")


if __name__ == "__main__":
    main()
