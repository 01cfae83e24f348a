"""Runs the programs as Debian's packages install them: unpacked into a folder, with their settings, as their
units start them, on the model that end_to_end_test.py prepares and the packages that
tests/deploy/packages_test.py makes.

usage: installed_test.py BIN_DIR WORK_DIR TEST...     runs tests of Installed by name

S2P_PACKAGES is the folder in which packages_test.py has made the packages.
"""
import base64
import glob
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../deploy"))
sys.dont_write_bytecode = True
import end_to_end_test  # noqa: E402
import system_copy  # noqa: E402
from end_to_end_test import PATIENT, program, read_bytes, read_text, run  # noqa: E402
from training_daemon_test import SPEC  # noqa: E402

ROOT = os.path.join(os.environ["S2P_PACKAGES"], "root")


class Service:
    """A program started by the words of its unit, which tells this object when it is ready."""

    def __init__(self, unit, folder, *flags):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.log_path = os.path.join(self.folder, "log")
        notify = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(notify)
        self.socket.settimeout(0.05)
        self.told = []
        text = read_text(os.path.join(ROOT, "usr/lib/systemd/system", unit))
        # Both the program and its settings lie below the root.
        words = [ROOT + word if word.startswith("/") else word
                 for word in re.search("^ExecStart=(.*)$", text, re.MULTILINE).group(1).split()]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*words, "--listen", "127.0.0.1:0", "--address-file", self.file("address"), *flags],
                stdout=log, stderr=log, env=dict(clean, NOTIFY_SOCKET=notify))
        self.wait_until_told("READY=1")
        self.address = read_text(self.file("address")).strip()

    def file(self, name):
        return os.path.join(self.folder, name)

    def wait_until_told(self, state):
        while not any(message.split("\n")[0] == state for message in self.told):
            try:
                self.told.append(self.socket.recv(4096).decode())
            except socket.timeout:
                if self.process.poll() is not None:
                    raise AssertionError("the program ended with %d:\n%s" % (
                        self.process.returncode, read_text(self.log_path)))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def s2p(self, *arguments):
        return run(program("s2p"), *PATIENT, *arguments, "--server", self.address).stdout


