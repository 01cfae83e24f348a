"""Runs the three programs together, as a user does: train, publish, serve, add, search.

usage: end_to_end_test.py BIN_DIR WORK_DIR prepare     makes a data set and trains a small model
       end_to_end_test.py BIN_DIR WORK_DIR TEST...     runs tests of EndToEnd by name
"""
import faulthandler
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zlib

BIN = ""
WORK = ""
# Waits have no limit of their own: a slow machine is not an error, and the runner's limit ends a
# hanging test. The client needs a deadline; this one is beyond the runner's limit.
PATIENT = ("--timeout", "86400")

# A test that hangs prints where it stands before the runner ends it.
faulthandler.dump_traceback_later(840)


def program(name):
    return os.path.join(BIN, name)


def run(*arguments, env=None, check=True):
    environment = dict(os.environ, **(env or {}))
    result = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, universal_newlines=True)
    if check and result.returncode != 0:
        raise AssertionError("%s\nexit code %d\n%s\n%s" % (
            " ".join(arguments), result.returncode, result.stdout, result.stderr))
    return result


def read_text(path):
    with open(path) as file:
        return file.read()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def train(store, *settings):
    """Trains on the target alone for a few updates: the quality does not matter here."""
    arguments = [program("s2p-trainer"), "run", "--preset", "demo", "--device", "cpu",
                 "--set", "target_dataset=" + os.path.join(WORK, "data/target"),
                 "--set", "step2.epochs=1", "--set", "workers=0",
                 "--checkpoint-root", store, "--state-dir", tempfile.mkdtemp(dir=WORK)]
    for setting in settings:
        arguments += ["--set", setting]
    return run(*arguments)


def prepare():
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    run(program("s2p-trainer"), "synthesize", "--out", os.path.join(WORK, "data"),
        "--identities", "48", "--seed", "5")
    train(os.path.join(WORK, "checkpoints"))


class Server:
    """An s2p-server on free ports, stopped with the object."""

    def __init__(self, store, data_dir, *flags, listen="127.0.0.1:0", env=None):
        self.files = tempfile.mkdtemp(dir=WORK)
        self.data_dir = data_dir
        self.log_path = os.path.join(self.files, "log")
        address_file = os.path.join(self.files, "address")
        http_file = os.path.join(self.files, "http")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program("s2p-server"), "--checkpoint-root", store, "--data-dir", data_dir,
                 "--device", "cpu", "--listen", listen, "--http", "127.0.0.1:0",
                 "--address-file", address_file, "--http-address-file", http_file] + list(flags),
                stdout=log, stderr=log, env=dict(os.environ, **(env or {})))
        self.wait(lambda: os.path.exists(address_file) and os.path.exists(http_file))
        self.address = read_text(address_file).strip()
        self.http = read_text(http_file).strip()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait(self, condition):
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError("the server ended with %d:\n%s" %
                                     (self.process.returncode, self.log()))
            time.sleep(0.05)
        return self

    def http_get(self, path):
        try:
            with urllib.request.urlopen("http://%s%s" % (self.http, path)) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_until_serving(self):
        return self.wait(lambda: self.http_get("/readyz")[0] == 200)

    def s2p(self, *arguments, check=True):
        patience = () if "--timeout" in arguments else PATIENT
        return run(program("s2p"), "--server", self.address, *patience, *arguments, check=check)

    def json(self, *arguments):
        return json.loads(self.s2p(*arguments, "--json").stdout)

    def resident_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait()


