"""Runs the commands of s2p-trainer as a user does, on the data that end_to_end_test.py prepares.

usage: trainer_commands_test.py BIN_DIR WORK_DIR TEST...     runs tests of TrainerCommands by name
"""
import fcntl
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import end_to_end_test
from end_to_end_test import Server, program, read_bytes, run


def work():
    return end_to_end_test.WORK


def data(name):
    return os.path.join(work(), "data", name)


def trainer(*arguments, check=True):
    return run(program("s2p-trainer"), *arguments, check=check)


# A spec that trains in seconds.
SMALL = ["--preset", "demo", "--device", "cpu", "--set", "workers=0", "--set", "photo.height=32",
         "--set", "photo.width=32", "--set", "sketch.height=32", "--set", "sketch.width=32",
         "--set", "step1.epochs=1", "--set", "step2.epochs=1"]


def crc32c_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


CRC32C = crc32c_table()


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tf_records(path):
    """The data of each record of a TFRecord file, which must be whole."""
    data, at, records = read_bytes(path), 0, []
    while at < len(data):
        size, of_size = struct.unpack_from("<QI", data, at)
        assert of_size == masked_crc32c(data[at:at + 8]), "checksum of the length at %d" % at
        record = data[at + 12:at + 12 + size]
        of_record, = struct.unpack_from("<I", data, at + 12 + size)
        assert of_record == masked_crc32c(record), "checksum of the data at %d" % at
        records.append(record)
        at += 16 + size
    return records