class Installed(unittest.TestCase):
    def setUp(self):
        self.store = os.path.join(end_to_end_test.WORK, "checkpoints")
        self.target = os.path.join(end_to_end_test.WORK, "data/target")
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.data_dir = os.path.join(self.folder, "server")
        self.services = []

    def tearDown(self):
        for service in self.services:
            service.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, unit, *flags):
        self.services.append(Service(unit, self.folder, *flags))
        return self.services[-1]

    def start_server(self):
        # A layout that each start chooses for itself would change the last digits of scores.
        server = self.start("s2p-server.service", "--http", "127.0.0.1:0", "--checkpoint-root", self.store,
                            "--data-dir", self.data_dir, "--layout", "contiguous")
        while "SERVING" not in server.s2p("model", "status"):
            self.assertIsNone(server.process.poll(), read_text(server.log_path))
        return server

    def stop(self, service):
        """Ends it as systemd does."""
        service.process.send_signal(signal.SIGTERM)
        service.wait_until_told("STOPPING=1")
        self.assertEqual(service.process.wait(), 0)

    def sketch(self):
        return sorted(glob.glob(os.path.join(self.target, "sketch/*")))[0]

    def search(self, server):
        matches = json.loads(server.s2p("search", self.sketch(), "-k", "5", "--json"))["matches"]
        return [(match["photoId"], match["score"]) for match in matches]

    def photos(self, server):
        return json.loads(server.s2p("gallery", "list", "--json"))["photos"]

    def test_page_finds_what_the_command_line_has_added(self):
        server = self.start_server()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test")
        # The decoder is where the server looks for it, and nowhere else.
        self.assertFalse(os.path.exists(os.path.join(ROOT, "usr/bin/s2p-decoder")))
        page = self.start("s2p-web.service", "--server", server.address)
        with urllib.request.urlopen("http://%s/" % page.address) as reply:
            self.assertIn("<title>", reply.read().decode())
        body = {"examples": [{"image": base64.b64encode(read_bytes(self.sketch())).decode()}], "topK": 5}
        request = urllib.request.Request("http://%s/api/search" % page.address, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            found = json.loads(reply.read())["matches"]
        self.assertEqual([match["photoId"] for match in found], [name for name, _ in self.search(server)])
        self.assertEqual(len(found), 5)
        self.stop(page)
        self.stop(server)

    def test_trainer_publishes_what_a_job_has_trained(self):
        store = os.path.join(self.folder, "checkpoints")
        trainer = self.start("s2p-trainer.service", "--http", "127.0.0.1:0", "--device", "cpu", "--threads", "1",
                             "--checkpoint-root", store, "--state-dir", os.path.join(self.folder, "trainer"),
                             "--data-root", end_to_end_test.WORK)
        spec = os.path.join(self.folder, "spec.textproto")
        with open(spec, "w") as file:
            file.write(SPEC.replace("epochs: 3", "epochs: 1"))
        job = json.loads(trainer.s2p("train", "submit", spec, "--json"))["job"]["jobId"]
        self.assertIn("published", trainer.s2p("train", "watch", job))
        self.assertEqual(sorted(os.listdir(store))[-1], "1")
        self.stop(trainer)

    def test_folder_of_the_first_version_is_served_as_before(self):
        server = self.start_server()
        server.s2p("gallery", "add", "--dataset", self.target, "--split", "test", "--metadata", "shop=north")
        photos = self.photos(server)
        found = self.search(server)
        self.stop(server)

        # The first version knew neither colours nor the journal.
        with sqlite3.connect(os.path.join(self.data_dir, "gallery.db")) as catalogue:
            catalogue.execute("DROP TABLE colours")
            catalogue.execute("DROP TABLE journal_position")
        catalogue.close()
        journal = os.path.join(self.data_dir, "photos/items.journal")
        os.remove(journal)

        server = self.start_server()
        self.assertEqual(self.photos(server), photos)
        again = self.search(server)
        self.assertEqual([name for name, _ in again], [name for name, _ in found])
        for (_, score), (_, before) in zip(again, found):
            self.assertAlmostEqual(score, before, places=5)
        self.assertGreater(os.path.getsize(journal), 0)
        server.s2p("gallery", "rm", found[0][0])
        self.assertNotIn(found[0][0], [name for name, _ in self.search(server)])
        self.stop(server)
        checked = run(program("s2p-server"), "check", "--data-dir", self.data_dir).stdout
        self.assertIn("%d items" % (len(photos) - 1), checked)

    def test_units_serve_in_their_sandbox(self):
        """systemd itself starts what the packages have installed, in a copy of this system."""
        said = system_copy.run_under_systemd("dpkg --install /packages/*.deb", """
systemctl start s2p-server s2p-trainer s2p-web
systemctl is-active s2p-server s2p-trainer s2p-web
cp -a /trained/checkpoints/. /var/lib/sketch2photo/checkpoints/
chown -R _sketch2photo: /var/lib/sketch2photo/checkpoints
until s2p model status | grep SERVING; do sleep 0.2; done
s2p --timeout 86400 gallery add --dataset /trained/data/target --split test
s2p --timeout 86400 search /trained/data/target/sketch/t00001.png -k 3
python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8080/api/gallery/stats").read().decode())'
s2p train list
systemctl reload s2p-server s2p-trainer s2p-web
echo; for unit in s2p-server s2p-trainer s2p-web; do
  systemctl show --property=StatusText --value $unit
  pid=$(systemctl show --property=MainPID --value $unit)
  ps -o user:20= -p $pid
  grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status
  for folder in server trainer checkpoints datasets; do
    if nsenter --target $pid --mount --root test -w /var/lib/sketch2photo/$folder; then echo "writes $folder"; fi
  done
done
systemctl restart s2p-server
systemctl stop s2p-server s2p-trainer s2p-web
systemctl show --property=Result --property=ExecMainStatus s2p-server s2p-trainer s2p-web
dpkg --purge sketch2photo-server
ls /var/lib/sketch2photo/server/gallery.db
""", {"packages": os.environ["S2P_PACKAGES"], "trained": end_to_end_test.WORK})
        self.assertIn("active\nactive\nactive\n", said)
        self.assertIn("model version 1,", said)
        self.assertRegex(said, '"photoCount":"[1-9]')
        confined = "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
        self.assertIn("""
listening at 127.0.0.1:50051
_sketch2photo
%swrites server
listening at 127.0.0.1:50052
_sketch2photo
%swrites trainer
writes checkpoints
listening at 127.0.0.1:8080
s2p-web
%s""" % (confined, confined, confined), said)
        self.assertNotIn("writes", said.partition("listening at 127.0.0.1:8080")[2])
        self.assertEqual(re.findall("(?:Result|ExecMainStatus)=(.*)", said), ["success", "0"] * 3)
        self.assertIn("kept /var/lib/sketch2photo", said)
        self.assertIn("/var/lib/sketch2photo/server/gallery.db\n", said)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if not os.path.exists(ROOT):
        print("skipped: there are no packages")
        sys.exit(77)
    # The programs as installed, instead of those as built.
    end_to_end_test.BIN, end_to_end_test.WORK = os.path.join(ROOT, "usr/bin"), os.path.abspath(sys.argv[2])
    ran = unittest.main(argv=[sys.argv[0]] + ["Installed." + name for name in sys.argv[3:]], exit=False).result
    for _, why in ran.skipped:
        print("skipped:", why)
    sys.exit(not ran.wasSuccessful() or (77 if ran.skipped else 0))
