"""Holds the alert rules and dashboards of deploy/ against what the programs expose, on what
end_to_end_test.py prepares.

usage: monitoring_test.py BIN_DIR WORK_DIR TEST...     runs tests of Monitoring by name

The unit tests of the rules need Prometheus's promtool: on the PATH, where tools/setup.sh puts it, or
named by S2P_PROMTOOL.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import end_to_end_test
from end_to_end_test import Server, program, read_text

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
RULES = os.path.join(ROOT, "deploy/prometheus/alerts.yml")
PROMTOOL = (os.environ.get("S2P_PROMTOOL") or shutil.which("promtool") or
            shutil.which("promtool", path=os.path.join(ROOT, "build/tools/usr/bin")))
# The suffixes of a histogram's series.
SERIES = re.compile(r"_(bucket|sum|count)$")
# Families that exist only after some work.
NEEDS_WORK = {"s2p_train_loss"}


def metric_names(text):
    return {SERIES.sub("", name) if SERIES.search(name) else name
            for name in re.findall(r"\bs2p_\w+", text)}


def exposed_names(text):
    """The metric families, including those without a series yet."""
    return set(re.findall(r"^# TYPE (s2p_\w+)", text, re.MULTILINE))


class Monitoring(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, address_flag, *flags):
        address_file = os.path.join(self.folder, name)
        with open(os.path.join(self.folder, "log"), "ab") as log:
            process = subprocess.Popen([program(name), *flags, address_flag, address_file],
                                       stdout=log, stderr=log)
        self.processes.append(process)
        while not os.path.exists(address_file):
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        return read_text(address_file).strip()

    def metrics_of_all_programs(self):
        server = Server(os.path.join(end_to_end_test.WORK, "checkpoints"),
                        os.path.join(self.folder, "server")).wait_until_serving()
        self.processes.append(server.process)
        photos = os.path.join(end_to_end_test.WORK, "data/target/photo")
        server.s2p("gallery", "add", photos)
        server.s2p("search", os.path.join(photos, sorted(os.listdir(photos))[0]))
        trainer = self.start("s2p-trainer", "--http-address-file", "serve", "--state-dir",
                             os.path.join(self.folder, "jobs"), "--checkpoint-root",
                             os.path.join(self.folder, "store"), "--data-root",
                             end_to_end_test.WORK, "--device", "cpu", "--listen", "127.0.0.1:0",
                             "--http", "127.0.0.1:0")
        web = self.start("s2p-web", "--address-file", "--server", server.address, "--listen",
                         "127.0.0.1:0")
        text = ""
        # The gateway's first answer creates the families that its second one shows.
        for address in (server.http, trainer, web, web):
            with urllib.request.urlopen("http://%s/metrics" % address) as reply:
                text += reply.read().decode()
        return text

    def test_each_metric_of_rules_and_dashboards_is_exposed(self):
        used = metric_names(re.sub(r"runbook:.*|summary:.*", "", read_text(RULES)))
        boards = glob.glob(os.path.join(ROOT, "deploy/grafana/dashboards/*.json"))
        self.assertEqual(len(boards), 3)
        for path in boards:
            for panel in json.loads(read_text(path))["panels"]:
                for target in panel["targets"]:
                    used |= metric_names(target["expr"])
        self.assertGreater(len(used), 20)
        self.assertEqual(used - exposed_names(self.metrics_of_all_programs()) - NEEDS_WORK, set())

    def test_each_metric_is_documented(self):
        documented = "".join(read_text(os.path.join(ROOT, "docs", name))
                             for name in ("operations.md", "trainer_daemon.md", "web.md"))
        for name in exposed_names(self.metrics_of_all_programs()):
            self.assertIn("`" + name, documented)

    def test_each_alert_has_its_section_in_the_runbook(self):
        runbook = read_text(os.path.join(ROOT, "docs/operations.md"))
        alerts = re.findall(r"- alert: (\w+)", read_text(RULES))
        self.assertEqual(re.findall(r"#(s2p\w+)", read_text(RULES)),
                         [alert.lower() for alert in alerts])
        for alert in alerts:
            self.assertRegex(runbook, r"(?m)^### %s$" % alert)

    @unittest.skipIf(PROMTOOL is None, "promtool is not installed: tools/setup.sh downloads it")
    def test_each_alert_fires_when_it_should(self):
        result = subprocess.run([PROMTOOL, "test", "rules",
                                 os.path.join(ROOT, "tests/deploy/alerts_test.yml")],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                universal_newlines=True)
        self.assertEqual(result.returncode, 0, result.stdout)
        tested = read_text(os.path.join(ROOT, "tests/deploy/alerts_test.yml"))
        for alert in re.findall(r"- alert: (\w+)", read_text(RULES)):
            self.assertIn("alertname: " + alert, tested)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Monitoring." + name for name in sys.argv[3:]])
