"""Checks what kubectl makes of each overlay and task in deploy/kubernetes.

usage: rendered_test.py BIN_DIR [CLASS.TEST...]     exit code 77: skipped, with the reason
"""
import json
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

import checks
from flags import main
from manifests import KUBERNETES, ROOT, containers, documents_of, of_kind, plain_documents, pods, read
from problems import problems_of


class RenderedKubernetes(unittest.TestCase):
    """What `kubectl kustomize` makes of each overlay and task."""

    @classmethod
    def setUpClass(cls):
        cls.kubectl = shutil.which("kubectl") or os.path.join(ROOT, "build/tools/usr/bin/kubectl")
        if not os.path.exists(cls.kubectl):
            print("kubectl is not installed; Debian 12 has none that knows today's Kustomize")
            sys.exit(77)
        told = subprocess.run([cls.kubectl, "version", "--client", "-o", "json"], stdout=subprocess.PIPE,
                              check=True, universal_newlines=True).stdout
        version = json.loads(told).get("kustomizeVersion", "none")
        if not re.match(r"v([5-9]|\d\d)\.", version):
            print("kubectl has Kustomize %s; version 5 or later is needed" % version)
            sys.exit(77)

    def render(self, folder):
        return subprocess.run([self.kubectl, "kustomize", folder], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)

    def rendered(self, name):
        rendered = self.render(os.path.join(KUBERNETES, name))
        # Kustomize warns of fields that it is going to drop.
        self.assertEqual((rendered.returncode, rendered.stderr), (0, ""))
        return documents_of(rendered.stdout)

    def targets(self, kind):
        return sorted(kind + "/" + name for name in os.listdir(os.path.join(KUBERNETES, kind)))

    def test_overlays_are_whole(self):
        for target in self.targets("overlays"):
            documents = self.rendered(target)
            tasks = [pod.owner for pod in pods(plain_documents(os.path.join(KUBERNETES, "tasks")))]
            found = problems_of(documents, documents + tasks) + checks.check_network(documents)
            self.assertEqual(found, [], target)

    def test_tasks_find_what_the_overlays_have(self):
        known = self.rendered("overlays/many-nodes")
        for target in self.targets("tasks"):
            documents = self.rendered(target)
            self.assertEqual(problems_of(documents, known + documents), [], target)

    def test_all_is_in_one_namespace(self):
        for target in self.targets("overlays") + self.targets("tasks"):
            for document in self.rendered(target):
                if document["kind"] != "Namespace":
                    self.assertEqual(document["metadata"].get("namespace"), "sketch2photo",
                                     (target, document["kind"], document["metadata"]["name"]))

    def test_shared_claims_are_for_the_nodes_that_mount_them(self):
        for target, mode in (("one-node", "ReadWriteOnce"), ("many-nodes", "ReadWriteMany")):
            documents = self.rendered("overlays/" + target)
            modes = {document["metadata"]["name"]: document["spec"]["accessModes"]
                     for document in of_kind(documents, "PersistentVolumeClaim")}
            self.assertEqual(modes, {"checkpoints": [mode], "datasets": [mode]})
            [trainer] = [pod for pod in pods(documents) if pod.name == "trainer"]
            together = trainer.spec["affinity"].get("podAffinity", {})
            self.assertEqual("requiredDuringSchedulingIgnoredDuringExecution" in together,
                             target == "one-node")

    def test_gpus_are_for_server_and_trainer(self):
        got = {pod.name: container["resources"]["limits"].get("nvidia.com/gpu")
               for pod, container in containers(self.rendered("overlays/gpu"))}
        self.assertEqual(got, {"server": "1", "trainer": "1", "web": None})

    def test_settings_of_an_overlay_replace_those_of_the_base(self):
        settings = {document["metadata"]["name"].rpartition("-")[0]: document["data"]
                    for document in of_kind(self.rendered("overlays/complete"), "ConfigMap")}
        self.assertEqual(settings, {"web-settings": {"S2P_HOST_NAME": "shoes.example",
                                                     "S2P_TRUSTED_PROXY": "10.244.0.0/16"}})

    def test_page_has_the_name_of_its_ingress(self):
        documents = self.rendered("overlays/complete")
        [ingress] = of_kind(documents, "Ingress")
        [settings] = of_kind(documents, "ConfigMap")
        hosts = {rule["host"] for rule in ingress["spec"]["rules"]} | set(ingress["spec"]["tls"][0]["hosts"])
        self.assertEqual(hosts, {settings["data"]["S2P_HOST_NAME"]})

    def test_wrong_flag_in_a_patch_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            root = shutil.copytree(KUBERNETES, os.path.join(folder, "kubernetes"))
            path = os.path.join(root, "components/gpu/server.yaml")
            text = read(path)
            self.assertIn("S2P_DEVICE", text)
            with open(path, "w") as file:
                file.write(text.replace("S2P_DEVICE", "S2P_DEVICES"))
            documents = documents_of(self.render(os.path.join(root, "overlays/gpu")).stdout)
            self.assertEqual(checks.check_flags(documents), ["server: S2P_DEVICES is no flag of the program"])

    def test_patch_of_nothing_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            root = shutil.copytree(KUBERNETES, os.path.join(folder, "kubernetes"))
            path = os.path.join(root, "components/gpu/server.yaml")
            text = read(path)
            with open(path, "w") as file:
                file.write(text.replace("name: server", "name: servers", 1))
            rendered = self.render(os.path.join(root, "overlays/gpu"))
            self.assertNotEqual(rendered.returncode, 0)
            self.assertIn("servers", rendered.stderr)


if __name__ == "__main__":
    main()
