"""Breaks one thing after another under a server while one client adds photos and another searches,
on what end_to_end_test.py prepares: whatever the server has acknowledged stays, searches are
answered, and the server tells what is broken.

usage: faults_test.py BIN_DIR WORK_DIR TEST...     runs tests of Faults by name

S2P_KILLS: how often test_killed_server... kills (2).
"""
import calendar
import collections
import ctypes
import errno
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import end_to_end_test
from end_to_end_test import Server, program, read_bytes, run
# Starts this script again with an interpreter that has gRPC, if there is one.
from hostile_test import PATIENT_SECONDS, connect, grpc, png

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "../../proto")
KILLS = int(os.environ.get("S2P_KILLS", "2"))
# Calls that a test waits for before and after it changes something.
FEW = 5
# A client's pause between two calls: clients that take all of the machine show no more.
PAUSE_SECONDS = 0.005
# Small batches are warmed up quickly. The fastest layout is measured at each start, and layouts
# differ in the last bits of the scores.
FLAGS = ("--max-batch", "2", "--layout", "contiguous")
# Why this process cannot mount anything, or "": see leave_mounts_to_others.
MOUNTS_REFUSED = ""
# From linux/sched.h.
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000


def load_messages():
    """The modules that protoc generates."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "-I", PROTO, "--python_out", folder]
                       + glob.glob(os.path.join(PROTO, "s2p/v1/*.proto")), check=True)
        sys.path.insert(0, folder)
        from s2p.v1 import gallery_pb2, search_pb2
    return gallery_pb2, search_pb2


if grpc is not None:
    gallery_pb2, search_pb2 = load_messages()
    CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def leave_mounts_to_others():
    """Gives this process, and what it starts, mounts of its own, which end with it. Why not, or ""."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS) != 0:
        # A user without rights has them among processes of his own.
        if libc.unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0:
            return "no mounts of its own: " + os.strerror(ctypes.get_errno())
        for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % user),
                           ("gid_map", "0 %d 1" % group)):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    made = run("mount", "--make-rprivate", "/", check=False)
    return made.stderr.strip() if made.returncode != 0 else ""


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "XZ"
    except OSError:
        return False