def proto_fields(data):
    """[(number, value)] of a message in protobuf's wire format."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not data[at - 1] & 0x80:
                return value, at
    fields, at = [], 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 0:
            value, at = varint(at)
        elif key & 7 == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif key & 7 == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            size, at = varint(at)
            value, at = data[at:at + size], at + size
        fields.append((key >> 3, value))
    return fields


def tensorboard_events(path):
    """[(step, {tag: value})] of an event file; a value is a number or the bytes of a text."""
    events = []
    for record in tf_records(path):
        event, values = dict(proto_fields(record)), {}
        for _, summary_value in proto_fields(event.get(5, b"")):
            value = dict(proto_fields(summary_value))
            tag = value[1].decode()
            values[tag] = value[2] if 2 in value else dict(proto_fields(value[8]))[8]
        if 3 in event:
            values["file_version"] = event[3]
        assert event[1] > 1.6e9, "a time in seconds"
        events.append((event.get(2, 0), values))
    return events


# The names and shapes of the release's networks, from the golden key lists.
def released_shapes(keys_folder):
    for part, keys in (("Embed_net_1.base.", "se_resnext50_32x4d"),
                       ("Embed_net_2.base.", "se_resnext50_32x4d"),
                       ("Classify_net.", "c_net_dropout"), ("A_net.", "attribute_net"),
                       ("D_net.", "domain_net")):
        with open(os.path.join(keys_folder, "keys_%s.txt" % keys)) as lines:
            for line in lines:
                if line.startswith("#") or not line.strip():
                    continue
                name, kind, shape = line.split("\t")[:3]
                sizes = [] if shape == "scalar" else [int(size) for size in shape.split("x")]
                yield part + name, kind, sizes


def write_released(path, keys_folder):
    """A file of the release's structure: small varied weights, unit statistics."""
    block = b"".join(struct.pack("<f", 0.05 * math.sin(0.37 * i * i)) for i in range(8191))
    header, bodies, offset = {}, [], 0
    tensors = sorted(released_shapes(keys_folder), key=lambda t: 0 if t[1] == "I64" else 1)
    for name, kind, sizes in tensors:
        count = 1
        for size in sizes:
            count *= size
        if kind == "I64":
            body = b"\0" * 8 * count
        elif name.endswith("running_var") or (len(sizes) == 1 and name.endswith("weight")):
            body = struct.pack("<f", 1.0) * count
        else:
            body = (block * (4 * count // len(block) + 1))[:4 * count]
        header[name] = {"dtype": kind, "shape": sizes, "data_offsets": [offset, offset + len(body)]}
        offset += len(body)
        bodies.append(body)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for body in bodies:
            out.write(body)


class TrainerCommands(unittest.TestCase):

    def folder(self):
        return tempfile.mkdtemp(dir=work())

    def folder_of_pairs(self):
        """photo/ and sketch/ with the pairs of eight shoes."""
        folder = os.path.join(self.folder(), "shoes")
        for modality in ("photo", "sketch"):
            os.makedirs(os.path.join(folder, modality))
            for name in sorted(os.listdir(os.path.join(data("target"), modality)))[:8]:
                shutil.copy(os.path.join(data("target"), modality, name),
                            os.path.join(folder, modality))
        return folder

    def test_import_says_what_it_took_for_what(self):
        folder = self.folder_of_pairs()
        for name in (".DS_Store", "._1.jpg", "Thumbs.db"):
            with open(os.path.join(folder, "photo", name), "w") as out:
                out.write("left behind")
        said = trainer("import-dataset", "--format", "folder", "--root", folder,
                       "--out", folder + "-imported").stdout
        self.assertIn("8 photos of 8 identities and 8 sketches of 8; 6 identities to train on, "
                      "2 to test on", said)
        self.assertIn("note: 3 hidden files and others that systems leave behind", said)
        self.assertIn("identities: photos by their own names (8): ", said)
        self.assertIn("split: 25 % of the identities, drawn by name and --split-seed, are for testing", said)

    def test_images_are_added_and_all_can_be_trained_on(self):
        folder = self.folder_of_pairs()
        imported = folder + "-imported"
        command = ["import-dataset", "--format", "folder", "--root", folder, "--out", imported]
        trainer(*command)
        refused = trainer(*command, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--add adds the images to it", refused.stderr)
        sketch = sorted(os.listdir(os.path.join(folder, "sketch")))[0]
        shutil.copy(os.path.join(folder, "sketch", sketch),
                    os.path.join(folder, "sketch", sketch.replace(".", "-b.")))
        said = trainer(*command, "--add").stdout
        self.assertIn("8 photos of 8 identities and 9 sketches of 8; 6 identities to train on, "
                      "2 to test on", said)
        self.assertIn("images added: 1; there already: 16", said)
        said = trainer("import-dataset", "--format", "data-set", "--root", imported,
                       "--out", folder + "-all", "--test-fraction", "0").stdout
        self.assertIn("8 identities to train on, 0 to test on", said)

    def folder_of_photos(self):
        """Twelve photos, some in folders, among files of other kinds."""
        folder = os.path.join(self.folder(), "photos")
        os.makedirs(os.path.join(folder, "2026", "boots"))
        for i, name in enumerate(sorted(os.listdir(os.path.join(data("target"), "photo")))[:12]):
            shutil.copy(os.path.join(data("target"), "photo", name),
                        os.path.join(folder, "2026", "boots") if i % 3 == 0 else folder)
        with open(os.path.join(folder, "prices.csv"), "w") as out:
            out.write("12.50")
        return folder

    # A start that takes seconds.
    QUICK = ["--device", "cpu", "--set", "workers=0", "--set", "photo.height=32", "--set",
             "photo.width=32", "--set", "sketch.height=32", "--set", "sketch.width=32", "--set",
             "step2.epochs=1", "--set", "pseudo.per_photo=2"]

    def test_photos_alone_become_a_version_that_is_served(self):
        photos, store = self.folder_of_photos(), os.path.join(self.folder(), "checkpoints")
        command = ["start", "--photos", photos, "--checkpoint-root", store, *self.QUICK]
        said = trainer(*command).stdout
        self.assertIn("12 photos of 12 identities and 0 sketches of 0", said)
        self.assertIn("left out: .csv (1)", said)
        self.assertIn("published as version 1", said)
        self.assertIn("s2p-server --checkpoint-root " + store, said)
        server = Server(store, os.path.join(self.folder(), "gallery")).wait_until_serving()
        try:
            server.s2p("gallery", "add", "--id-from", "path", photos)
            reply = server.json("search", os.path.join(data("target"), "sketch", sorted(
                os.listdir(os.path.join(data("target"), "sketch")))[0]))
            self.assertEqual(reply["modelVersion"], "1")
            self.assertEqual(len(reply["matches"]), 10)
        finally:
            server.end()

    def test_second_start_adds_what_is_new_and_publishes_again(self):
        photos, store = self.folder_of_photos(), os.path.join(self.folder(), "checkpoints")
        sketches = os.path.join(self.folder(), "drawn")
        os.mkdir(sketches)
        for name in sorted(os.listdir(os.path.join(data("target"), "sketch")))[20:22]:
            shutil.copy(os.path.join(data("target"), "sketch", name), sketches)
        command = ["start", "--photos", photos, "--sketches", sketches, "--checkpoint-root", store,
                   *self.QUICK]
        self.assertIn("12 photos of 12 identities and 2 sketches of 2", trainer(*command).stdout)
        name = sorted(os.listdir(os.path.join(data("target"), "photo")))[30]
        shutil.copy(os.path.join(data("target"), "photo", name), photos)
        said = trainer(*command).stdout
        self.assertIn("images added: 1; there already: 14", said)
        self.assertIn("published as version 2", said)

    def test_start_without_photos_says_so_and_makes_nothing(self):
        folder = self.folder()
        store = os.path.join(folder, "checkpoints")
        os.mkdir(os.path.join(folder, "empty"))
        refused = trainer("start", "--photos", os.path.join(folder, "empty"),
                          "--checkpoint-root", store, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("has no JPEG, PNG or WebP image that can be read", refused.stderr)
        self.assertFalse(os.path.exists(os.path.join(store, "day-one", "data")))

    def test_store_that_cannot_be_written_is_named_before_anything_is_trained(self):
        refused = trainer("run", *SMALL, "--set", "source_dataset=" + data("source"),
                          "--set", "target_dataset=" + data("target"),
                          "--checkpoint-root", "/proc/self/checkpoints", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("/proc/self/checkpoints: --checkpoint-root cannot be made", refused.stderr)
        self.assertNotIn("epoch", refused.stdout)

    def test_surroundings_of_a_service_change_nothing(self):
        """No HOME, a decimal comma, an invalid time zone, and files only for the owner."""
        folder = self.folder_of_pairs()
        locales = os.path.join(folder, "locales")
        os.mkdir(locales)
        if shutil.which("localedef") is None or subprocess.run(
                ["localedef", "-i", "de_DE", "-f", "UTF-8", locales + "/de_DE.UTF-8"],
                stderr=subprocess.DEVNULL).returncode > 1:
            self.skipTest("there is no locale with a decimal comma to make")
        bare = {"LC_ALL": "de_DE.UTF-8", "LOCPATH": locales, "TZ": "No/Where"}
        outputs = []
        for environment, mask in ((dict(os.environ), 0o022), (bare, 0o077)):
            out = os.path.join(self.folder(), "shoes")
            said = subprocess.run(
                ["sh", "-c", 'umask %o; "$@"' % mask, "sh", program("s2p-trainer"),
                 "import-dataset", "--format", "folder", "--root", folder, "--out", out],
                env=environment, check=True, stdout=subprocess.PIPE).stdout
            measured = subprocess.run(
                [program("s2p-trainer"), "evaluate", "--baseline", "edge-correlation",
                 "--dataset", out, "--json"],
                env=environment, check=True, stdout=subprocess.PIPE).stdout
            outputs.append((said.replace(out.encode(), b"OUT"), measured,
                            read_bytes(out + "/dataset.jsonl"), read_bytes(out + "/dataset.json")))
        self.assertEqual(outputs[0], outputs[1])

    def test_released_model_is_imported_and_served(self):
        keys = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/golden")
        folder = self.folder()
        released = os.path.join(folder, "released.safetensors")
        write_released(released, keys)
        store = os.path.join(folder, "checkpoints")
        said = trainer("import-checkpoint", "--preset", "shoes", "--in", released,
                       "--checkpoint-root", store).stdout
        os.remove(released)
        self.assertIn("as shoes-release with 8 attributes, published as version 1", said)
        server = Server(store, os.path.join(folder, "gallery")).wait_until_serving()
        try:
            server.s2p("gallery", "add", "--dataset", data("target"), "--split", "test")
            reply = server.json("search", os.path.join(data("target"), "sketch", sorted(
                os.listdir(os.path.join(data("target"), "sketch")))[0]))
            self.assertEqual(reply["modelVersion"], "1")
            self.assertEqual(len(reply["queryAttributes"]), 8)
            self.assertEqual(len(reply["matches"]), 10)
        finally:
            server.end()

    def test_truncated_release_is_refused_and_nothing_is_published(self):
        folder = self.folder()
        released = os.path.join(folder, "released.safetensors")
        with open(released, "wb") as out:
            out.write(struct.pack("<Q", 1 << 40) + b"{}")
        refused = trainer("import-checkpoint", "--preset", "shoes", "--in", released,
                          "--checkpoint-root", os.path.join(folder, "store"), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(released, refused.stderr)
        self.assertFalse(os.path.exists(os.path.join(folder, "store")))

    def test_run_keeps_a_learning_curve(self):
        state = os.path.join(self.folder(), "state")
        printed = trainer("run", *SMALL, "--set", "target_dataset=" + data("target"),
                          "--state-dir", state).stdout
        job, = os.listdir(os.path.join(state, "jobs"))
        curve = os.path.join(state, "jobs", job, "learning_curve.png")
        self.assertIn("learning curve: " + curve, printed)
        self.assertEqual(read_bytes(curve)[:8], b"\x89PNG\r\n\x1a\n")

    def test_run_writes_what_tensorboard_reads(self):
        state = os.path.join(self.folder(), "state")
        trainer("run", *SMALL, "--set", "source_dataset=" + data("source"), "--set",
                "target_dataset=" + data("target"), "--set", "step2.epochs=2", "--set",
                "validation.fraction=0.3", "--set", "validation.every_epochs=1", "--state-dir", state)
        job, = os.listdir(os.path.join(state, "jobs"))
        folder = os.path.join(state, "jobs", job)
        events = tensorboard_events(os.path.join(folder, "events.out.tfevents.s2p"))
        self.assertEqual([step for step, _ in events], [0, 0, 1, 2, 3, 3])
        self.assertEqual(events[0][1], {"file_version": b"brain.Event:2"})
        self.assertIn(b"preset: \"demo\"", events[1][1]["spec"])
        with open(os.path.join(folder, "metrics.jsonl")) as lines:
            logged = [json.loads(line) for line in lines]
        for (_, scalars), epoch in zip(events[2:5], logged):
            for term in epoch["losses"]:
                self.assertAlmostEqual(scalars["loss/" + term["name"]], term["value"], places=4)
            self.assertAlmostEqual(scalars["learning_rate"], epoch["learningRate"], places=8)
            for direction, field in (("sketch-to-photo", "mAP"), ("photo-to-sketch", "photoToSketchMAP")):
                tag = "eval/%s/mAP" % direction
                self.assertEqual(tag in scalars, epoch["ihdaStep"] == 2)
                self.assertEqual(field in epoch, epoch["ihdaStep"] == 2)
                if tag in scalars:
                    self.assertAlmostEqual(scalars[tag], epoch[field], places=5)
        for split in ("test", "train-validation"):
            for direction in ("sketch-to-photo", "photo-to-sketch"):
                self.assertIn("result/%s/%s/rank1" % (split, direction), events[5][1])

    def test_comparison_of_two_models_is_paired_by_query(self):
        folder = self.folder()
        store = os.path.join(folder, "store")
        details = []
        for number, epochs in enumerate(("1", "3")):
            trainer("run", *SMALL, "--set", "target_dataset=" + data("target"),
                    "--set", "step2.epochs=" + epochs, "--checkpoint-root", store)
            measured = trainer("evaluate", "--checkpoint", os.path.join(store, str(number + 1)),
                               "--dataset", data("target"), "--details", "--json").stdout
            details.append(json.loads(measured))
            with open(os.path.join(folder, "%d.json" % number), "w") as out:
                out.write(measured)
        files = ["--a", os.path.join(folder, "0.json"), "--b", os.path.join(folder, "1.json")]
        by_file = json.loads(trainer("compare", *files, "--json").stdout)
        by_path = [{query["path"]: query["averagePrecision"] for query in side["ranks"]}
                   for side in details]
        differences = [by_path[1][path] - by_path[0][path] for path in by_path[0]]
        mean = sum(differences) / len(differences)
        variance = sum((d - mean) ** 2 for d in differences) / (len(differences) - 1)
        precision = by_file["sketch-to-photo"]["metrics"]["mAP"]
        self.assertAlmostEqual(precision["a"], details[0]["mAP"])
        self.assertAlmostEqual(precision["b"], details[1]["mAP"])
        self.assertAlmostEqual(precision["difference"], mean)
        self.assertAlmostEqual(precision["standardError"], math.sqrt(variance / len(differences)))
        self.assertTrue(precision["low"] < mean < precision["high"])
        checkpoints = ["--a", os.path.join(store, "1"), "--b", os.path.join(store, "2"),
                       "--dataset", data("target")]
        by_checkpoint = json.loads(trainer("compare", *checkpoints, "--json").stdout)
        self.assertEqual(list(by_checkpoint), ["sketch-to-photo", "photo-to-sketch"])
        self.assertEqual(by_checkpoint["sketch-to-photo"], by_file["sketch-to-photo"])
        self.assertIn("12 queries of 12 identities", trainer("compare", *checkpoints).stdout)
        other = trainer("compare", *checkpoints[:2], "--b", os.path.join(folder, "1.json"),
                        "--dataset", data("target"), "--split", "train", check=False)
        self.assertEqual(other.returncode, 1)
        self.assertIn("INVALID_ARGUMENT", other.stderr)

    def test_comparison_of_cross_validations_is_paired_by_split(self):
        folder = self.folder()
        results = []
        for seed in ("1", "2"):
            printed = trainer("cross-validate", *SMALL, "--set", "target_dataset=" + data("target"),
                              "--set", "seed=" + seed, "--folds", "3", "--json").stdout
            results.append(json.loads(printed))
            with open(os.path.join(folder, seed), "w") as out:
                out.write(printed)
        compared = json.loads(trainer("compare", "--a", os.path.join(folder, "1"), "--b",
                                      os.path.join(folder, "2"), "--json").stdout)
        for direction in ("sketch-to-photo", "photo-to-sketch"):
            values = [[split[direction]["mAP"] for split in side["splits"]] for side in results]
            differences = [b - a for a, b in zip(*values)]
            mean = sum(differences) / 3
            error = math.sqrt(sum((d - mean) ** 2 for d in differences) / 2 / 3)
            precision = compared[direction]["metrics"]["mAP"]
            self.assertAlmostEqual(precision["difference"], mean)
            self.assertAlmostEqual(precision["standardError"], error)
            self.assertAlmostEqual(precision["high"], mean + 4.3027 * error)

    def test_details_tell_every_rank_and_attribute_and_the_picture_is_written(self):
        store = os.path.join(self.folder(), "store")
        trainer("run", *SMALL, "--set", "source_dataset=" + data("source"),
                "--set", "target_dataset=" + data("target"), "--checkpoint-root", store)
        picture = os.path.join(self.folder(), "worst.png")
        checkpoint = os.path.join(store, "1")
        details = json.loads(trainer(
            "evaluate", "--checkpoint", checkpoint, "--dataset", data("target"), "--json",
            "--details", "--picture", picture, "--rows", "3").stdout)
        self.assertEqual(len(details["ranks"]), details["queries"])
        hits = sum(1 for query in details["ranks"] if query["rank"] == 1)
        self.assertAlmostEqual(details["rank1"], hits / details["queries"])
        self.assertTrue(0 < details["mINP"] <= 1)
        self.assertEqual(read_bytes(picture)[:8], b"\x89PNG\r\n\x1a\n")
        best = os.path.join(self.folder(), "best.png")
        trainer("evaluate", "--checkpoint", checkpoint, "--dataset", data("target"),
                "--picture", best, "--picture-of", "best", "--rows", "3")
        self.assertNotEqual(read_bytes(best), read_bytes(picture))
        source = json.loads(trainer(
            "evaluate", "--checkpoint", checkpoint, "--dataset", data("source"),
            "--split", "train", "--json").stdout)
        self.assertEqual(list(source), ["attributes"], "a source has no sketches to search with")
        self.assertEqual(source["attributes"][0]["known"], 3 * 48)

    def test_cross_validation_is_the_mean_of_its_folds_and_keeps_what_is_finished(self):
        state = self.folder()
        command = ["cross-validate", *SMALL, "--set", "target_dataset=" + data("target"),
                   "--folds", "3", "--state-dir", state]
        result = json.loads(trainer(*command, "--json").stdout)
        ranks = [split["sketch-to-photo"]["rank1"] for split in result["splits"]]
        self.assertEqual(len(ranks), 3)
        mean = sum(ranks) / 3
        deviation = math.sqrt(sum((rank - mean) ** 2 for rank in ranks) / 2)
        self.assertAlmostEqual(result["mean"]["sketch-to-photo"]["rank1"], mean)
        self.assertAlmostEqual(result["deviation"]["sketch-to-photo"]["rank1"], deviation)
        queries = sum(split["sketch-to-photo"]["queries"] for split in result["splits"])
        self.assertEqual(queries, 36, "each training identity is held back once")
        self.assertIn("±", trainer(*command).stdout)

    def test_cross_validation_forgets_results_of_other_pictures_and_programs(self):
        folder = self.folder()
        target, state = os.path.join(folder, "target"), os.path.join(folder, "state")
        shutil.copytree(data("target"), target)
        command = ["cross-validate", *SMALL, "--set", "target_dataset=" + target, "--folds", "2",
                   "--state-dir", state, "--json"]
        first = trainer(*command).stdout
        jobs = os.path.join(state, "jobs")
        folds = sorted(os.listdir(jobs))
        result = os.path.join(jobs, folds[0], "evaluations.json")
        measured = read_bytes(result)
        self.assertNotIn("resume", os.listdir(os.path.join(jobs, folds[0])))

        def write(text):
            with open(result, "wb") as out:
                out.write(text)

        with self.subTest("it hands out what the same program has measured"):
            stored = json.loads(measured)
            stored["evaluations"][0]["queries"] += 1000
            write(json.dumps(stored).encode())
            self.assertNotEqual(trainer(*command).stdout, first)
        with self.subTest("another program's result is measured again"):
            stored["reason"] = stored["reason"].replace("s2p-trainer ", "s2p-trainer 0.0.")
            write(json.dumps(stored).encode())
            self.assertEqual(trainer(*command).stdout, first)
            self.assertEqual(read_bytes(result), measured)
        with self.subTest("so is one that does not say where it comes from"):
            del stored["reason"]
            write(json.dumps(stored).encode())
            self.assertEqual(trainer(*command).stdout, first)
        with self.subTest("other pictures are other runs"):
            photos = sorted(os.listdir(os.path.join(target, "photo")))
            shutil.copy2(os.path.join(target, "photo", photos[1]),
                         os.path.join(target, "photo", photos[0]))
            trainer(*command)
            self.assertEqual(len(os.listdir(jobs)), 4)

    def test_folder_of_a_split_that_another_process_trains_is_refused(self):
        state = self.folder()
        command = ["cross-validate", *SMALL, "--set", "target_dataset=" + data("target"),
                   "--folds", "2", "--state-dir", state]
        trainer(*command)
        jobs = os.path.join(state, "jobs")
        for job in os.listdir(jobs):
            held = open(os.path.join(jobs, job, "lock"), "a", encoding="ascii")
            self.addCleanup(held.close)
            fcntl.flock(held, fcntl.LOCK_EX)
        refused = trainer(*command, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(jobs, refused.stderr)

    def test_cross_validation_and_selection_start_from_a_published_version(self):
        store = os.path.join(self.folder(), "store")
        trainer("run", *SMALL, "--set", "source_dataset=" + data("source"),
                "--set", "target_dataset=" + data("target"), "--checkpoint-root", store)
        start = ["--set", "source_dataset=" + data("source"), "--set", "initial_version=1",
                 "--set", "repeat_step1=true", "--set", "target_dataset=" + data("target"),
                 "--checkpoint-root", store]
        result = trainer("cross-validate", *SMALL, *start, "--folds", "2", "--json").stdout
        self.assertEqual(len(json.loads(result)["splits"]), 2)
        trainer("select-attributes", *SMALL, *start,
                "--work-dir", os.path.join(self.folder(), "predicted"))

    def test_cross_validation_over_data_sets_measures_each_ones_test(self):
        result = json.loads(trainer("cross-validate", *SMALL, "--target", data("target"),
                                    "--target", data("target"), "--json").stdout)
        self.assertEqual([split["sketch-to-photo"]["queries"] for split in result["splits"]],
                         [12, 12])
        self.assertEqual(result["deviation"]["sketch-to-photo"]["rank1"], 0)

    def test_best_epoch_is_not_chosen_on_the_fold_that_is_measured(self):
        refused = trainer("cross-validate", *SMALL, "--set", "target_dataset=" + data("target"),
                          "--set", "validation.keep_best=true", "--set",
                          "validation.every_epochs=1", "--folds", "3", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("validation.keep_best: must be false with --folds", refused.stderr)

    def test_best_epoch_and_last_epoch_are_both_reported(self):
        printed = trainer("run", *SMALL, "--set", "target_dataset=" + data("target"), "--set",
                          "validation.keep_best=true", "--set", "validation.every_epochs=1",
                          "--set", "validation.fraction=0.3").stdout
        self.assertIn("kept epoch 1: mAP", printed)
        for split in ("test", "test-last-epoch", "train-validation-last-epoch"):
            self.assertRegex(printed, r"(?m)^%s, sketch-to-photo +\d+" % split)

    def test_attributes_are_selected_by_a_threshold(self):
        out = trainer("select-attributes", *SMALL, "--set", "source_dataset=" + data("source"),
                      "--set", "target_dataset=" + data("target"), "--threshold", "0.5",
                      "--work-dir", os.path.join(self.folder(), "predicted"), "--json").stdout
        for attribute in json.loads(out)["attributes"]:
            self.assertEqual(attribute["kept"], attribute["balancedAccuracy"] >= 0.5)

    def test_packed_data_trains_and_evaluates_like_the_folder(self):
        folder = self.folder()
        packed = os.path.join(folder, "target.safetensors")
        trainer("pack", *SMALL, "--dataset", data("target"), "--out", packed)
        results = []
        for target in (data("target"), packed):
            store = os.path.join(folder, "store%d" % len(results))
            trainer("run", *SMALL, "--set", "target_dataset=" + target, "--checkpoint-root", store,
                    "--threads", "1")
            results.append(trainer("evaluate", "--checkpoint", os.path.join(store, "1"),
                                   "--dataset", target, "--json", "--threads", "1").stdout)
        self.assertEqual(results[0], results[1])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["TrainerCommands." + name for name in sys.argv[3:]])
