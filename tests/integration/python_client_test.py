"""Builds the Python package, installs it into a virtual environment and uses all of it, on what end_to_end_test.py
prepares.

usage: python_client_test.py BIN_DIR WORK_DIR prepare     builds and installs the package
       python_client_test.py BIN_DIR WORK_DIR TEST...     runs tests of PythonClient by name

Exit code 77: a Debian package is missing, which a message names.
"""
import contextlib
import glob
import inspect
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

import end_to_end_test
import training_daemon_test
from end_to_end_test import Server, read_bytes, read_text

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PACKAGE = os.path.join(ROOT, "client/python")
# The interpreter that Debian's packages are for.
PYTHON = "/usr/bin/python3"
NEEDED = {"grpc": "python3-grpcio", "google.protobuf": "python3-protobuf", "build": "python3-build",
          "setuptools": "python3-setuptools", "wheel": "python3-wheel", "pip": "python3-pip", "numpy": "python3-numpy",
          "PIL": "python3-pil"}


def missing_packages():
    return [package for module, package in NEEDED.items() if subprocess.call(
        [PYTHON, "-c", "import " + module], stderr=subprocess.DEVNULL) != 0]


def installation(work):
    return os.path.join(work, "python_client")


def prepare(work):
    """Wheel and sdist, the wheel built from the sdist, without a network."""
    folder = installation(work)
    shutil.rmtree(folder, ignore_errors=True)
    source = os.path.join(folder, "source")
    shutil.copytree(PACKAGE, os.path.join(source, "client/python"),
                    ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"))
    shutil.copytree(os.path.join(ROOT, "proto"), os.path.join(source, "proto"))
    subprocess.run([PYTHON, "-m", "build", "--no-isolation", "--outdir", os.path.join(folder, "dist"),
                    os.path.join(source, "client/python")], check=True)
    environment = os.path.join(folder, "venv")
    subprocess.run([PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", environment], check=True)
    subprocess.run([os.path.join(environment, "bin/python"), "-m", "pip", "install", "--no-index", "--no-deps"]
                   + glob.glob(os.path.join(folder, "dist/*.whl")), check=True)


class PythonClient(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.target = os.path.join(end_to_end_test.WORK, "data/target")

    def start(self, *flags):
        server = Server(os.path.join(end_to_end_test.WORK, "checkpoints"),
                        os.path.join(self.folder, "server"), *flags)
        self.addCleanup(server.end, signal.SIGKILL)
        return server.wait_until_serving()

    def client(self, server, **options):
        client = sketch2photo.Client(server.address, **options)
        self.addCleanup(client.close)
        return client

    def files(self, modality, count):
        folder = os.path.join(self.target, modality)
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:count]]

    def photos(self, count, **fields):
        return [sketch2photo.Photo(os.path.basename(file), file, {"number": str(number)}, **fields)
                for number, file in enumerate(self.files("photo", count))]

    def example(self, name, *arguments):
        return subprocess.run([sys.executable, os.path.join(PACKAGE, "examples", name), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def key_file(self, key):
        path = os.path.join(self.folder, "keys")
        with open(path, "w") as file:
            file.write(key + "\n")
        os.chmod(path, 0o600)
        return path

    def certificate(self, name, *more):
        cert, key = (os.path.join(self.folder, name + ending) for ending in (".pem", ".key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "1", "-subj", "/CN=" + name, *more, "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        return cert, key

    def test_package_holds_types_and_the_protos_that_it_is_made_from(self):
        dist = os.path.join(installation(end_to_end_test.WORK), "dist")
        with zipfile.ZipFile(glob.glob(dist + "/*.whl")[0]) as wheel:
            self.assertIn("sketch2photo/py.typed", wheel.namelist())
            self.assertIn("sketch2photo/v1/search_pb2.pyi", wheel.namelist())
        with tarfile.open(glob.glob(dist + "/*.tar.gz")[0]) as sources:
            search = next(name for name in sources.getnames() if name.endswith("/proto/s2p/v1/search.proto"))
            self.assertEqual(sources.extractfile(search).read(),
                             read_bytes(os.path.join(ROOT, "proto/s2p/v1/search.proto")))
        self.assertEqual(sketch2photo.__version__, re.search(
            r"project\(sketch2photo VERSION (\S+)", read_text(os.path.join(ROOT, "CMakeLists.txt"))).group(1))

    @unittest.skipIf(shutil.which("mypy") is None, "mypy is not installed: tools/setup.sh installs it")
    def test_types_are_strict(self):
        checked = subprocess.run(
            [shutil.which("mypy", path="/usr/bin") or "mypy", "--strict", "--python-executable", sys.executable,
             "--config-file", os.path.join(PACKAGE, "pyproject.toml"), "--cache-dir", os.path.join(self.folder, "mypy"),
             "-p", "sketch2photo"], cwd=self.folder, stdout=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_reference_has_every_public_name_and_method(self):
        reference = read_text(os.path.join(ROOT, "docs/python.md"))
        names = [name for name in sketch2photo.__all__ if name not in ("__version__", "errors")]
        for kind in (sketch2photo.Client, sketch2photo.TrainerClient):
            names += [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
        for name in names:
            self.assertRegex(reference, r"`%s\b" % name)
        self.assertEqual(sorted(set(re.findall(r"^\| `(\w+)\(", reference, re.MULTILINE)) - set(names)), [])

    def test_every_kind_of_image_finds_the_same_photos(self):
        server = self.start()
        client = self.client(server)
        photos = self.photos(12)
        self.assertEqual({result.result for result in client.add_photos(photos)}, {"added"})
        sketch = self.files("sketch", 1)[0]
        picture = PIL.Image.open(sketch).convert("RGB")
        array = numpy.asarray(picture)
        found = [[match.photo_id for match in client.search(query, top_k=12).matches] for query in (
            sketch, read_bytes(sketch), bytearray(read_bytes(sketch)), picture, array, array / 255.0)]
        self.assertEqual(len(found[0]), 12)
        for other in found[1:]:
            self.assertEqual(other, found[0])
        reply = server.json("search", sketch, "-k", "12")
        self.assertEqual(found[0], [match["photoId"] for match in reply["matches"]])

    def test_pixels_of_an_array_arrive_unchanged(self):
        for shape in ((5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)):
            array = (numpy.arange(numpy.prod(shape)) * 37 % 256).astype(numpy.uint8).reshape(shape)
            decoded = numpy.asarray(PIL.Image.open(io.BytesIO(sketch2photo.image_bytes(array))))
            self.assertTrue((decoded == (array[:, :, 0] if shape[2:] == (1,) else array)).all(), shape)
            # A view whose rows do not follow each other in memory.
            decoded = numpy.asarray(PIL.Image.open(io.BytesIO(sketch2photo.image_bytes(array[:, ::-1]))))
            self.assertTrue((decoded == (array[:, ::-1, 0] if shape[2:] == (1,) else array[:, ::-1])).all(), shape)
        black_and_white = numpy.array([[True, False]])
        self.assertEqual(numpy.asarray(PIL.Image.open(io.BytesIO(
            sketch2photo.image_bytes(black_and_white)))).tolist(), [[255, 0]])

    def test_arrays_that_are_no_images_are_refused_before_they_are_sent(self):
        with contextlib.closing(sketch2photo.Client("127.0.0.1:1")) as client:
            for array, words in ((numpy.full((4, 4), numpy.nan), "NaN"), (numpy.full((4, 4), 2.0), "outside"),
                                 (numpy.zeros((0, 4), numpy.uint8), "empty"), (numpy.zeros((4, 4), int), "int64"),
                                 (numpy.zeros((4,), numpy.uint8), "shape"), (b"", "empty"), (7, "int")):
                with self.assertRaisesRegex(sketch2photo.InvalidArgument, words) as raised:
                    client.search(array)
                self.assertEqual((raised.exception.code, raised.exception.request_id), ("INVALID_ARGUMENT", ""))

    def test_search_filters_weighs_and_prefers_colours(self):
        client = self.client(self.start())
        photos = self.photos(6)
        list(client.add_photos(photos))
        first = photos[0].photo_id
        like = client.search(sketch2photo.Example(photo_id=first), top_k=1)
        self.assertEqual(like.matches[0].photo_id, first)
        other = client.search(sketch2photo.Example(photo_id=first),
                              filter=sketch2photo.Filter(exclude_photo_ids=[first], metadata={"number": "3"}))
        self.assertEqual([match.photo_id for match in other.matches], [photos[3].photo_id])
        as_photo = client.search([sketch2photo.Example(photos[1].image, modality="photo"),
                                  sketch2photo.Example(photo_id=first, weight=-0.1)], top_k=1)
        self.assertEqual(as_photo.matches[0].photo_id, photos[1].photo_id)
        sketch = self.files("sketch", 1)[0]
        colored = client.search(sketch, colors={"#c0392b": 1.0})
        sums = [match.score + match.color_score for match in colored.matches]
        self.assertEqual(sums, sorted(sums, reverse=True))
        self.assertGreater(max(match.color_score for match in colored.matches), 0)
        none = client.search(sketch, filter=sketch2photo.Filter(
            colors=[sketch2photo.ColorRange("#00ff00", max_difference=0.0, min_share=1.0)]))
        self.assertEqual(len(none.matches), 0)
        with self.assertRaisesRegex(sketch2photo.FailedPrecondition, "no-such-attribute"):
            client.search(sketch, filter=sketch2photo.Filter(attributes={"no-such-attribute": (0.5, None)}))

    def test_photos_are_kept_listed_changed_and_deleted(self):
        client = self.client(self.start())
        photos = self.photos(5)
        list(client.add_photos(photos))
        self.assertEqual({result.result for result in client.add_photos(photos)}, {"unchanged"})
        first = photos[0]
        self.assertEqual(client.get_original(first.photo_id), read_bytes(first.image))
        self.assertEqual(client.get_thumbnail(first.photo_id)[:2], b"\xff\xd8")
        self.assertEqual(dict(client.get_photo(first.photo_id).metadata), {"number": "0"})
        self.assertEqual([photo.photo_id for photo in client.list_photos(page_size=2)],
                         [photo.photo_id for photo in photos])
        self.assertEqual(dict(client.update_metadata(first.photo_id, {"a": "b"}).metadata), {"a": "b"})
        with self.assertRaises(sketch2photo.AlreadyExists):
            client.add_photo(first)
        self.assertEqual(client.add_photo(self.photos(1, on_conflict="skip")[0]).result, "skipped")
        self.assertEqual(client.add_photo(self.photos(1, on_conflict="replace")[0]).result, "replaced")
        ids = [first.photo_id] + ["unknown-%d" % number for number in range(1500)]
        self.assertEqual(client.delete_photos(ids), ids[1:])
        self.assertEqual(client.gallery_stats().photo_count, 4)

    def test_bad_photos_fail_alone(self):
        client = self.client(self.start("--max-message-bytes", str(1 << 20), "--max-image-bytes", str(1 << 19)))
        good = self.photos(6)
        bad = [sketch2photo.Photo("no-image", b"%PDF-1.4"), sketch2photo.Photo("gone", "/no/such/file.png"),
               sketch2photo.Photo("too-large", b"\xff\xd8" + bytes(3 << 20)), sketch2photo.Photo("", good[0].image)]
        results = {result.photo_id: result.error for result in client.add_photos(
            good[:2] + bad[:1] + good[2:3] + bad[1:2] + good[3:4] + bad[2:3] + good[4:] + bad[3:])}
        self.assertEqual({photo_id for photo_id, error in results.items() if error is None},
                         {photo.photo_id for photo in good})
        self.assertIsInstance(results["too-large"], sketch2photo.InvalidArgument)
        self.assertIn("No such file", results["gone"].message)
        self.assertEqual({error.code for error in results.values() if error is not None}, {"INVALID_ARGUMENT"})
        self.assertEqual(client.gallery_stats().photo_count, 6)

    def test_few_photos_are_read_ahead_of_the_results(self):
        client = self.client(self.start())
        taken = []

        def source():
            for photo in self.photos(40):
                taken.append(photo.photo_id)
                yield photo
        results = client.add_photos(source())
        for done in range(1, 21):
            next(results)
            self.assertLess(len(taken) - done, 17)
        results.close()
        self.assertLess(len(taken), 40)

    def test_server_that_is_replaced_within_a_stream_loses_no_photo(self):
        server = self.start()
        address = server.address
        results = self.client(server, timeout=600).add_photos(self.photos(40))
        done = [next(results) for _ in range(3)]
        server.end(signal.SIGKILL)
        again = Server(os.path.join(end_to_end_test.WORK, "checkpoints"), os.path.join(self.folder, "server"),
                       listen=address)
        self.addCleanup(again.end, signal.SIGKILL)
        done += list(results)
        self.assertEqual([result.photo_id for result in done], [photo.photo_id for photo in self.photos(40)])
        self.assertEqual([result.error for result in done if result.error is not None], [])
        self.assertEqual(again.json("gallery", "stats")["photoCount"], "40")

    def test_server_that_is_gone_within_a_stream_leaves_the_names_of_the_unanswered(self):
        server = self.start()
        results = self.client(server, retry=False).add_photos(self.photos(40))
        done = [next(results).photo_id for _ in range(2)]
        server.end(signal.SIGKILL)
        with self.assertRaises(sketch2photo.Unavailable) as raised:
            for result in results:
                done.append(result.photo_id)
        ids = [photo.photo_id for photo in self.photos(40)]
        self.assertTrue(raised.exception.unanswered)
        self.assertEqual(ids[len(done):len(done) + len(raised.exception.unanswered)], list(raised.exception.unanswered))

    def test_errors_carry_code_message_and_request_id(self):
        server = self.start("--log-level", "debug")
        client = self.client(server)
        with self.assertRaises(sketch2photo.NotFound) as raised:
            client.get_photo("unknown")
        error = raised.exception
        self.assertIsInstance(error, sketch2photo.Error)
        self.assertEqual(error.code, "NOT_FOUND")
        self.assertIn("unknown", error.message)
        self.assertIn(error.request_id, server.log())
        with self.assertRaises(sketch2photo.NotFound):
            client.search(sketch2photo.Example(photo_id="unknown"))
        with self.assertRaisesRegex(sketch2photo.InvalidArgument, "top_k"):
            client.search(self.files("sketch", 1)[0], top_k=100000)
        with self.assertRaises(sketch2photo.InvalidArgument):
            client.search(self.files("sketch", 1)[0], top_k=-1)
        with self.assertRaises(sketch2photo.MessageTooLarge):
            client.search(b"\xff\xd8" + bytes(40 << 20))
        client.close()
        with self.assertRaises(sketch2photo.Cancelled):
            client.model_status()

    def test_hint_of_a_busy_server_is_passed_on(self):
        client = self.client(self.start("--calls-per-second-per-key", "1", "--api-key-file", self.key_file("k" * 20)),
                             api_key="k" * 20, retry=False)
        with self.assertRaises(sketch2photo.ResourceExhausted) as raised:
            for _ in range(100):
                client.gallery_stats()
        self.assertGreater(raised.exception.retry_after, 0)

    def test_deadline_ends_a_call_that_nobody_answers(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            with sketch2photo.Client("127.0.0.1:%d" % silent.getsockname()[1], timeout=0.3) as client:
                with self.assertRaises(sketch2photo.DeadlineExceeded):
                    client.model_status()

    def test_keys_and_tls(self):
        cert, key = self.certificate("localhost", "-addext", "subjectAltName=IP:127.0.0.1")
        mine, mine_key = self.certificate("visitor")
        server = self.start("--api-key-file", self.key_file("a-long-secret-key"), "--tls-cert", cert, "--tls-key", key,
                            "--tls-client-ca", mine)
        tls = {"tls_ca": read_bytes(cert), "tls_cert": read_bytes(mine), "tls_key": read_bytes(mine_key)}
        self.assertEqual(self.client(server, api_key="a-long-secret-key", **tls).model_status().serving_version, 1)
        for wrong in ("", "another-long-key"):
            with self.assertRaises(sketch2photo.Unauthenticated):
                self.client(server, api_key=wrong, **tls).model_status()
        with self.assertRaises(sketch2photo.Unavailable):
            self.client(server, tls_ca=read_bytes(cert), timeout=5).model_status()

    def test_key_does_not_leave_the_machine_in_plain_text(self):
        for wrong, words in ((dict(api_key="a-long-secret-key"), "plain text"), (dict(api_key="two words"), "printable"),
                             (dict(tls_cert=b"x"), "belong together"), (dict(timeout=0), "not positive"),
                             (dict(tls_cert=b"x", tls_key=b"x"), "tls_ca")):
            with self.assertRaisesRegex(sketch2photo.InvalidArgument, words):
                sketch2photo.Client("photos.example:1", **wrong)

    def test_model_is_watched_and_pinned(self):
        client = self.client(self.start())
        watch = client.watch_model_status()
        self.assertEqual(next(watch).serving_version, 1)
        self.assertEqual(client.set_serving_version(1).pinned_version, 1)
        self.assertTrue(any(status.HasField("pinned_version") for status in watch))
        watch.close()
        self.assertFalse(client.set_serving_version(None).HasField("pinned_version"))
        with self.assertRaises(sketch2photo.NotFound):
            client.set_serving_version(9)

    def test_feedback_is_recorded_reviewed_exported_and_forgotten(self):
        server = self.start("--collect-feedback")
        client = self.client(server)
        photos = self.photos(2)
        list(client.add_photos(photos))
        sketches = self.files("sketch", 3)
        ids = [client.record_feedback(sketch, photo.photo_id).feedback_id
               for sketch, photo in zip(sketches, (photos[0], photos[0], photos[1]))]
        self.assertTrue(client.record_feedback(sketches[0], photos[0].photo_id).already_recorded)
        client.record_feedback(sketches[2], photos[0].photo_id, match=False, feedback_id="mine")
        self.assertEqual([entry.feedback_id for entry in client.list_feedback(page_size=1)], ids + ["mine"])
        self.assertEqual(client.get_feedback("mine", with_sketch=True).sketch[:4], b"\x89PNG")
        self.assertEqual(client.review_feedback(ids + ["unknown"], "accepted"), ["unknown"])
        self.assertEqual([entry.feedback_id for entry in client.list_feedback(state="pending")], ["mine"])
        entries = list(client.export_feedback())
        self.assertEqual([entry.feedback.photo_id for entry in entries],
                         [photos[0].photo_id, photos[0].photo_id, photos[1].photo_id])
        self.assertEqual([entry.photo for entry in entries],
                         [read_bytes(photos[0].image), None, read_bytes(photos[1].image)])
        folder = os.path.join(self.folder, "export")
        exported = self.example("feedback_export.py", server.address, folder)
        self.assertEqual(exported.returncode, 0, exported.stderr)
        self.assertEqual([len(os.listdir(os.path.join(folder, part))) for part in ("photo", "sketch")], [2, 3])
        self.assertEqual(client.delete_feedback(["mine", "unknown"]), ["unknown"])
        self.assertEqual(client.feedback_stats().accepted_count, 3)
        with self.assertRaises(sketch2photo.NotFound):
            client.record_feedback(sketches[0], "unknown")

    def test_examples_add_and_search(self):
        server = self.start()
        folder = os.path.join(self.folder, "photos")
        os.mkdir(folder)
        for file in self.files("photo", 12):
            shutil.copy(file, folder)
        added = self.example("bulk_add.py", server.address, folder)
        self.assertEqual((added.returncode, added.stdout), (0, "10 of 12\n12 of 12\n"), added.stderr)
        name = os.path.basename(self.files("photo", 1)[0])
        found = self.example("search.py", server.address, self.files("sketch", 1)[0], "file=" + name)
        self.assertEqual([line.split("\t")[2] for line in found.stdout.splitlines()], [name], found.stderr)
        with open(os.path.join(folder, "bad.png"), "wb") as file:
            file.write(b"%PDF-1.4")
        again = self.example("bulk_add.py", server.address, folder)
        self.assertEqual(again.returncode, 1)
        self.assertIn("bad.png: ", again.stderr)

    def daemon(self):
        daemon = training_daemon_test.Daemon(tempfile.mkdtemp(dir=self.folder))
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill())
        return daemon.start()

    def test_jobs_are_submitted_watched_cancelled_and_retried(self):
        daemon = self.daemon()
        with sketch2photo.TrainerClient(daemon.address, timeout=600) as trainer:
            with self.assertRaisesRegex(sketch2photo.InvalidArgument, "no_such_field"):
                trainer.submit_job("no_such_field: 1")
            with self.assertRaisesRegex(sketch2photo.InvalidArgument, "preset"):
                trainer.submit_job({"preset": "no-such-preset"})
            job = trainer.submit_job(training_daemon_test.SPEC.replace("step1 { epochs: 1 ", "step1 { epochs: 500 "))
            watch = trainer.watch_job(job.job_id)
            next(event for event in watch if event.progress.epoch)
            trainer.cancel_job(job.job_id)
            numbers = [event.event for event in watch]
            self.assertEqual(numbers, sorted(numbers))
            ended = trainer.get_job(job.job_id)
            self.assertEqual(ended.state, training_pb2.Job.STATE_CANCELLED)
            with self.assertRaises(sketch2photo.FailedPrecondition):
                trainer.cancel_job(job.job_id)
            self.assertEqual(trainer.retry_job(job.job_id).job_id, job.job_id)
            trainer.cancel_job(job.job_id)
            self.assertEqual(trainer.wait_for_job(job.job_id).state, training_pb2.Job.STATE_CANCELLED)
            self.assertEqual([entry.job_id for entry in trainer.list_jobs(page_size=1)], [job.job_id])
            with self.assertRaises(sketch2photo.NotFound):
                trainer.get_job("20260101-000000-000000-00000000")

    def test_example_trains(self):
        daemon = self.daemon()
        spec = os.path.join(self.folder, "spec.textproto")
        with open(spec, "w") as file:
            file.write(training_daemon_test.SPEC)
        trained = self.example("train.py", daemon.address, spec)
        self.assertEqual(trained.returncode, 0, trained.stderr)
        self.assertIn("step 2 epoch 3 of 3\n", trained.stdout)
        self.assertTrue(trained.stdout.endswith("STATE_SUCCEEDED, version 1\n"), trained.stdout)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    missing = missing_packages()
    if missing:
        print("skipped, because these packages are missing: %s (tools/setup.sh installs them)" % " ".join(missing))
        # The preparation counts as done, so that each test says why it is skipped.
        sys.exit(0 if sys.argv[3] == "prepare" else 77)
    if sys.argv[3] == "prepare":
        prepare(end_to_end_test.WORK)
        return
    installed = os.path.join(installation(end_to_end_test.WORK), "venv/bin/python")
    if sys.executable != installed:
        os.execv(installed, [installed] + sys.argv)
    unittest.main(argv=[sys.argv[0]] + ["PythonClient." + name for name in sys.argv[3:]])


try:
    import numpy
    import PIL.Image
    import sketch2photo
    from sketch2photo.v1 import training_pb2
except ImportError:
    pass  # This is not the interpreter of the virtual environment; main() starts that one.

if __name__ == "__main__":
    main()
