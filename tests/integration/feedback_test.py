"""Collects feedback as people and an operator do it, on what end_to_end_test.py prepares.

usage: feedback_test.py BIN_DIR WORK_DIR TEST...     runs tests of Feedback by name
"""
import glob
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import unittest

import end_to_end_test
from end_to_end_test import Server, program, read_bytes, run


def lines_of(folder):
    """The lines of a data set; none if there is no dataset.jsonl."""
    path = os.path.join(folder, "dataset.jsonl")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


class Feedback(unittest.TestCase):
    def setUp(self):
        work = end_to_end_test.WORK
        self.folder = tempfile.mkdtemp(dir=work)
        self.store = os.path.join(work, "checkpoints")
        self.photos = sorted(glob.glob(os.path.join(work, "data/target/photo/*")))
        self.sketches = sorted(glob.glob(os.path.join(work, "data/target/sketch/*")))
        self.data = os.path.join(self.folder, "data")
        self.pairs = os.path.join(self.folder, "pairs")
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, *flags):
        self.servers.append(Server(self.store, self.data, "--layout", "contiguous", *flags))
        return self.servers[-1].wait_until_serving()

    def collect(self):
        return self.serve("--collect-feedback", "--feedback-dataset", self.pairs)

    def filled(self, photos=6):
        server = self.collect()
        server.s2p("gallery", "add", *self.photos[:photos])
        self.ids = sorted(p["photoId"] for p in server.json("gallery", "list")["photos"])
        return server

    def record(self, server, index, photo=None, *flags):
        photo = self.ids[index] if photo is None else photo
        return server.s2p("feedback", "record", self.sketches[index], photo, *flags).stdout.strip()

    def states(self, server):
        return {entry["feedbackId"]: entry["state"]
                for entry in server.json("feedback", "list")["feedback"]}

    def identities(self, modality):
        return sorted(line["identity"] for line in lines_of(self.pairs)
                      if line["modality"] == modality)

    def check_data_set(self, folder):
        """The trainer reads and copies the data set."""
        out = tempfile.mkdtemp(dir=self.folder)
        return run(program("s2p-trainer"), "import-dataset", "--format", "data-set", "--root", folder,
                   "--out", os.path.join(out, "copy"))

    def test_matches_are_recorded_reviewed_exported_and_forgotten(self):
        server = self.filled()
        first, second, third = (self.record(server, index) for index in range(3))
        self.assertEqual(self.record(server, 0), first)
        self.record(server, 3, None, "--no-match")
        self.assertEqual(len(self.states(server)), 4)
        self.assertEqual(lines_of(self.pairs), [])
        server.s2p("feedback", "review", "--accept", "--", first, second)
        server.s2p("feedback", "review", "--reject", third)
        self.assertEqual(self.states(server)[first], "STATE_ACCEPTED")
        self.assertEqual(self.states(server)[third], "STATE_REJECTED")
        self.assertEqual(self.identities("sketch"), self.ids[:2])
        self.assertEqual(self.identities("photo"), self.ids[:2])
        self.check_data_set(self.pairs)
        exported = os.path.join(self.folder, "exported")
        self.assertIn("2 drawings of 2 photos", server.s2p("feedback", "export", exported).stdout)
        self.check_data_set(exported)
        photos = {read_bytes(path) for path in glob.glob(exported + "/photo/*")}
        self.assertEqual(photos, {read_bytes(path) for path in self.photos[:2]})
        kept = read_bytes(sorted(glob.glob(exported + "/sketch/*"))[0])[40:100]
        server.s2p("feedback", "forget", first)
        self.assertEqual(self.identities("sketch"), self.ids[1:2])
        for root in (self.data, self.pairs):
            for folder, _, names in os.walk(root):
                for name in names:
                    self.assertNotIn(kept, read_bytes(os.path.join(folder, name)), name)
        server.s2p("gallery", "rm", self.ids[1])
        self.assertEqual(lines_of(self.pairs), [])
        again = server.s2p("feedback", "export", os.path.join(self.folder, "none"), check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("no accepted match", again.stderr)

    def test_off_unless_asked_for(self):
        server = self.serve()
        refused = server.s2p("feedback", "list", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--collect-feedback", refused.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.data, "feedback.db")))

    def test_data_set_needs_the_collection(self):
        refused = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir", self.data,
                      "--feedback-dataset", self.pairs, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("needs --collect-feedback", refused.stderr)

    def test_restart_without_the_flag_keeps_and_shows_nothing(self):
        server = self.filled()
        self.record(server, 0)
        server.end()
        without = self.serve()
        self.assertEqual(without.s2p("feedback", "list", check=False).returncode, 1)
        without.end()
        self.assertEqual(len(self.states(self.collect())), 1)

    def test_answered_feedback_survives_kills_and_the_data_set_is_whole(self):
        server = self.filled(12)
        # What was answered, in all cycles.
        recorded, accepted = set(), set()
        for cycle in range(int(os.environ.get("S2P_KILLS", "4"))):
            before = len(recorded) + len(accepted)

            def work():
                for index in range(12):
                    # Each cycle has its own pairs, as long as there are drawings.
                    sketch = self.sketches[(index + cycle) % len(self.sketches)]
                    entry = server.s2p("feedback", "record", sketch, self.ids[index], check=False)
                    if entry.returncode != 0:
                        return
                    name = entry.stdout.strip()
                    recorded.add(name)
                    if server.s2p("feedback", "review", "--accept", name,
                                  check=False).returncode != 0:
                        return
                    accepted.add(name)

            worker = threading.Thread(target=work, daemon=True)
            worker.start()
            server.wait(lambda: len(recorded) + len(accepted) - before > (3 + 4 * cycle) % 24
                        or not worker.is_alive())
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            # The client retries until its deadline, which is far away.
            port = server.address
            server = Server(self.store, self.data, "--layout", "contiguous", "--collect-feedback",
                            "--feedback-dataset", self.pairs, listen=port)
            self.servers.append(server)
            server.wait_until_serving()
            worker.join()
            states = self.states(server)
            self.assertLessEqual(recorded, set(states))
            kept = {name for name, state in states.items() if state == "STATE_ACCEPTED"}
            # A review may be on disk though the kill came before its answer.
            self.assertLessEqual(accepted, kept)
            self.assertEqual(len(self.identities("sketch")), len(kept))
            self.check_data_set(self.pairs)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Feedback." + name for name in sys.argv[3:]])
