"""Simulates the loop from searches to better searches: a server on a model of photos alone, pairs that
people confirm on its page, a training daemon that trains again by itself, and a server that swaps.

usage: feedback_loop.py BIN_DIR WORK_DIR [options]

Matches of the training pairs come in through the gateway's own API, in stages. After each stage the
daemon's job and the server's version are waited for, and the sketches of the test pairs are searched in
the gallery of all photos, while other clients search. A table is printed; WORK_DIR gets
it as loop.csv and as a picture, loop.svg. Exit code 1 if a search failed, a job failed, or, with
--check, a stage lost more than two queries.

The photos of the training and of the test pairs are the gallery, and version 1 has seen all of them with
pseudo-sketches; it has seen no sketch. Without --pairs the procedural shoes are used.
"""
import argparse
import base64
import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import end_to_end_test
from end_to_end_test import Server, program, read_bytes, read_text, run

PAUSE = 0.1
# Each look at the jobs starts a program, next to the training that it waits for.
JOB_PAUSE = 1


class Process:
    """A program that writes its address into a file; stopped with `end`."""

    def __init__(self, folder, name, *arguments):
        self.address_file = os.path.join(folder, name + ".address")
        if os.path.exists(self.address_file):
            os.remove(self.address_file)
        self.log_path = os.path.join(folder, name + ".log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program(name), *arguments, "--listen", "127.0.0.1:0", "--address-file",
                 self.address_file], stdout=log, stderr=log)
        self.wait(lambda: os.path.exists(self.address_file))
        self.address = read_text(self.address_file).strip()

    def wait(self, condition, pause=PAUSE):
        while not condition():
            if self.process.poll() is not None:
                raise SystemExit("a program ended with %d:\n%s" %
                                 (self.process.returncode, read_text(self.log_path)))
            time.sleep(pause)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Gateway:
    """The gateway's API, as the page uses it."""

    def __init__(self, address):
        self.address = address

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            "http://%s%s" % (self.address, path), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Origin": "http://" + self.address})
        try:
            with urllib.request.urlopen(request) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise RuntimeError("%s: %s" % (path, error.read().decode(errors="replace"))) from error

    def search(self, sketch):
        """The version that answered, and the photos' ids, best first."""
        reply = self.call("POST", "/api/search", {
            "examples": [{"image": base64.b64encode(sketch).decode()}], "topK": 10})
        return int(reply["modelVersion"]), [match["photoId"] for match in reply.get("matches", [])]

    def confirm(self, pairs):
        """Records a match of each (sketch, photo id) and accepts them all, which changes the data set once."""
        ids = [self.call("POST", "/api/feedback",
                         {"image": base64.b64encode(read_bytes(sketch)).decode(), "photoId": photo,
                          "verdict": "VERDICT_MATCH"})["feedbackId"] for sketch, photo in pairs]
        self.call("POST", "/api/feedback/review", {"feedbackIds": ids, "state": "STATE_ACCEPTED"})

    def serving_version(self):
        return int(self.call("GET", "/api/model").get("servingVersion", 0))