class Client(threading.Thread):
    """Calls over and over until it is ended, and counts the codes of the calls of each phase."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.channel = connect(server.address)
        self.phase = "before"
        self.codes = collections.defaultdict(collections.Counter)
        self.ended = threading.Event()
        self.failure = None

    def stub(self, kind, method, request, response):
        return getattr(self.channel, kind)("/s2p.v1." + method, request.SerializeToString,
                                           response.FromString)

    def run(self):
        try:
            while not self.ended.is_set():
                phase = self.phase
                self.codes[phase][self.code_of_call()] += 1
                self.ended.wait(PAUSE_SECONDS)
        except Exception as error:
            self.failure = error

    def code_of_call(self):
        try:
            return self.call()
        except grpc.RpcError as error:
            return error.code().name

    def calls(self, phase, code=None):
        if self.failure is not None:
            raise self.failure
        codes = self.codes[phase]
        return sum(codes.values()) if code is None else codes[code]

    def end(self):
        self.ended.set()
        self.join()
        self.channel.close()
        if self.failure is not None:
            raise self.failure


class Adder(Client):
    """Adds photo after photo. `acknowledged`: the bytes of those that were, by id."""

    def __init__(self, server, acknowledged):
        super().__init__(server)
        self.acknowledged = acknowledged
        self.messages = set()
        self.add = self.stub("stream_stream", "GalleryService/AddPhotos", gallery_pb2.AddPhotoRequest,
                             gallery_pb2.AddPhotoResponse)
        self.number = len(acknowledged)

    def call(self):
        self.number += 1
        photo_id, photo = "photo-%05d" % self.number, png(24, 24, self.number)
        request = gallery_pb2.AddPhotoRequest(photo_id=photo_id, image=photo,
                                              metadata={"number": str(self.number)})
        response = next(self.add(iter([request]), timeout=PATIENT_SECONDS))
        if response.status.code == 0:
            self.acknowledged[photo_id] = photo
        else:
            self.messages.add(response.status.message)
        return CODES[response.status.code]


class Searcher(Client):
    """Searches with one sketch."""

    def __init__(self, server, sketch):
        super().__init__(server)
        self.search = self.stub("unary_unary", "SearchService/Search", search_pb2.SearchRequest,
                                search_pb2.SearchResponse)
        self.request = search_pb2.SearchRequest(examples=[search_pb2.Example(image=sketch)])

    def call(self):
        response = self.search(self.request, timeout=PATIENT_SECONDS)
        return "OK" if response.matches else "FOUND NOTHING"


@unittest.skipIf(grpc is None, "python3-grpcio is not installed: tools/setup.sh installs it")
class Faults(unittest.TestCase):
    def setUp(self):
        work = end_to_end_test.WORK
        self.folder = tempfile.mkdtemp(dir=work)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = os.path.join(work, "checkpoints")
        self.data = os.path.join(self.folder, "data")
        sketches = os.path.join(work, "data/target/sketch")
        self.sketch = os.path.join(sketches, sorted(os.listdir(sketches))[0])
        self.acknowledged = {}
        self.clients = ()

    # What a test says.

    def serve(self, *flags, store=None, **options):
        self.server = Server(store or self.store, self.data, *FLAGS, *flags, **options)
        self.addCleanup(self.server.end, signal.SIGKILL)
        self.server.wait_until_serving()

    def begin(self):
        """Starts both clients."""
        self.adder = Adder(self.server, self.acknowledged)
        self.searcher = Searcher(self.server, read_bytes(self.sketch))
        self.clients = (self.adder, self.searcher)
        self.adder.start()
        # A search of an empty gallery finds nothing.
        self.wait(lambda: self.adder.calls("before", "OK") > 0)
        self.searcher.start()
        for client in self.clients:
            self.wait(lambda: client.calls("before", "OK") >= FEW)

    def phase(self, name):
        """What the clients call from now on belongs to this phase."""
        for client in self.clients:
            client.phase = name

    def end_clients(self):
        for client in self.clients:
            client.end()

    def wait(self, condition):
        self.server.wait(condition)

    def faults(self):
        return {fault["kind"] for fault in self.server.json("model", "status").get("faults", [])}

    def expect_told(self, kind):
        """The status, its text, the metric and the log have this fault, and the status no other."""
        self.wait(lambda: self.faults() == {"KIND_" + kind.upper()})
        self.assertIn("fault %s: " % kind, self.server.s2p("model", "status").stdout)
        self.assertRegex(self.server.http_get("/metrics")[1],
                         r's2p_server_faults_total\{kind="%s"\} [1-9]' % kind)
        self.assertRegex(self.server.log(), r"fault .*kind=%s" % kind)

    def expect_refused(self, phase, code, words):
        """Photos are refused with this code only, and searches are answered."""
        self.wait(lambda: self.adder.calls(phase) >= FEW and self.searcher.calls(phase, "OK") >= FEW)
        self.assertEqual(set(self.adder.codes[phase]), {code})
        self.assertEqual(set(self.searcher.codes[phase]), {"OK"})
        for message in self.adder.messages:
            self.assertRegex(message, words)
            self.assertNotIn(self.folder, message)

    def expect_served(self, phase):
        """Everything is answered from now on, and the status has no faults once a photo was added."""
        self.phase(phase)
        for client in self.clients:
            self.wait(lambda: client.calls(phase, "OK") >= FEW)
            self.assertEqual(set(client.codes[phase]), {"OK"})
        self.assertEqual(self.faults(), set())

    def expect_nothing_lost(self):
        """The server has each photo that was acknowledged, whole and with its metadata."""
        with connect(self.server.address) as channel:
            get = channel.unary_stream("/s2p.v1.GalleryService/GetPhoto",
                                       gallery_pb2.GetPhotoRequest.SerializeToString,
                                       gallery_pb2.GetPhotoResponse.FromString)
            self.assertGreaterEqual(len(self.acknowledged), FEW)
            for photo_id, photo in self.acknowledged.items():
                request = gallery_pb2.GetPhotoRequest(
                    photo_id=photo_id, rendition=gallery_pb2.RENDITION_ORIGINAL)
                pieces = list(get(request, timeout=PATIENT_SECONDS))
                self.assertEqual(b"".join(piece.chunk for piece in pieces), photo, photo_id)
                self.assertEqual(dict(pieces[0].photo.metadata),
                                 {"number": str(int(photo_id.split("-")[1]))})

    def kill_and_start(self, *flags, **options):
        self.server.end(signal.SIGKILL)
        self.serve(*flags, **options)
        self.expect_nothing_lost()

    def answer(self):
        """Which version says what; the last bits of a score depend on the batch."""
        found = self.server.json("search", self.sketch, "--filter", "number=1")
        return found["modelVersion"], [(match["photoId"], round(match["score"], 5))
                                       for match in found["matches"]]

    def blob_of(self, photo_id):
        sha256 = self.server.json("gallery", "get", photo_id)["sha256"]
        return os.path.join(self.data, "photos", sha256[:2], sha256)

    def refused_start(self):
        """What a start says that is refused."""
        started = run(program("s2p-server"), "--checkpoint-root", self.store, "--data-dir", self.data,
                      "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", check=False)
        self.assertEqual(started.returncode, 1)
        return started.stderr

    # File systems that break.

    def mount(self, *arguments):
        made = run("mount", *arguments, check=False)
        if made.returncode != 0:
            self.skipTest("mounting is not permitted here: " + made.stderr.strip())
        self.addCleanup(run, "umount", "--lazy", arguments[-1], check=False)

    def use_small_disk(self):
        disk = os.path.join(self.folder, "disk")
        os.makedirs(disk)
        self.mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
        self.data = os.path.join(disk, "data")
        self.filler = os.path.join(disk, "filler")

    def fill(self, free_bytes):
        """Fills the small disk until so much is free."""
        with open(self.filler, "ab", buffering=0) as file:
            while True:
                disk = os.statvfs(self.filler)
                left = disk.f_bavail * disk.f_frsize - free_bytes
                if left <= 0:
                    return
                try:
                    file.write(bytes(min(left, 1 << 20)))
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)
                    return

    def use_faulty_disk(self):
        if MOUNTS_REFUSED:
            self.skipTest("mounting is not permitted here: " + MOUNTS_REFUSED)
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            self.skipTest("/dev/fuse cannot be used here")
        if run(sys.executable, "-c", "import fusepy", check=False).returncode != 0:
            self.skipTest("python3-fusepy is not installed: tools/setup.sh installs it")
        behind, disk = (os.path.join(self.folder, name) for name in ("behind", "disk"))
        self.orders = os.path.join(self.folder, "orders")
        for folder in (behind, disk):
            os.makedirs(folder)
        process = subprocess.Popen([sys.executable, os.path.join(HERE, "faulty_disk.py"), behind, disk,
                                    self.orders], stderr=subprocess.PIPE)

        def end():
            run("umount", "--lazy", disk, check=False)
            process.wait()
        self.addCleanup(process.stderr.close)
        self.addCleanup(end)
        while not os.path.ismount(disk):
            if process.poll() is not None:
                self.skipTest("FUSE cannot be used here: " + process.stderr.read().decode())
            time.sleep(0.02)
        self.data = os.path.join(disk, "data")

    def order(self, text):
        with open(self.orders + ".new", "w") as file:
            file.write(text)
        os.rename(self.orders + ".new", self.orders)

    # The faults.

    def test_disk_below_its_reserve_refuses_photos_and_takes_deletions(self):
        self.use_small_disk()
        self.serve()
        self.begin()
        self.fill(free_bytes=1 << 20)
        self.phase("low")
        self.expect_refused("low", "RESOURCE_EXHAUSTED", "--min-free")
        self.expect_told("disk_full")
        gone = min(self.acknowledged)
        self.server.s2p("gallery", "rm", gone)
        del self.acknowledged[gone]
        os.remove(self.filler)
        self.expect_served("room again")
        self.end_clients()
        self.expect_nothing_lost()
        self.kill_and_start()

    def test_full_disk_refuses_photos_and_loses_none(self):
        self.use_small_disk()
        self.serve("--min-free", "0")
        self.begin()
        self.fill(free_bytes=0)
        self.phase("full")
        self.expect_refused("full", "RESOURCE_EXHAUSTED", "disk is full")
        self.expect_told("disk_full")
        os.remove(self.filler)
        self.expect_served("room again")
        self.end_clients()
        self.expect_nothing_lost()
        self.kill_and_start()

    def test_folder_that_is_mounted_again_read_only_refuses_photos(self):
        if MOUNTS_REFUSED:
            self.skipTest("mounting is not permitted here: " + MOUNTS_REFUSED)
        self.serve()
        self.begin()
        self.mount("--bind", self.data, self.data)
        run("mount", "-o", "remount,bind,ro", self.data)
        self.phase("read-only")
        self.expect_refused("read-only", "INTERNAL", "refuses writes")
        self.expect_told("data_read_only")
        run("mount", "-o", "remount,bind,rw", self.data)
        self.expect_served("writable")
        self.end_clients()
        self.expect_nothing_lost()
        self.kill_and_start()

    def break_disk(self, order, kind, words):
        self.order(order)
        # What SQLite has in its cache may still serve a photo or two.
        self.phase("first " + order)
        self.wait(lambda: self.adder.calls("first " + order, "INTERNAL") > 0)
        self.phase(order)
        self.expect_refused(order, "INTERNAL", words)
        self.expect_told(kind)
        self.order("")
        self.adder.messages.clear()
        self.expect_served("after " + order)

    def test_disk_that_turns_read_only_refuses_photos_and_loses_none(self):
        self.use_faulty_disk()
        self.serve()
        self.begin()
        self.break_disk("change EROFS /", "data_read_only", "refuses writes")
        self.end_clients()
        self.kill_and_start()

    def test_errors_of_the_disk_refuse_photos_and_lose_none(self):
        self.use_faulty_disk()
        self.serve()
        self.begin()
        self.break_disk("change EIO /", "catalogue_failed", "could not read or write")
        self.break_disk("sync EIO /", "catalogue_failed", "could not read or write")
        self.break_disk("read EIO /gallery.db", "catalogue_failed", "could not read or write")
        self.end_clients()
        self.kill_and_start()

    def test_photo_that_the_disk_cannot_read_is_told_until_it_can(self):
        self.use_faulty_disk()
        self.serve()
        self.begin()
        self.order("read EIO /photos/")
        unread = self.server.s2p("gallery", "get", "photo-00001", "--out", self.folder + "/out", check=False)
        self.assertIn("DATA_LOSS", unread.stderr)
        self.expect_told("photo_damaged")
        self.order("")
        self.server.s2p("gallery", "get", "photo-00001", "--out", self.folder + "/out")
        self.expect_served("readable")
        self.end_clients()
        self.expect_nothing_lost()

    def test_deleted_photo_file_is_told_until_it_is_back(self):
        self.serve()
        self.begin()
        blob = self.blob_of("photo-00001")
        os.rename(blob, blob + ".away")
        unread = self.server.s2p("gallery", "get", "photo-00001", "--out", self.folder + "/out", check=False)
        self.assertIn("DATA_LOSS", unread.stderr)
        self.assertNotIn(self.folder + "/data", unread.stderr)
        self.expect_told("photo_missing")
        self.phase("one missing")
        for client in self.clients:
            self.wait(lambda: client.calls("one missing", "OK") >= FEW)
            self.assertEqual(set(client.codes["one missing"]), {"OK"})
        self.end_clients()
        # The next start says so, too, and still finds the photo.
        self.server.end(signal.SIGKILL)
        self.serve()
        self.assertIn("s2p_gallery_missing_photos 1", self.server.http_get("/metrics")[1])
        self.assertEqual([photo_id for photo_id, _ in self.answer()[1]], ["photo-00001"])
        self.server.s2p("gallery", "get", "photo-00001", "--out", self.folder + "/out", check=False)
        self.expect_told("photo_missing")
        os.rename(blob + ".away", blob)
        self.expect_nothing_lost()
        self.assertEqual(self.faults(), set())

    def test_catalogue_that_is_moved_away_refuses_photos_until_it_is_back(self):
        self.serve()
        self.begin()
        catalogue = os.path.join(self.data, "gallery.db")
        os.rename(catalogue, catalogue + ".away")
        self.phase("away")
        self.expect_refused("away", "INTERNAL", "could not read or write")
        self.expect_told("catalogue_failed")
        os.rename(catalogue + ".away", catalogue)
        self.expect_served("back")
        self.end_clients()
        self.kill_and_start()

    def test_deleted_catalogue_is_rebuilt_with_everything_acknowledged(self):
        self.serve()
        self.begin()
        for path in glob.glob(os.path.join(self.data, "gallery.db*")):
            os.remove(path)
        self.phase("deleted")
        self.expect_refused("deleted", "INTERNAL", "could not read or write")
        self.expect_told("catalogue_failed")
        self.end_clients()
        self.expect_nothing_lost()
        self.server.end(signal.SIGKILL)
        self.start_without_catalogue()

    def test_catalogue_deleted_between_two_starts_is_rebuilt_with_everything_acknowledged(self):
        self.serve()
        self.begin()
        self.end_clients()
        self.assertEqual(self.server.end(), 0)
        for path in glob.glob(os.path.join(self.data, "gallery.db*")):
            os.remove(path)
        self.start_without_catalogue()

    def start_without_catalogue(self):
        photos = sorted(glob.glob(os.path.join(self.data, "photos/*/*")))
        said = self.refused_start()
        self.assertIn("gallery.db: is missing", said)
        self.assertIn("rebuild", said)
        self.assertEqual(sorted(glob.glob(os.path.join(self.data, "photos/*/*"))), photos)
        run(program("s2p-server"), "rebuild", "--data-dir", self.data)
        self.serve()
        self.expect_nothing_lost()
        self.begin()
        self.expect_served("rebuilt")
        self.end_clients()

    def test_lost_store_is_told_and_the_adopted_model_serves(self):
        store = os.path.join(self.folder, "store")
        shutil.copytree(self.store, store)
        flags = ("--poll-interval", "50ms")
        self.serve(*flags, store=store)
        self.begin()
        answer = self.answer()
        os.rename(store, store + ".away")
        self.expect_told("store_unreadable")
        self.phase("without a store")
        for client in self.clients:
            self.wait(lambda: client.calls("without a store", "OK") >= FEW)
            self.assertEqual(set(client.codes["without a store"]), {"OK"})
        self.end_clients()
        self.kill_and_start(*flags, store=store)
        self.assertEqual(self.answer(), answer)
        self.expect_told("store_unreadable")
        os.rename(store + ".away", store)
        self.wait(lambda: self.faults() == set())

    def test_store_that_is_replaced_changes_no_answer_until_its_versions_are_whole(self):
        store, other = (os.path.join(self.folder, name) for name in ("store", "other"))
        for folder in (store, other):
            shutil.copytree(self.store, folder)
        # The other store has other bytes under the number that serves, and a damaged newer version.
        shutil.copytree(os.path.join(other, "1"), os.path.join(other, "2"))
        manifest = os.path.join(other, "2", "manifest.json")
        with open(manifest) as file:
            text = json.load(file)
        text["version"] = "2"
        with open(manifest, "w") as file:
            json.dump(text, file)
        for version in ("1", "2"):
            with open(os.path.join(other, version, "weights.safetensors"), "r+b") as file:
                file.seek(-1, os.SEEK_END)
                last = file.read(1)[0]
                file.seek(-1, os.SEEK_END)
                file.write(bytes([last ^ 1]))
        flags = ("--poll-interval", "50ms")
        self.serve(*flags, store=store)
        self.begin()
        answer = self.answer()
        os.rename(store, store + ".away")
        os.rename(other, store)
        self.wait(lambda: "STATE_FAILED" in self.server.s2p("model", "status", "--json").stdout)
        self.assertRegex(self.server.s2p("model", "status").stdout,
                         r"version 2: .*weights.safetensors: sha256")
        self.assertRegex(self.server.http_get("/metrics")[1],
                         r's2p_model_loads_total\{result="failed"\} [1-9]')
        self.phase("replaced")
        for client in self.clients:
            self.wait(lambda: client.calls("replaced", "OK") >= FEW)
            self.assertEqual(set(client.codes["replaced"]), {"OK"})
        self.end_clients()
        self.assertEqual(self.answer(), answer)
        self.kill_and_start(*flags, store=store)
        self.assertEqual(self.answer(), answer)

    def test_clock_that_is_set_back_an_hour_delays_nothing(self):
        shim, clock = (os.path.join(self.folder, name) for name in ("set_clock.so", "clock"))
        if shutil.which("cc") is None:
            self.skipTest("there is no C compiler here")
        run("cc", "-shared", "-fPIC", "-O2", "-o", shim, os.path.join(HERE, "set_clock.c"))

        def set_clock(hours):
            with open(clock, "r+b" if os.path.exists(clock) else "wb") as file:
                file.write(struct.pack("q", hours * 3600 * 10**9))
        set_clock(0)
        env = {"LD_PRELOAD": shim, "S2P_CLOCK_FILE": clock}
        self.serve(env=env)
        self.begin()
        for hours in (-1, 1, 0):
            set_clock(hours)
            self.expect_served("%+d h" % hours)
            # The server reads the clock that was set: it dates photos by it, after a moment in which
            # Abseil still extrapolates the former time.
            self.wait(lambda: abs(self.date_of_last_photo() - time.time() - hours * 3600) < 1800)
        set_clock(-1)
        self.end_clients()
        self.kill_and_start(env=env)
        self.assertEqual(self.server.end(), 0)

    def date_of_last_photo(self):
        """Seconds since 1970."""
        made = self.server.json("gallery", "get", max(self.acknowledged))["createdAt"]
        return calendar.timegm(time.strptime(made[:19], "%Y-%m-%dT%H:%M:%S"))

    def decoders(self):
        """The processes of s2p-decoder that the server has started."""
        pids = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as file:
                    pid, rest = file.read().split(" (s2p-decoder) ")
            except (OSError, ValueError):
                continue
            if int(rest.split()[1]) == self.server.process.pid:
                pids.append(int(pid))
        return pids

    def test_decoders_that_are_stopped_are_replaced(self):
        self.serve()
        self.begin()
        for stop in range(3):
            stopped = self.decoders()
            self.assertNotEqual(stopped, [])
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            self.expect_served("stop %d" % stop)
        self.wait(lambda: not set(stopped) & set(self.decoders()))
        self.assertRegex(self.server.http_get("/metrics")[1],
                         r's2p_decoder_ends_total\{reason="stopped"\} [1-9]')
        self.assertIn("replaced a decoder that was stopped", self.server.log())
        self.end_clients()
        self.expect_nothing_lost()

    def test_killed_server_has_everything_acknowledged(self):
        self.serve()
        for kill in range(KILLS):
            self.begin()
            left = self.decoders()
            self.server.process.kill()
            self.server.process.wait()
            for client in self.clients:
                while client.calls("before", "UNAVAILABLE") == 0:
                    time.sleep(PAUSE_SECONDS)
            self.end_clients()
            self.serve()
            self.expect_nothing_lost()
            self.assertEqual(self.faults(), set())
            # Its decoders end with it.
            self.wait(lambda: not any(map(is_running, left)))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    # Before there are threads, which could not share it.
    MOUNTS_REFUSED = leave_mounts_to_others()
    unittest.main(argv=[sys.argv[0]] + ["Faults." + name for name in sys.argv[3:]])
