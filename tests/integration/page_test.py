"""Runs the drawing page in a headless Chromium, on what end_to_end_test.py prepares.

usage: page_test.py BIN_DIR WORK_DIR TEST...     runs tests of Page by name

The scenarios are in tests/web; those that can share a server or do without one run in one browser, and
S2P_SCENARIOS=NAME,... runs just these of a suite. S2P_SHOTS=DIR keeps pictures of what they see.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import end_to_end_test
from end_to_end_test import Server, program

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../web")
CHROMIUM = os.environ.get("S2P_CHROMIUM", "/usr/bin/chromium")


def missing():
    """A missing requirement of these tests; None if all are met."""
    if shutil.which("node") is None:
        return "node is not installed: tools/setup.sh installs it"
    if not os.path.exists(CHROMIUM):
        return CHROMIUM + " is not installed: tools/setup.sh installs it"
    for package in "playwright-core", "acorn":
        if not os.path.isdir(os.path.join(WEB, "node_modules", package)):
            return package + " is missing: npm ci --prefix tests/web"
    return None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@unittest.skipIf(missing(), missing())
class Page(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.store = os.path.join(self.folder, "checkpoints")
        shutil.copytree(os.path.join(end_to_end_test.WORK, "checkpoints/1"),
                        os.path.join(self.store, "1"))
        self.photos = os.path.join(end_to_end_test.WORK, "data/target/photo")
        self.processes = []
        self.servers = []

    def tearDown(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(), 0)
        for server in self.servers:
            server.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, photos=True, flags=(), **options):
        server = Server(self.store, os.path.join(self.folder, "server"), *flags, **options)
        self.servers.append(server)
        if os.path.isdir(os.path.join(self.store, "1")):
            server.wait_until_serving()
            if photos:
                server.s2p("gallery", "add", self.photos, "--metadata", "kind=shoe")
        return server

    def start(self, address_file, *command):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(process)
        while not os.path.exists(address_file):
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        return end_to_end_test.read_text(address_file).strip()

    def gateway(self, server_address, *flags):
        address_file = os.path.join(self.folder, "web")
        return self.start(address_file, program("s2p-web"), "--server", server_address, "--listen",
                          "127.0.0.1:0", "--address-file", address_file, *flags)

    def browse(self, scenario, address=None, on_ready=None, **environment):
        """Runs a scenario or a suite; without an address a suite of the page alone. Prints what it waits for."""
        url = ["http://%s/" % address] if address else []
        self.node([os.path.join(WEB, "scenarios.mjs"), scenario] + url, on_ready, **environment)

    def node(self, arguments, on_ready=None, **environment):
        process = subprocess.Popen(
            ["node"] + arguments, env=dict(os.environ, S2P_PHOTOS=self.photos, **environment),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        output = ""
        with process.stdout as lines:
            for text in lines:
                output += text
                print(text, end="", flush=True)
                if text.strip() == "ready" and on_ready:
                    on_ready()
        self.assertEqual(process.wait(), 0, output)

    def see(self, scenario, *flags):
        server = self.serve()
        self.browse(scenario, self.gateway(server.address, *flags),
                    S2P_SERVER_PID=str(server.process.pid))

    def test_searches(self):
        self.see("search")

    def test_operators_work(self):
        self.see("operator")

    def test_attributes_become_filters(self):
        shutil.rmtree(self.store)
        end_to_end_test.train(self.store, "step1.epochs=0", "source_dataset=" + os.path.join(
            end_to_end_test.WORK, "data/source"))
        self.see("attributes")

    def test_many_files_at_once(self):
        self.see("manyFiles")

    def test_many_tabs_at_once(self):
        self.see("manyTabs")

    def test_marked_results_are_reviewed(self):
        server = self.serve(flags=["--collect-feedback"])
        self.browse("markedResults", self.gateway(server.address))

    def test_operator_logs_in(self):
        password = os.path.join(self.folder, "password")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("open sesame\n")
        self.see("login", "--operator-password-file", password)

    def test_model_swap_is_seen(self):
        server = self.serve()

        def publish():
            end_to_end_test.train(self.store, "seed=2")

        self.browse("swap", self.gateway(server.address), publish)

    def test_server_that_comes_back_is_used_again(self):
        address = "127.0.0.1:%d" % free_port()
        self.browse("noServer", self.gateway(address), lambda: self.serve(listen=address))

    def test_no_model_yet(self):
        shutil.rmtree(self.store)
        os.makedirs(self.store)
        self.browse("noModel", self.gateway(self.serve().address))

    def test_empty_gallery(self):
        self.browse("emptyGallery", self.gateway(self.serve(photos=False).address))

    def trainer(self, data_root):
        address_file = os.path.join(self.folder, "trainer_address")
        return self.start(
            address_file, program("s2p-trainer"), "serve", "--state-dir",
            os.path.join(self.folder, "jobs"), "--checkpoint-root", self.store, "--data-root",
            data_root, "--device", "cpu", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
            "--address-file", address_file)

    def test_training_job_from_the_page(self):
        server = self.serve()
        trainer = self.trainer(os.path.join(end_to_end_test.WORK, "data"))
        self.browse("training", self.gateway(server.address, "--trainer", trainer))

    def test_training_begins_with_the_gallery(self):
        server = self.serve()
        trainer = self.trainer(self.folder)
        self.browse("galleryTraining", self.gateway(
            server.address, "--trainer", trainer, "--export-dir",
            os.path.join(self.folder, "exports"), "--trainer-export-dir", "exports"))

    def test_links_are_packed_as_zlib_packs(self):
        self.node([os.path.join(WEB, "deflate_test.mjs")])

    def test_page_needs_nothing_that_browsers_of_2021_lack(self):
        self.node([os.path.join(WEB, "syntax_test.mjs")])

    def test_page_skips_the_same_files_as_the_programs(self):
        self.node([os.path.join(WEB, "left_behind_test.mjs")])

    def test_page_alone(self):
        self.browse("page")

    def test_page_alone_when_calls_fail(self):
        self.browse("failures")

    def test_page_alone_with_feedback(self):
        self.browse("feedback")

    def test_page_alone_with_jobs(self):
        self.browse("jobs")

    def test_page_alone_with_uploads(self):
        self.browse("uploads")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Page." + name for name in sys.argv[3:]])