class Load:
    """Clients that search until the end, and pause for `pause` seconds after each search."""

    def __init__(self, gateway, sketches, clients, pause):
        self.sketches = [read_bytes(sketch) for sketch in sketches]
        self.gateway = gateway
        self.pause = pause
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.searches, self.failures, self.versions = 0, [], set()
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True)
                        for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        turn = number
        while not self.ended.is_set():
            turn += 1
            try:
                version, found = self.gateway.search(self.sketches[turn % len(self.sketches)])
                failure = None if found else "no match"
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                version, failure = 0, str(error)
            with self.lock:
                self.searches += 1
                if failure is None:
                    self.versions.add(version)
                else:
                    self.failures.append(failure)
            self.ended.wait(self.pause)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Pairs:
    """Pairs of a data set, copied into what each part of the loop is given."""

    def __init__(self, data, folder, reference):
        self.folder = folder
        self.photos = os.path.join(folder, "photos")
        os.makedirs(self.photos)
        with open(os.path.join(data, "dataset.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        photo_of, self.train, self.test = {}, [], []
        for line in lines:
            if line["modality"] == "photo" and line["identity"] not in photo_of:
                path = os.path.join(data, line["path"])
                name = "%05d" % len(photo_of)
                photo_of[line["identity"]] = name
                shutil.copy(path, os.path.join(self.photos, name + os.path.splitext(path)[1]))
        drawn = set()
        for line in lines:
            # One sketch of each photo.
            if line["modality"] == "photo" or line["identity"] not in photo_of \
                    or line["identity"] in drawn:
                continue
            drawn.add(line["identity"])
            pair = (os.path.join(data, line["path"]), photo_of[line["identity"]])
            (self.test if line["split"] == "test" else self.train).append(pair)
        random.Random(1).shuffle(self.train)
        self.has_reference = reference > 0
        if self.has_reference:
            self.write_reference(self.train[:reference])
        self.train = self.train[reference:]

    def write_reference(self, pairs):
        """A data set of pairs that nobody confirms."""
        folder = os.path.join(self.folder, "reference")
        for kind in ("photo", "sketch"):
            os.makedirs(os.path.join(folder, kind))
        names = {os.path.splitext(name)[0]: name for name in os.listdir(self.photos)}
        with open(os.path.join(folder, "dataset.json"), "w") as file:
            json.dump({"format": 1, "name": "reference"}, file)
        with open(os.path.join(folder, "dataset.jsonl"), "w") as file:
            for sketch, photo in pairs:
                for kind, path in (("photo", os.path.join(self.photos, names[photo])),
                                   ("sketch", sketch)):
                    name = "%s/%s%s" % (kind, photo, os.path.splitext(path)[1])
                    shutil.copy(path, os.path.join(folder, name))
                    file.write(json.dumps({"path": name, "identity": photo, "modality": kind,
                                           "split": "test"}) + "\n")

    def confirmed(self, wrong, seed):
        """The training pairs as people confirm them, `wrong` of them with another photo."""
        pairs = list(self.train)
        chance = random.Random(seed)
        photos = [photo for _, photo in pairs]
        for index in chance.sample(range(len(pairs)), min(wrong, len(pairs))):
            sketch, own = pairs[index]
            pairs[index] = (sketch, chance.choice([photo for photo in photos if photo != own]))
        return pairs


def measure(gateway, pairs):
    """Ranks 1 and 10 of the test sketches, in queries."""
    first, tenth = 0, 0
    for sketch, photo in pairs:
        _, found = gateway.search(read_bytes(sketch))
        first += found[:1] == [photo]
        tenth += photo in found[:10]
    return first, tenth


def later_versions(_, names):
    """The folders of a checkpoint store that version 1 does not need."""
    return [name for name in names if name.isdigit() and name != "1"]


class Loop:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.pairs = Pairs(self.data(), folder, options.reference)
        self.store = os.path.join(folder, "checkpoints")
        self.parts = []
        self.rows = []

    def data(self):
        if self.options.pairs:
            return self.options.pairs
        out = os.path.join(self.folder, "shoes")
        run(program("s2p-trainer"), "synthesize", "--out", out, "--identities",
            str(self.options.identities), "--seed", "5")
        return os.path.join(out, "target")

    def settings(self, first=False):
        settings = list(self.options.set) + (list(self.options.start_set) if first else [])
        return [argument for setting in settings for argument in ("--set", setting)]

    def weights(self):
        if not self.options.initial_weights:
            return []
        copy = os.path.join(self.folder, "initial.safetensors")
        if not os.path.exists(copy):
            shutil.copy(self.options.initial_weights, copy)
        return ["--initial-weights", copy]

    def day_one(self):
        if self.options.day_one:
            shutil.copytree(self.options.day_one, self.store, ignore=later_versions)
            self.weights()
            return
        run(program("s2p-trainer"), "start", "--photos", self.pairs.photos, "--checkpoint-root",
            self.store, "--device", self.options.device, *self.weights(),
            *self.settings(first=True))

    def serve(self, store, name, *flags):
        server = Server(store, os.path.join(self.folder, name), "--poll-interval", "200ms", *flags)
        self.parts.append(server)
        server.wait_until_serving()
        server.s2p("gallery", "add", self.pairs.photos)
        web = Process(self.make("web-of-" + name), "s2p-web", "--server", server.address)
        self.parts.append(web)
        return Gateway(web.address)

    def make(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        return folder

    def spec(self):
        lines = ['preset: "%s"' % ("day-one" if self.options.initial_weights
                                   else "day-one-from-nothing"),
                 'target_dataset: "checkpoints/day-one/data"', 'pairs_dataset: "pairs"',
                 "watch: true watch_afresh: true",
                 "publish { policy: POLICY_IF_BETTER confidence: 0.5 min_queries: 1 %s }" %
                 ('reference_dataset: "reference"' if self.pairs.has_reference else "")]
        if self.options.initial_weights:
            lines.append('initial_weights: "initial.safetensors"')
        path = os.path.join(self.folder, "job.textproto")
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        return path

    def train_jobs(self, *arguments):
        return json.loads(run(program("s2p"), "--timeout", "86400", "train", *arguments, "--json",
                              "--server", self.trainer.address).stdout)

    def start_daemon(self):
        self.trainer = Process(
            self.make("trainer"), "s2p-trainer", "serve", "--state-dir", self.make("state"),
            "--checkpoint-root", self.store, "--data-root", self.folder, "--device",
            self.options.device, "--http", "127.0.0.1:0", "--watch-interval",
            self.options.watch_interval)
        self.parts.append(self.trainer)
        self.train_jobs("submit", self.spec(), *self.settings())
        self.newest_job(0)

    def newest_job(self, after):
        """Waits until there are more than `after` jobs and all have ended; the newest one."""
        def jobs():
            return self.train_jobs("list").get("jobs", [])

        def ended():
            return len(jobs()) > after and all(
                job["state"] in ("STATE_SUCCEEDED", "STATE_FAILED", "STATE_CANCELLED")
                for job in jobs())
        self.trainer.wait(ended, JOB_PAUSE)
        self.jobs = len(jobs())
        job = jobs()[0]
        if job["state"] != "STATE_SUCCEEDED":
            raise SystemExit("a job ended as %s: %s" % (job["state"], job.get("reason", "")))
        return job

    def note(self, pairs, job, seconds):
        first, tenth = measure(self.gateway, self.pairs.test)
        version = self.gateway.serving_version()
        self.rows.append((pairs, version, first, tenth, len(self.pairs.test), seconds,
                          job.get("reason", "") if job else "day one"))
        row = self.rows[-1]
        print("%5d pairs: version %d, rank-1 %5.1f %% (%d of %d), rank-10 %5.1f %%, %.0f s; %s" % (
            pairs, version, 100.0 * first / row[4], first, row[4], 100.0 * tenth / row[4], seconds,
            row[6]), flush=True)

    def stage(self, confirmed, upto, done):
        begin = time.monotonic()
        self.gateway.confirm(confirmed[done:upto])
        job = self.newest_job(self.jobs)
        published = int(job.get("publishedVersion", 0))
        self.trainer.wait(lambda: published == 0 or self.gateway.serving_version() == published)
        self.note(upto, job, time.monotonic() - begin)

    def direct(self, confirmed):
        """What the same pairs give without the loop, nothing held back."""
        store = os.path.join(self.folder, "direct")
        target = os.path.join(self.store, "day-one", "data")
        preset = "day-one" if self.options.initial_weights else "day-one-from-nothing"
        weights = ["--set", "initial_weights=" + self.weights()[1]] if self.weights() else []
        run(program("s2p-trainer"), "run", "--preset", preset, "--device", self.options.device,
            "--checkpoint-root", store, "--state-dir", self.make("direct-state"),
            "--set", "target_dataset=" + target, "--set", "validation.fraction=0",
            "--set", "pairs_dataset=" + os.path.join(self.folder, "pairs"), *weights,
            *self.settings())
        first, tenth = measure(self.serve(store, "direct-server"), self.pairs.test)
        total = len(self.pairs.test)
        print("directly, from all %d: rank-1 %5.1f %% (%d of %d), rank-10 %5.1f %%" % (
            len(confirmed), 100.0 * first / total, first, total, 100.0 * tenth / total))

    def run(self):
        self.day_one()
        self.gateway = self.serve(self.store, "server", "--collect-feedback", "--feedback-dataset",
                                  os.path.join(self.folder, "pairs"))
        self.start_daemon()
        confirmed = self.pairs.confirmed(self.options.wrong, self.options.seed)
        load = Load(self.gateway, [sketch for sketch, _ in self.pairs.test], self.options.clients,
                    self.options.pause)
        try:
            self.note(0, None, 0)
            done = 0
            for upto in self.options.stages:
                if min(upto, len(confirmed)) > done:
                    self.stage(confirmed, min(upto, len(confirmed)), done)
                    done = min(upto, len(confirmed))
        finally:
            load.end()
        print("%d searches under load, %d failed, by versions %s" %
              (load.searches, len(load.failures), sorted(load.versions)))
        if self.options.direct:
            self.direct(confirmed)
        self.write()
        return self.verdict(load)

    def verdict(self, load):
        wrong = ["%d searches failed, as: %s" % (len(load.failures), load.failures[0])] \
            if load.failures else []
        if self.options.check:
            for before, after in zip(self.rows, self.rows[1:]):
                if after[2] < before[2] - 2:
                    wrong.append("%d pairs lost %d queries" % (after[0], before[2] - after[2]))
        if self.options.swaps:
            if len(load.versions) < 2:
                wrong.append("no version was swapped in under load")
            if not any("on the reference set" in row[-1] for row in self.rows):
                wrong.append("no version was measured on the reference set")
        for text in wrong:
            print(text, file=sys.stderr)
        return 1 if wrong else 0

    def write(self):
        with open(os.path.join(self.folder, "loop.csv"), "w") as file:
            file.write("pairs,version,rank1,rank10,queries,seconds,reason\n")
            for row in self.rows:
                file.write(",".join(str(value) for value in row[:-1]) + ',"%s"\n' %
                           row[-1].replace('"', "'"))
        with open(os.path.join(self.folder, "loop.svg"), "w") as file:
            file.write(curve(self.rows))
        print("written: %s" % os.path.join(self.folder, "loop.svg"))

    def end(self):
        for part in reversed(self.parts):
            part.end()


def curve(rows):
    """Rank-1 and rank-10, in per cent, over the confirmed pairs, as an SVG."""
    width, height, left, top, right, bottom = 560, 340, 50, 20, 90, 45
    most = max(1, rows[-1][0])

    def x(pairs):
        return left + (width - left - right) * (pairs / most) ** 0.5

    def y(share):
        return top + (height - top - bottom) * (1 - share)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" '
             'font-size="12">' % (width, height), '<rect width="100%" height="100%" fill="white"/>']
    for percent in range(0, 101, 20):
        at = y(percent / 100)
        parts.append('<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">'
                     "%d</text>" % (left, at, width - right, left - 6, at + 4, percent))
    for row in rows:
        parts.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' %
                     (x(row[0]), height - bottom + 18, row[0]))
    parts.append('<text x="%.1f" y="%d" text-anchor="middle">confirmed pairs</text>' %
                 ((left + width - right) / 2, height - 8))
    for name, column, color in (("rank-1", 2, "#1f5fa8"), ("rank-10", 3, "#8a8a8a")):
        points = [(x(row[0]), y(row[column] / row[4])) for row in rows]
        parts.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' %
                     (color, " ".join("%.1f,%.1f" % point for point in points)))
        parts += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*point, color)
                  for point in points]
        parts.append('<text x="%.1f" y="%.1f" fill="%s">%s %.1f</text>' %
                     (points[-1][0] + 8, points[-1][1] + 4, color, name,
                      100.0 * rows[-1][column] / rows[-1][4]))
    return "\n".join(parts + ["</svg>", ""])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_dir")
    parser.add_argument("work_dir", help="a new folder, or one of an earlier run, which is emptied")
    parser.add_argument("--pairs", help="data set with sketches and photos in the splits train and test")
    parser.add_argument("--identities", type=int, default=160, help="of the procedural shoes")
    parser.add_argument("--initial-weights", help="ImageNet weights; without them a small network")
    parser.add_argument("--stages", default="10,30,100,304", help="confirmed pairs, in all")
    parser.add_argument("--wrong", type=int, default=0, help="confirmations that name another photo")
    parser.add_argument("--reference", type=int, default=30,
                        help="training pairs that nobody confirms, and that no version may be worse on")
    parser.add_argument("--clients", type=int, default=2, help="that search all the time")
    parser.add_argument("--pause", type=float, default=0, help="seconds after each search of a client")
    parser.add_argument("--day-one", metavar="DIR",
                        help="the checkpoints folder of a run in another WORK_DIR with the same data: its "
                             "version 1 is used")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help="of the spec of every run")
    parser.add_argument("--start-set", action="append", default=[], metavar="FIELD=VALUE",
                        help="of the spec of the first version")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--watch-interval", default="1s")
    parser.add_argument("--seed", type=int, default=1, help="which confirmations are wrong")
    parser.add_argument("--direct", action="store_true",
                        help="also train on all pairs without the loop, for comparison")
    parser.add_argument("--check", action="store_true", help="no stage may lose more than two queries")
    parser.add_argument("--swaps", action="store_true", help="more than one version must answer")
    options = parser.parse_args(arguments)
    options.stages = [int(stage) for stage in options.stages.split(",")]
    return options


def is_inside(path, folder):
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder


def main(arguments):
    options = parse(arguments)
    end_to_end_test.BIN = os.path.abspath(options.bin_dir)
    end_to_end_test.WORK = folder = os.path.abspath(options.work_dir)
    mark = os.path.join(folder, ".feedback_loop")
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.exists(mark):
        sys.exit("%s: is not empty and of no earlier run" % folder)
    if options.day_one and is_inside(options.day_one, folder):
        sys.exit("--day-one %s: is in %s, which is emptied" % (options.day_one, folder))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    open(mark, "w").close()
    # The loop takes as long as its trainings.
    faulthandler.cancel_dump_traceback_later()
    # The programs end with the script.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    loop = Loop(options, folder)
    try:
        return loop.run()
    finally:
        loop.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
