"""Runs s2p-server's backup, check and restore as an operator does, on what end_to_end_test.py prepares.

usage: backup_test.py BIN_DIR WORK_DIR TEST...     runs tests of Backup by name
"""
import glob
import os
import shutil
import signal
import sys
import tempfile
import threading
import unittest

import end_to_end_test
from end_to_end_test import Server, program, run


class Backup(unittest.TestCase):
    def setUp(self):
        work = end_to_end_test.WORK
        self.folder = tempfile.mkdtemp(dir=work)
        self.store = os.path.join(work, "checkpoints")
        self.photos = sorted(glob.glob(os.path.join(work, "data/target/photo/*")))
        self.sketch = sorted(glob.glob(os.path.join(work, "data/target/sketch/*")))[0]
        self.data = os.path.join(self.folder, "data")
        self.copy = os.path.join(self.folder, "copy")
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, data, store=None):
        # A fixed layout, since the default is measured at each start and layouts differ in the last
        # bits.
        self.servers.append(Server(store or self.store, data, "--layout", "contiguous"))
        return self.servers[-1].wait_until_serving()

    def command(self, name, *flags, check=True):
        return run(program("s2p-server"), name, *flags, check=check)

    def filled(self):
        server = self.serve(self.data)
        server.s2p("gallery", "add", *self.photos[:20], "--metadata", "kept=yes")
        return server

    def answer(self, server):
        found = server.json("search", self.sketch, "-k", "20", "--filter", "kept=yes")
        return [(match["photoId"], match["score"]) for match in found["matches"]]

    def test_backup_under_load_restores_to_the_same_answers(self):
        server = self.filled()
        stop = threading.Event()
        rounds = []

        def change():
            while not stop.is_set():
                server.s2p("gallery", "add", *self.photos[20:28], "--id-from", "path")
                listed = server.json("gallery", "list")["photos"]
                server.s2p("gallery", "rm", *[photo["photoId"] for photo in listed
                                              if "kept" not in photo.get("metadata", {})])
                rounds.append(len(listed))

        writer = threading.Thread(target=change, daemon=True)
        writer.start()
        while not rounds:
            stop.wait(0.05)
        before = len(rounds)
        self.command("backup", "--data-dir", self.data, "--out", self.copy)
        while len(rounds) == before:
            stop.wait(0.05)
        stop.set()
        writer.join()
        self.command("check", "--data-dir", self.copy)
        restored = os.path.join(self.folder, "restored")
        self.command("restore", "--from", self.copy, "--data-dir", restored)
        # Start without the store: the backup contains the model that the gallery is embedded with.
        empty = os.path.join(self.folder, "empty")
        os.makedirs(empty)
        self.assertEqual(self.answer(self.serve(restored, empty)), self.answer(server))

    def test_damaged_photo_of_a_backup_is_named(self):
        self.filled()
        self.command("backup", "--data-dir", self.data, "--out", self.copy)
        victim = sorted(glob.glob(os.path.join(self.copy, "photos/*/*")))[0]
        with open(victim, "r+b") as file:
            file.seek(10)
            byte = file.read(1)[0]
            file.seek(10)
            file.write(bytes([byte ^ 1]))
        result = self.command("check", "--data-dir", self.copy, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(os.path.basename(victim), result.stdout + result.stderr)
        result = self.command("restore", "--from", self.copy, "--data-dir",
                              os.path.join(self.folder, "restored"), check=False)
        self.assertEqual(result.returncode, 1)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "restored")))

    def test_folder_that_is_served_is_not_checked(self):
        self.filled()
        result = self.command("check", "--data-dir", self.data, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.data, result.stderr)

    def test_nothing_is_overwritten(self):
        self.filled()
        self.command("backup", "--data-dir", self.data, "--out", self.copy)
        again = self.command("backup", "--data-dir", self.data, "--out", self.copy, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn(self.copy, again.stderr)
        over = self.command("restore", "--from", self.copy, "--data-dir", self.data, check=False)
        self.assertEqual(over.returncode, 1)
        self.assertIn("not empty", over.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Backup." + name for name in sys.argv[3:]])