def png_header(width, height):
    """A PNG that claims its size but contains almost nothing."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(
            ">I", zlib.crc32(name + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


class EndToEnd(unittest.TestCase):
    def setUp(self):
        self.store = os.path.join(WORK, "checkpoints")
        self.target = os.path.join(WORK, "data/target")
        self.folder = tempfile.mkdtemp(dir=WORK)
        self.data_dir = os.path.join(self.folder, "server")
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *flags, store=None):
        server = Server(store or self.store, self.data_dir, *flags)
        self.servers.append(server)
        return server

    def images(self, modality):
        with open(os.path.join(self.target, "dataset.jsonl")) as lines:
            images = [json.loads(line) for line in lines]
        return [os.path.join(self.target, image["path"]) for image in images
                if image["modality"] == modality and image["split"] == "test"]

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def copy_of_store(self):
        copy = os.path.join(self.folder, "checkpoints")
        shutil.copytree(self.store, copy)
        return copy

    def test_keys_follow_their_file_and_changes_are_recorded(self):
        keys, audit = (os.path.join(self.folder, name) for name in ("keys", "audit"))
        made = {}
        for name, roles in (("web", "search"), ("operator", "admin")):
            made[name] = run(program("s2p"), "keys", "new", "--name", name, "--role", roles,
                             "--file", keys).stdout.strip()
        server = self.start("--api-key-file", keys, "--audit-log", audit)

        def ended(name, *arguments):
            return run(program("s2p"), "--server", server.address, *PATIENT, *arguments, check=False,
                       env={"S2P_API_KEY": made[name]})
        self.assertEqual(ended("web", "model", "status").returncode, 0)
        self.assertIn("needs a key with the role admin", ended("web", "model", "follow").stderr)
        self.assertEqual(ended("operator", "model", "follow").returncode, 0)
        self.assertEqual([(line["key"], line["method"], line["code"]) for line in
                          map(json.loads, read_text(audit).splitlines())],
                         [("web", "SetServingVersion", "PERMISSION_DENIED"),
                          ("operator", "SetServingVersion", "OK")])

        # SIGHUP is no end: the key is gone at once, and the audit log is a new file.
        run(program("s2p"), "keys", "revoke", "web", "--file", keys)
        os.rename(audit, audit + ".1")
        server.process.send_signal(signal.SIGHUP)
        server.wait(lambda: "UNAUTHENTICATED" in ended("web", "model", "status").stderr)
        self.assertEqual(ended("operator", "model", "status").returncode, 0)
        self.assertEqual([line["ids"] for line in map(json.loads, read_text(audit).splitlines())],
                         [["-web search"]])

    def test_server_and_trainer_measure_the_same(self):
        server = self.start().wait_until_serving()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test")
        for direction in ("sketch-to-photo", "photo-to-sketch"):
            if direction == "photo-to-sketch":
                server.s2p("gallery", "add", "--dataset", self.target, "--split", "test",
                           "--modality", "sketch", "--id-from", "path")
            served = server.json("eval", "--dataset", self.target, "--direction", direction)
            evaluated = json.loads(run(
                program("s2p-trainer"), "evaluate", "--checkpoint", os.path.join(self.store, "1"),
                "--dataset", self.target, "--split", "test", "--direction", direction,
                "--json").stdout)
            self.assertEqual(sorted(served), sorted(evaluated))
            for name, value in evaluated.items():
                self.assertAlmostEqual(served[name], value, places=6, msg=name)
            self.assertGreater(served["queries"], 0)

    def test_ranking_is_sorted_and_of_one_version(self):
        server = self.start().wait_until_serving()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test")
        reply = server.json("search", self.images("sketch")[0], "-k", "5")
        scores = [match["score"] for match in reply["matches"]]
        self.assertEqual([match["rank"] for match in reply["matches"]], [1, 2, 3, 4, 5])
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(reply["modelVersion"], "1")

    def test_photo_of_the_gallery_finds_itself(self):
        server = self.start().wait_until_serving()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test",
                   "--id-from", "path")
        best = server.json("search", "--like", "photo/" + os.path.basename(self.images("photo")[2]))
        self.assertAlmostEqual(best["matches"][0]["score"], 1.0, places=5)

    def test_acknowledged_photos_survive_kill(self):
        server = self.start().wait_until_serving()
        adding = subprocess.Popen(
            [program("s2p"), "--server", server.address, "--timeout", "1", "gallery", "add",
             "--dataset", self.target, "--split", "test", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            universal_newlines=True)
        acknowledged = [json.loads(adding.stdout.readline())["photoId"] for _ in range(3)]
        server.end(signal.SIGKILL)
        acknowledged += [json.loads(line)["photoId"] for line in adding.communicate()[0].splitlines()]
        again = self.start().wait_until_serving()
        kept = [photo["photoId"] for photo in again.json("gallery", "list").get("photos", [])]
        self.assertEqual(set(acknowledged) - set(kept), set())

    def test_deleted_photos_stay_deleted_after_kill(self):
        server = self.start().wait_until_serving()
        server.s2p("gallery", "add", *self.images("photo")[:3])
        gone = os.path.splitext(os.path.basename(self.images("photo")[0]))[0]
        server.s2p("gallery", "rm", gone)
        server.end(signal.SIGKILL)
        again = self.start().wait_until_serving()
        found = [match["photoId"] for match in
                 again.json("search", self.images("sketch")[0])["matches"]]
        self.assertEqual(len(found), 2)
        self.assertNotIn(gone, found)

    def test_original_comes_back_byte_for_byte(self):
        server = self.start().wait_until_serving()
        path = self.images("photo")[0]
        server.s2p("gallery", "add", path)
        copy = os.path.join(self.folder, "copy")
        server.s2p("gallery", "get", os.path.splitext(os.path.basename(path))[0], "--out", copy)
        self.assertEqual(read_bytes(path), read_bytes(copy))

    def test_hostile_images_are_refused_and_cost_no_memory(self):
        server = self.start().wait_until_serving()
        sketch = read_bytes(self.images("sketch")[0])
        hostile = {
            "truncated.png": sketch[:len(sketch) // 2],
            "huge.png": png_header(100000, 100000),
            "renamed.png": b"II*\x00" + b"\x08\x00\x00\x00" + b"\x00" * 4000,
            "text.png": b"this is no image\n" * 100,
        }
        server.s2p("search", self.images("sketch")[0], check=False)
        before = server.resident_bytes()
        for name, content in hostile.items():
            result = server.s2p("search", self.write(name, content), check=False)
            self.assertEqual(result.returncode, 1, name)
            self.assertIn("examples[0].image", result.stderr, name)
            self.assertIn("INVALID_ARGUMENT", result.stderr, name)
        self.assertLess(server.resident_bytes() - before, 64 << 20)

    def test_server_without_its_decoder_says_what_to_do(self):
        server = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir",
                     self.data_dir, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                     "--decoder", "/nowhere/s2p-decoder", check=False)
        self.assertEqual(server.returncode, 1)
        self.assertIn("/nowhere/s2p-decoder cannot be started", server.stderr)
        self.assertIn("--decode-in-process", server.stderr)

    def test_server_that_decodes_in_process_needs_no_decoder(self):
        server = self.start("--decode-in-process", "--decoder", "/nowhere/s2p-decoder")
        server.wait_until_serving()
        server.s2p("gallery", "add", self.images("photo")[0])
        self.assertEqual(len(server.json("search", self.images("sketch")[0])["matches"]), 1)
        self.assertIn("images are decoded in this process", server.log())

    def test_former_limit_of_decoded_pixels_is_accepted(self):
        server = self.start("--max-megapixels-in-flight", "160").wait_until_serving()
        server.s2p("gallery", "add", self.images("photo")[0])

    def test_second_server_on_the_folder_is_refused(self):
        self.start().wait_until_serving()
        second = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir",
                     self.data_dir, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                     check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(self.data_dir, second.stderr)

    def test_taken_port_is_named(self):
        for flag, other in (("--listen", "--http"), ("--http", "--listen")):
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                address = "127.0.0.1:%d" % taken.getsockname()[1]
                server = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir",
                             self.data_dir, flag, address, other, "127.0.0.1:0", check=False)
            self.assertEqual(server.returncode, 1, flag)
            self.assertIn(address, server.stderr)

    def test_damaged_checkpoint_is_not_served(self):
        store = self.copy_of_store()
        weights = os.path.join(store, "1", "weights.safetensors")
        with open(weights, "r+b") as file:
            file.seek(os.path.getsize(weights) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        server = self.start(store=store)
        server.wait(lambda: "STATE_FAILED" in server.s2p("model", "status", "--json").stdout)
        self.assertIn("weights.safetensors", server.s2p("model", "status").stdout)
        result = server.s2p("--timeout", "1", "search", self.images("sketch")[0], check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(server.http_get("/readyz")[0], 503)
        self.assertEqual(server.http_get("/healthz")[0], 200)

    def test_newer_format_is_refused_with_its_number(self):
        store = self.copy_of_store()
        path = os.path.join(store, "1", "manifest.json")
        manifest = json.loads(read_text(path))
        manifest["formatVersion"] = 99
        with open(path, "w") as file:
            json.dump(manifest, file)
        result = run(program("s2p-trainer"), "evaluate", "--checkpoint", os.path.join(store, "1"),
                     "--dataset", self.target, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("99", result.stderr)
        self.assertIn("manifest.json", result.stderr)

    def test_serves_what_is_published_after_the_start(self):
        empty = os.path.join(self.folder, "later")
        os.makedirs(empty)
        server = self.start(store=empty)
        self.assertEqual(server.http_get("/readyz")[0], 503)
        shutil.copytree(os.path.join(self.store, "1"), os.path.join(empty, ".copy.tmp"))
        os.rename(os.path.join(empty, ".copy.tmp"), os.path.join(empty, "1"))
        server.wait_until_serving()

    def test_newer_checkpoint_serves_after_a_restart_with_the_same_gallery(self):
        store = self.copy_of_store()
        server = self.start(store=store).wait_until_serving()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test")
        train(store, "seed=99")
        self.assertEqual(server.end(), 0, server.log())
        again = self.start(store=store).wait_until_serving()
        # The older version serves until the gallery is embedded with the newer one.
        again.wait(lambda: again.json("model", "status")["servingVersion"] == "2")
        reply = again.json("search", self.images("sketch")[0])
        self.assertEqual(reply["modelVersion"], "2")
        self.assertEqual(len(reply["matches"]), 10)

    def test_key_is_required(self):
        key = self.write("key", b"correct-horse-battery-staple\n")
        os.chmod(key, 0o600)
        server = self.start("--api-key-file", key).wait_until_serving()
        result = server.s2p("gallery", "stats", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("UNAUTHENTICATED", result.stderr)
        server.s2p("--api-key", "correct-horse-battery-staple", "gallery", "stats")

    def test_listening_for_everyone_needs_a_decision(self):
        for listen, http, flag in (("0.0.0.0:0", "127.0.0.1:0", "--insecure "),
                                   ("127.0.0.1:0", "0.0.0.0:0", "--insecure-http ")):
            server = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir",
                         self.data_dir, "--listen", listen, "--http", http, check=False)
            self.assertNotEqual(server.returncode, 0)
            self.assertIn(flag, server.stderr)

    def test_metrics_count_requests(self):
        server = self.start().wait_until_serving()
        server.s2p("gallery", "add", *self.images("photo")[:2])
        server.s2p("search", self.images("sketch")[0])
        status, text = server.http_get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("s2p_gallery_photos 2", text)
        self.assertIn("s2p_model_version 1", text)
        self.assertRegex(text, r's2p_requests_total\{[^}]*code="OK"[^}]*\} [1-9]')

    def test_sigterm_ends_the_server_cleanly(self):
        server = self.start().wait_until_serving()
        self.assertEqual(server.end(signal.SIGTERM), 0, server.log())

    def test_trainer_names_what_is_missing(self):
        result = run(program("s2p-trainer"), "run", "--preset", "demo", "--set",
                     "target_dataset=/nowhere/set", "--checkpoint-root",
                     os.path.join(self.folder, "c"), "--state-dir", os.path.join(self.folder, "s"),
                     check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nowhere/set", result.stderr)

    def test_same_seed_gives_the_same_weights(self):
        digests = []
        for _ in range(2):
            store = tempfile.mkdtemp(dir=self.folder)
            train(store, "seed=4")
            manifest = json.loads(read_text(os.path.join(store, "1", "manifest.json")))
            digests += [file["sha256"] for file in manifest["files"]]
        self.assertEqual(digests[0], digests[1])


if __name__ == "__main__":
    BIN, WORK = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    if sys.argv[3] == "prepare":
        prepare()
    else:
        unittest.main(argv=[sys.argv[0]] + ["EndToEnd." + name for name in sys.argv[3:]])
