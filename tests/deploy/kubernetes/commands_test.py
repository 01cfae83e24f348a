"""Runs commands of docs/kubernetes.md: those that make keys and certificates, with the real s2p and openssl, and
the one that makes a rule of the alerts.

usage: commands_test.py BIN_DIR [CLASS.TEST...]     exit code 77: skipped, with the reason
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed")
    sys.exit(77)

from checks import made_by_operators
from flags import FLAGS, main
from manifests import ROOT, read


class KubernetesCommands(unittest.TestCase):
    """The commands in docs/kubernetes.md make what they say."""

    # Answers for a cluster: notes what it is told, and fails if a file does not exist.
    KUBECTL = """#!/bin/sh
for word; do case "$word" in
  --from-file=*|--cert=*|--key=*) [ -s "${word#*=}" ] || { echo "no file for $word" >&2; exit 1; };;
esac; done
echo "$*" >>"$KUBECTL_LOG"
"""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            print("openssl is not installed")
            sys.exit(77)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        section = read(ROOT, "docs/kubernetes.md").split("## Keys, passwords, certificates")[1]
        commands = re.search(r"(?m)(?:^    .*\n)+", section).group()
        with open(os.path.join(self.folder, "kubectl"), "w") as file:
            file.write(self.KUBECTL)
        os.chmod(file.name, 0o755)
        self.log = os.path.join(self.folder, "log")
        environment = dict(os.environ, KUBECTL_LOG=self.log,
                           PATH=":".join([self.folder, FLAGS.folder, os.environ["PATH"]]))
        self.made = subprocess.run(["sh", "-eu", "-c", commands], cwd=self.folder, env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        self.assertEqual(self.made.returncode, 0, self.made.stdout)

    def path(self, name):
        return os.path.join(self.folder, "secrets", name)

    def test_commands_make_all_that_the_overlays_without_ingress_need(self):
        created = set(re.findall(r"create (secret|configmap) (?:generic |tls )?(\S+)", read(self.log)))
        wanted = {("secret" if kind == "Secret" else "configmap", name)
                  for kind, name in made_by_operators() if name != "page-tls"}
        self.assertEqual(created, wanted)

    def test_keys_are_admins(self):
        listed = subprocess.run([os.path.join(FLAGS.folder, "s2p"), "keys", "list", "--file",
                                 self.path("api-keys")],
                                stdout=subprocess.PIPE, check=True, universal_newlines=True)
        self.assertEqual(listed.stdout, "web\tadmin\ntoolbox\tadmin\n")

    def test_certificates_are_for_the_names_that_clients_call(self):
        for name in ("server", "trainer"):
            for host in (name, name + ".sketch2photo.svc"):
                subprocess.run(["openssl", "verify", "-CAfile", self.path("ca.crt"), "-verify_hostname", host,
                                self.path(name + ".crt")], check=True, stdout=subprocess.DEVNULL)

    def test_files_are_for_their_owner_only(self):
        for name in os.listdir(self.path("")):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o077, 0, name)

    def test_alerts_become_a_rule_of_the_operator(self):
        section = read(ROOT, "docs/kubernetes.md").split("## Monitoring")[1]
        command = re.search(r"(?m)(?:^    .*\n)+", section).group().replace("kubectl apply -f -", "cat")
        printed = subprocess.run(["sh", "-eu", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, check=True,
                                 universal_newlines=True).stdout
        rule = yaml.safe_load(printed)
        self.assertEqual((rule["apiVersion"], rule["kind"]), ("monitoring.coreos.com/v1", "PrometheusRule"))
        self.assertEqual(rule["spec"], yaml.safe_load(read(ROOT, "deploy/prometheus/alerts.yml")))


if __name__ == "__main__":
    main()
