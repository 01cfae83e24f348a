"""Publishes version after version to a server under load, with the real programs and networks.

usage: swap_test.py BIN_DIR WORK_DIR TEST...     runs tests of Swap by name

S2P_VERSIONS: how many (5).
"""
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import unittest

import end_to_end_test
from end_to_end_test import PATIENT, Server, program, read_text, run, train

VERSIONS = int(os.environ.get("S2P_VERSIONS", "5"))


def damage_weights(folder):
    path = os.path.join(folder, "weights.safetensors")
    with open(path, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xff]))


def truncate_weights(folder):
    path = os.path.join(folder, "weights.safetensors")
    os.truncate(path, os.path.getsize(path) // 2)


def lose_weights(folder):
    os.remove(os.path.join(folder, "weights.safetensors"))


def change_probe(folder):
    path = os.path.join(folder, "manifest.json")
    manifest = json.loads(read_text(path))
    probe = manifest["goldenProbe"]["photo"]
    manifest["goldenProbe"]["photo"] = [-value for value in probe]
    with open(path, "w") as file:
        json.dump(manifest, file)


FAILURES = [damage_weights, truncate_weights, lose_weights, change_probe]


class Swap(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.target = os.path.join(end_to_end_test.WORK, "data/target")
        self.store = os.path.join(self.folder, "checkpoints")
        os.makedirs(self.store)
        self.servers = []
        self.stop = threading.Event()
        self.faults = []
        self.searches = 0
        self.writes = 0
        self.versions_seen = set()
        with open(os.path.join(self.target, "dataset.jsonl")) as lines:
            images = [json.loads(line) for line in lines]
        self.sketches = [os.path.join(self.target, image["path"]) for image in images
                         if image["modality"] == "sketch" and image["split"] == "test"][:6]
        self.passing = [os.path.join(self.target, image["path"]) for image in images
                        if image["modality"] == "photo" and image["split"] == "train"][:12]

    def tearDown(self):
        self.stop.set()
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, store, name):
        server = Server(store, os.path.join(self.folder, name), "--poll-interval", "50ms")
        self.servers.append(server)
        return server.wait_until_serving()

    def recipe(self, number):
        """A store with one checkpoint, which has weights of its own."""
        store = os.path.join(self.folder, "recipe%d" % number)
        train(store, "step2.epochs=0", "seed=%d" % (number + 20))
        return os.path.join(store, "1")

    def publish(self, recipe, version, damage=None):
        draft = os.path.join(self.folder, "draft")
        shutil.copytree(recipe, draft)
        path = os.path.join(draft, "manifest.json")
        manifest = json.loads(read_text(path))
        manifest["version"] = str(version)
        with open(path, "w") as file:
            json.dump(manifest, file)
        if damage:
            damage(draft)
        os.rename(draft, os.path.join(self.store, str(version)))

    def search(self, server, sketch):
        """The version in the reply, and the score of each permanent photo."""
        reply = json.loads(run(program("s2p"), "--server", server.address, *PATIENT, "search",
                               sketch, "-k", "100", "--filter", "stays=yes", "--json").stdout)
        return int(reply["modelVersion"]), {match["photoId"]: match["score"]
                                            for match in reply["matches"]}

    def add_staying(self, server):
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test", "--metadata",
                   "stays=yes")

    def expected(self, recipe, name):
        store = os.path.join(self.folder, "store-" + name)
        os.makedirs(store)
        shutil.copytree(recipe, os.path.join(store, "1"))
        server = self.serve(store, "gallery-" + name)
        self.add_staying(server)
        scores = {sketch: self.search(server, sketch)[1] for sketch in self.sketches}
        server.end()
        return scores

    def guarded(self, work):
        def loop():
            try:
                while not self.stop.is_set():
                    work()
            except Exception as fault:  # Reported by the test's own thread.
                self.faults.append(fault)
                self.stop.set()
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def search_forever(self, server, truth):
        turn = iter(range(1 << 60))

        def once():
            sketch = self.sketches[next(turn) % len(self.sketches)]
            version, scores = self.search(server, sketch)
            wanted = truth[version][sketch]
            self.assertEqual(set(scores), set(wanted), "photos that version %d finds" % version)
            for photo, score in scores.items():
                self.assertAlmostEqual(score, wanted[photo], places=4,
                                       msg="%s in version %d" % (photo, version))
            self.versions_seen.add(version)
            self.searches += 1
        return once

    def write_forever(self, server):
        turn = iter(range(1 << 60))

        def once():
            path = self.passing[next(turn) % len(self.passing)]
            photo = os.path.splitext(os.path.basename(path))[0]
            server.s2p("gallery", "add", path, "--metadata", "passes=yes")
            found = server.json("search", "--like", photo, "--filter", "passes=yes", "-k", "50")
            self.assertIn(photo, [match["photoId"] for match in found["matches"]])
            server.s2p("gallery", "rm", photo)
            left = server.json("search", self.sketches[0], "--filter", "passes=yes", "-k", "50")
            self.assertNotIn(photo, [match["photoId"] for match in left.get("matches", [])])
            self.writes += 2
        return once

    def status_of(self, server, version):
        for known in server.json("model", "status")["versions"]:
            if int(known["version"]) == version:
                return known["state"]
        return ""

    def test_versions_under_load_with_a_third_failing(self):
        recipes = [self.recipe(number) for number in range(2)]
        expected = [self.expected(recipe, str(number)) for number, recipe in enumerate(recipes)]
        truth = {version: expected[version % 2] for version in range(1, VERSIONS + 1)}
        self.publish(recipes[1], 1)
        server = self.serve(self.store, "gallery")
        self.add_staying(server)
        threads = [self.guarded(self.search_forever(server, truth)) for _ in range(2)]
        threads.append(self.guarded(self.write_forever(server)))
        serving = 1
        for version in range(2, VERSIONS + 1):
            failing = version % 3 == 0
            self.publish(recipes[version % 2], version,
                         FAILURES[version // 3 % len(FAILURES)] if failing else None)
            wanted = "STATE_FAILED" if failing else "STATE_SERVING"
            server.wait(lambda: self.stop.is_set() or self.status_of(server, version) == wanted)
            serving = serving if failing else version
            # Each version answers before the next one is published, however slow the machine is.
            server.wait(lambda: self.stop.is_set() or serving in self.versions_seen)
        before = self.searches
        server.wait(lambda: self.stop.is_set() or self.searches > before + 6)
        self.stop.set()
        for thread in threads:
            thread.join()
        print("%d searches, %d writes, versions in the replies: %s" % (
            self.searches, self.writes, sorted(self.versions_seen)))
        self.assertEqual(self.faults, [])
        self.assertEqual(int(server.json("model", "status")["servingVersion"]), serving)
        self.assertLessEqual({v for v in range(2, VERSIONS + 1) if v % 3}, self.versions_seen)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Swap." + name for name in sys.argv[3:]])
