"""Runs docker/make_secrets.sh, which makes the keys and passwords of the containers, with the real s2p.

usage: secrets_test.py BIN_DIR TEST...     runs tests of Secrets by name
"""
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SCRIPT = os.path.join(ROOT, "docker/make_secrets.sh")
BIN = ""


class Secrets(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def make(self, path=None, **environment):
        environment = dict(os.environ, PATH=(path or BIN) + ":" + os.environ["PATH"],
                           S2P_SECRETS=self.folder, **environment)
        return subprocess.run(["sh", SCRIPT], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)

    def must_make(self, **environment):
        made = self.make(**environment)
        self.assertEqual(made.returncode, 0, made.stdout)
        return made.stdout

    def contents(self):
        return {name: self.read(name) for name in sorted(os.listdir(self.folder))}

    def test_first_start_makes_all(self):
        self.must_make()
        self.assertEqual(sorted(self.contents()), ["api-keys", "cli.key", "demo.key", "grafana-password",
                                                   "operator-password", "web.key"])
        for name, key in self.contents().items():
            if name.endswith(".key"):
                self.assertRegex(key, r"\As2p\.%s\.[0-9a-f]{64}\n\Z" % name[:-4])
            elif name.endswith("-password"):
                self.assertRegex(key, r"\A[0-9a-f]{32}\Z")

    def test_keys_have_the_roles_that_their_holders_need(self):
        self.must_make()
        listed = subprocess.run([os.path.join(BIN, "s2p"), "keys", "list", "--file", self.path("api-keys")],
                                stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
        self.assertEqual(listed, "web\tadmin\ndemo\tsearch,write,train\ncli\tadmin\n")

    def test_files_are_for_their_readers_only(self):
        self.must_make()
        modes = {name: stat.S_IMODE(os.stat(self.path(name)).st_mode) for name in os.listdir(self.folder)}
        self.assertEqual(modes.pop("grafana-password"), 0o640)
        self.assertEqual(set(modes.values()), {0o600})

    def test_second_start_changes_nothing(self):
        self.must_make()
        before = self.contents()
        self.must_make(S2P_GRAFANA_PASSWORD="another")
        self.assertEqual(self.contents(), before)

    def test_secrets_are_not_printed(self):
        printed = self.must_make()
        for name, secret in self.contents().items():
            if name != "api-keys":
                self.assertNotIn(secret.strip(), printed)

    def test_interrupted_start_is_made_up_for(self):
        tools = tempfile.TemporaryDirectory()
        self.addCleanup(tools.cleanup)
        failing = os.path.join(tools.name, "s2p")
        with open(failing, "w") as file:
            # The key of the demo cannot be made.
            file.write('#!/bin/sh\ncase "$*" in *demo*) exit 1;; esac\nexec %s "$@"\n' %
                       os.path.join(BIN, "s2p"))
        os.chmod(failing, 0o755)
        self.assertNotEqual(self.make(tools.name).returncode, 0)
        self.assertFalse(os.path.exists(self.path("api-keys")))
        password = self.read("operator-password")
        self.must_make()
        self.assertEqual(len(self.contents()), 6)
        self.assertEqual(self.read("operator-password"), password)

    def test_password_of_grafana_can_be_chosen(self):
        self.must_make(S2P_GRAFANA_PASSWORD="open sesame")
        self.assertEqual(self.read("grafana-password"), "open sesame")

    def test_password_that_everybody_knows_is_not_taken(self):
        printed = self.must_make(S2P_GRAFANA_PASSWORD="admin")
        self.assertIn("everybody knows", printed)
        self.assertRegex(self.read("grafana-password"), r"\A[0-9a-f]{32}\Z")


if __name__ == "__main__":
    BIN = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1] + ["Secrets." + name for name in sys.argv[2:]])
