"""Checks the manifests in deploy/kubernetes as they are written.

usage: plain_test.py BIN_DIR [CLASS.TEST...]     exit code 77: skipped, with the reason
"""
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed")
    sys.exit(77)

from flags import FLAGS, PROGRAMS, main
from manifests import (KUBERNETES, ROOT, containers, image_environment, image_of, kustomizations, of_kind,
                       plain_documents, pods, read, selects)
from problems import problems_below, unused_files


class Kubernetes(unittest.TestCase):
    """The manifests as they are written."""

    def setUp(self):
        self.documents = plain_documents(KUBERNETES)

    def test_manifests_agree_with_each_other_and_with_the_programs(self):
        self.assertEqual(problems_below(KUBERNETES), [])

    def test_every_file_is_in_some_kustomization(self):
        self.assertEqual(unused_files(KUBERNETES), [])

    def test_no_secret_is_committed(self):
        self.assertEqual(of_kind(self.documents, "Secret"), [])
        for folder, kustomization in kustomizations(KUBERNETES):
            self.assertNotIn("secretGenerator", kustomization, folder)

    def test_programs_take_their_flags(self):
        # --health parses all flags, serves nothing, and fails because nobody listens: with 1, where a
        # usage error would be 2.
        for pod, container in containers(self.documents):
            if pod.owner["kind"] in ("StatefulSet", "Deployment"):
                asked = self.ask_health(container, container["args"])
                self.assertEqual(asked.returncode, 1, asked.stderr)
                self.assertIn("nothing answers", asked.stderr)

    def test_wrong_value_of_a_flag_is_noticed(self):
        [container] = [container for pod, container in containers(self.documents) if pod.name == "server"]
        asked = self.ask_health(container, container["args"] + ["--drain=thirty"])
        self.assertEqual(asked.returncode, 2, asked.stderr)

    def ask_health(self, container, args):
        program = PROGRAMS[image_of(container)]
        closed = "--listen" if program == "s2p-web" else "--http"
        settings = dict(image_environment(image_of(container)), PATH=os.environ["PATH"])
        command = [os.path.join(FLAGS.folder, program)] + args + ["--health", closed + "=127.0.0.1:1"]
        return subprocess.run(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)

    def test_specs_of_training_runs_are_read_up_to_their_data(self):
        specs = [os.path.join(folder, "spec.textproto") for folder, _ in kustomizations(KUBERNETES)
                 if os.path.exists(os.path.join(folder, "spec.textproto"))]
        self.assertTrue(specs)
        for spec in specs:
            with tempfile.TemporaryDirectory() as store:
                run = subprocess.run([os.path.join(FLAGS.folder, "s2p-trainer"), "run", "--spec", spec,
                                      "--checkpoint-root", store],
                                     stderr=subprocess.PIPE, universal_newlines=True)
            self.assertIn("/datasets/shoes: there is no such folder", run.stderr)

    def test_pages_body_limit_is_that_of_the_ingress(self):
        [ingress] = of_kind(self.documents, "Ingress")
        limit = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
        self.assertEqual(limit.replace("m", "MiB"), FLAGS.of("s2p-web")["max-body-bytes"][1])

    def test_jobs_of_prometheus_are_those_of_the_alerts(self):
        [monitor] = of_kind(self.documents, "PodMonitor")
        label = monitor["spec"]["jobLabel"]
        jobs = {pod.labels[label] for pod in pods(self.documents)
                if selects(monitor["spec"]["selector"], pod.labels)}
        compose = yaml.safe_load(read(ROOT, "deploy/prometheus/prometheus.yml"))["scrape_configs"]
        self.assertEqual(jobs, {config["job_name"] for config in compose} - {"prometheus"})


if __name__ == "__main__":
    main()
