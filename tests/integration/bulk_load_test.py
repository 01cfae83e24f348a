"""Adds many photos at once, with the real programs, on the data that end_to_end_test.py prepares.

usage: bulk_load_test.py BIN_DIR WORK_DIR TEST...     runs tests of BulkLoad by name

S2P_PHOTOS: how many (900); 10000 takes a few minutes.
"""
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import end_to_end_test
from end_to_end_test import Server, program

PHOTOS = int(os.environ.get("S2P_PHOTOS", "900"))
# Limit for the client, which only holds one photo and gRPC's buffers.
CLIENT_GROWTH_BYTES = 16 << 20
# Limit for the server: embedding, attributes and metadata of each photo, and SQLite's and the
# allocator's slack.
SERVER_GROWTH_BYTES = 24 << 20
SERVER_GROWTH_PER_PHOTO_BYTES = 4096


def png(seed):
    """128 x 128 pixels of noise: 48 KiB, so that a program that keeps all of them is detected."""
    noise = random.Random(seed).randbytes(128 * 128 * 3)
    rows = b"".join(b"\0" + noise[y * 384:(y + 1) * 384] for y in range(128))

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(
            ">I", zlib.crc32(name + body))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 128, 128, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


class BulkLoad(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.store = os.path.join(end_to_end_test.WORK, "checkpoints")
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, **options):
        server = Server(self.store, os.path.join(self.folder, "server"), **options)
        self.servers.append(server)
        return server.wait_until_serving()

    def photos(self, name, begin, end):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        for number in range(begin, end):
            with open(os.path.join(folder, "%06d.png" % number), "wb") as file:
                file.write(png(number))
        return folder

    def add(self, server, folder):
        """Starts a client with its standard error in a file."""
        log = open(os.path.join(self.folder, "client.log"), "w+")
        self.addCleanup(log.close)
        return subprocess.Popen([program("s2p"), "--server", server.address,
                                 *end_to_end_test.PATIENT, "gallery", "add", folder],
                                stdout=subprocess.DEVNULL, stderr=log), log

    def peak_of(self, process):
        """Waits for a client to succeed and returns its peak memory."""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.WEXITSTATUS(status)
        self.assertEqual(status, 0)
        return usage.ru_maxrss * 1024

    def test_memory_does_not_grow_with_the_number_of_photos(self):
        server = self.serve()
        few = PHOTOS // 3
        first_peak = self.peak_of(self.add(server, self.photos("few", 0, few))[0])
        resident = server.resident_bytes()
        second_peak = self.peak_of(self.add(server, self.photos("many", few, PHOTOS))[0])
        growth = server.resident_bytes() - resident
        print("client: %d MiB for %d photos, %d MiB for %d; server: from %d MiB by %d KiB" % (
            first_peak >> 20, few, second_peak >> 20, PHOTOS - few, resident >> 20, growth >> 10))
        self.assertLess(second_peak - first_peak, CLIENT_GROWTH_BYTES)
        self.assertLess(growth,
                        SERVER_GROWTH_BYTES + SERVER_GROWTH_PER_PHOTO_BYTES * (PHOTOS - few))
        self.assertEqual(server.json("gallery", "stats")["photoCount"], str(PHOTOS))

    def test_client_resumes_after_the_server_was_killed(self):
        server = self.serve()
        folder = self.photos("photos", 0, PHOTOS)
        client, log = self.add(server, folder)
        kills = 0
        for share in (0.2, 0.5):
            server.wait(lambda: int(server.json("gallery", "stats")["photoCount"]) >= share * PHOTOS
                        or client.poll() is not None)
            if client.poll() is not None:
                break
            server.end(signal.SIGKILL)
            kills += 1
            server = self.serve(listen=server.address)
        client.wait()
        log.seek(0)
        text = log.read()
        self.assertEqual(client.poll(), 0, text)
        self.assertGreaterEqual(kills, 1)
        self.assertIn("the connection broke; retrying", text)
        self.assertEqual(server.json("gallery", "stats")["photoCount"], str(PHOTOS))
        listed = [photo["photoId"] for photo in server.json("gallery", "list").get("photos", [])]
        self.assertEqual(len(listed), PHOTOS)
        self.assertEqual(len(set(listed)), PHOTOS)

    def test_client_resumes_after_a_clean_restart(self):
        server = self.serve()
        client, log = self.add(server, self.photos("photos", 0, PHOTOS))
        server.wait(lambda: int(server.json("gallery", "stats")["photoCount"]) >= PHOTOS // 4)
        address = server.address
        self.assertEqual(server.end(signal.SIGTERM), 0)
        server = self.serve(listen=address)
        self.assertEqual(client.wait(), 0)
        self.assertEqual(server.json("gallery", "stats")["photoCount"], str(PHOTOS))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["BulkLoad." + name for name in sys.argv[3:]])
