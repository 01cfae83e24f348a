"""Runs the example of a client in Python against a server, on what end_to_end_test.py prepares.

usage: python_example_test.py BIN_DIR WORK_DIR TEST...     runs tests of PythonExample by name
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import end_to_end_test
from end_to_end_test import Server

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "../../client/examples/s2p_client.py")



def python_with_grpc():
    """This interpreter, or the system's if only that one has Debian's packages; None if neither has."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.call(
                [python, "-c", "import grpc, google.protobuf"], stderr=subprocess.DEVNULL) == 0:
            return python
    return None


PYTHON = python_with_grpc()


@unittest.skipIf(PYTHON is None, "python3-grpcio is not installed: tools/setup.sh installs it")
class PythonExample(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.target = os.path.join(end_to_end_test.WORK, "data/target")
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *flags):
        server = Server(os.path.join(end_to_end_test.WORK, "checkpoints"),
                        os.path.join(self.folder, "server"), *flags)
        self.servers.append(server)
        return server.wait_until_serving()

    def example(self, server, *arguments, **environment):
        return subprocess.run(
            [PYTHON, EXAMPLE, "--server", server.address] + list(arguments),
            env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            universal_newlines=True)

    def photos(self, count):
        folder = os.path.join(self.target, "photo")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:count]]

    def test_photos_are_added_and_found(self):
        server = self.start()
        photos = self.photos(10)
        added = self.example(server, "add", *photos)
        self.assertEqual(added.returncode, 0, added.stderr)
        self.assertEqual(server.json("gallery", "stats")["photoCount"], "10")
        found = self.example(server, "search", photos[0], "-k", "3")
        self.assertEqual(found.returncode, 0, found.stderr)
        lines = [line.split("\t") for line in found.stdout.splitlines()]
        self.assertEqual([line[0] for line in lines], ["1", "2", "3"])
        # Each line must match the result of the command line.
        reply = server.json("search", photos[0], "-k", "3")
        self.assertEqual([line[2] for line in lines],
                         [match["photoId"] for match in reply["matches"]])

    def test_file_that_is_not_a_photo_is_named_and_the_others_are_added(self):
        server = self.start()
        bad = os.path.join(self.folder, "bad.png")
        with open(bad, "wb") as file:
            file.write(b"%PDF-1.4")
        added = self.example(server, "add", bad, *self.photos(2))
        self.assertEqual(added.returncode, 1)
        self.assertIn("bad: ", added.stderr)
        self.assertEqual(server.json("gallery", "stats")["photoCount"], "2")

    def test_name_that_is_not_utf8_is_named_and_the_others_are_added(self):
        server = self.start()
        photo = self.photos(1)[0]
        bad = os.path.join(os.fsencode(self.folder), b"caf\xe9.png")
        shutil.copy(os.fsencode(photo), bad)
        added = self.example(server, "add", bad, photo)
        self.assertEqual(added.returncode, 1)
        self.assertIn("the name is not UTF-8: rename the file", added.stderr)
        self.assertEqual(server.json("gallery", "stats")["photoCount"], "1")

    def test_proxy_does_not_stand_between_programs_on_one_machine(self):
        server = self.start()
        added = self.example(server, "add", self.photos(1)[0], http_proxy="http://127.0.0.1:1",
                             no_proxy="")
        self.assertEqual(added.returncode, 0, added.stderr)

    def test_errors_are_reported_with_their_code(self):
        server = self.start()
        found = self.example(server, "search", EXAMPLE)
        self.assertEqual(found.returncode, 1)
        self.assertIn("(INVALID_ARGUMENT)", found.stderr)
        missing = self.example(server, "search", os.path.join(self.folder, "none.png"))
        self.assertIn("none.png: No such file or directory", missing.stderr)

    def test_key_is_sent(self):
        keys = os.path.join(self.folder, "keys")
        with open(keys, "w") as file:
            file.write("a-long-secret-key\n")
        os.chmod(keys, 0o600)
        server = self.start("--api-key-file", keys)
        photo = self.photos(1)[0]
        self.assertIn("(UNAUTHENTICATED)", self.example(server, "search", photo).stderr)
        found = self.example(server, "search", photo, S2P_API_KEY="a-long-secret-key")
        self.assertEqual(found.returncode, 0, found.stderr)
        with open(keys, "w") as file:
            file.write("a-long-secret-key\n")
        found = self.example(server, "--api-key-file", keys, "search", photo)
        self.assertEqual(found.returncode, 0, found.stderr)

    def test_key_does_not_leave_the_machine_in_plain_text(self):
        photo = self.photos(1)[0]
        for server in ("photos.example:1", "203.0.113.7:1"):
            refused = subprocess.run(
                [PYTHON, EXAMPLE, "--server", server, "search", photo],
                env=dict(os.environ, S2P_API_KEY="a-long-secret-key"), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, universal_newlines=True)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("would travel to %s in plain text" % server, refused.stderr)

    @unittest.skipIf(shutil.which("openssl") is None, "openssl is not installed")
    def test_server_is_reached_through_tls(self):
        cert, key = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        server = self.start("--tls-cert", cert, "--tls-key", key)
        found = self.example(server, "--tls-ca", cert, "search", self.photos(1)[0])
        self.assertEqual(found.returncode, 0, found.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["PythonExample." + name for name in sys.argv[3:]])
