"""Runs the training daemon as an operator does, and kills it, on the data that end_to_end_test.py
prepares.

usage: training_daemon_test.py BIN_DIR WORK_DIR TEST...     runs tests of TrainingDaemon by name

S2P_KILLS says how often the daemon is killed (8); 24 or more is the long form. S2P_SEED fixes when.
"""
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import end_to_end_test
from end_to_end_test import PATIENT, Server, program, read_bytes, read_text, run

KILLS = int(os.environ.get("S2P_KILLS", "8"))
SEED = int(os.environ.get("S2P_SEED", "1"))

SPEC = """
preset: "demo"
source_dataset: "data/source"
target_dataset: "data/target"
photo { height: 32 width: 32 }
sketch { height: 32 width: 32 }
step1 { epochs: 1 batch_size: 32 }
step2 { epochs: 3 batch_size: 36 }
validation { fraction: 0.2 every_epochs: 1 }
workers: 1
"""


def work():
    return end_to_end_test.WORK


class Daemon:
    """An s2p-trainer serve on free ports; can be killed and started again on the same state."""

    def __init__(self, folder, *flags):
        self.folder = folder
        self.flags = list(flags)
        self.store = os.path.join(folder, "checkpoints")
        self.state = os.path.join(folder, "state")
        self.log_path = os.path.join(folder, "log")
        self.process = None

    def start(self):
        files = [os.path.join(self.folder, name) for name in ("address", "http")]
        for file in files:
            if os.path.exists(file):
                os.remove(file)
        with open(self.log_path, "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(
                [program("s2p-trainer"), "serve", "--state-dir", self.state, "--checkpoint-root",
                 self.store, "--data-root", work(), "--device", "cpu", "--threads", "1",
                 "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--address-file", files[0],
                 "--http-address-file", files[1], *self.flags], stdout=log, stderr=log)
        self.wait(lambda: all(os.path.exists(file) for file in files))
        self.address, self.http = (read_text(file).strip() for file in files)
        return self

    def log(self):
        with open(self.log_path, errors="replace") as log:
            log.seek(self.log_from)
            return log.read()

    def wait(self, condition, pause=0.05):
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError("the trainer ended with %d:\n%s" %
                                     (self.process.returncode, self.log()))
            time.sleep(pause)
        return self

    def s2p(self, *arguments, check=True):
        return run(program("s2p"), *PATIENT, "train", *arguments, "--server", self.address,
                   check=check)

    def submit(self, *settings):
        spec = os.path.join(self.folder, "spec.textproto")
        with open(spec, "w") as file:
            file.write(SPEC)
        arguments = []
        for setting in settings:
            arguments += ["--set", setting]
        return json.loads(self.s2p("submit", spec, "--json", *arguments).stdout)["job"]["jobId"]

    def job(self, job_id):
        return json.loads(self.s2p("get", job_id, "--json").stdout)["job"]

    def finish(self, job_id):
        self.wait(lambda: self.job(job_id)["state"] in
                  ("STATE_SUCCEEDED", "STATE_FAILED", "STATE_CANCELLED"))
        return self.job(job_id)

    def job_process(self):
        """The id of the process in which the daemon's job runs."""
        for name in os.listdir("/proc"):
            try:
                # The parent's id comes second after the name in brackets.
                if (name.isdigit() and int(read_text("/proc/%s/stat" % name).rpartition(")")[2]
                                           .split()[1]) == self.process.pid):
                    return int(name)
            except OSError:
                continue  # It has just ended.
        raise AssertionError("no job runs:\n%s" % self.log())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait()
        return None

    def metrics(self):
        with urllib.request.urlopen("http://%s/metrics" % self.http) as reply:
            return reply.read().decode()

    def versions(self):
        if not os.path.isdir(self.store):
            return []
        return sorted(int(name) for name in os.listdir(self.store) if name.isdigit())

    def weights(self, version):
        return read_bytes(os.path.join(self.store, str(version), "weights.safetensors"))


class TrainingDaemon(unittest.TestCase):

    def daemon(self, *flags):
        daemon = Daemon(tempfile.mkdtemp(dir=work()), *flags)
        self.addCleanup(lambda: (daemon.end(), shutil.rmtree(daemon.folder, ignore_errors=True)))
        return daemon.start()

    def test_threads_sleep_while_they_wait(self):
        daemon = self.daemon()
        environment = read_bytes("/proc/%d/environ" % daemon.process.pid).split(b"\0")
        self.assertIn(b"OMP_WAIT_POLICY=passive", environment)
        self.assertEqual(read_text("/proc/%d/comm" % daemon.process.pid), "s2p-trainer\n")

    def test_job_is_watched_published_and_found_by_a_server(self):
        daemon = self.daemon()
        job_id = daemon.submit("name=first")
        watched = [json.loads(line)
                   for line in daemon.s2p("watch", job_id, "--json").stdout.splitlines()]
        self.assertEqual(watched[-1]["state"], "STATE_SUCCEEDED")
        events = [int(event["event"]) for event in watched]
        self.assertEqual(events, sorted(events))
        job = daemon.job(job_id)
        self.assertEqual(job["publishedVersion"], "1")
        self.assertEqual(read_bytes(job["learningCurveFile"])[:4], b"\x89PNG")
        splits = {(e["split"], e["direction"]) for e in job["evaluations"]}
        self.assertIn(("train-validation", "sketch-to-photo"), splits)
        metrics = daemon.metrics()
        self.assertIn('s2p_train_published_total{result="published"} 1', metrics)
        self.assertIn('s2p_train_loss{term="contrastive"}', metrics)
        self.assertEqual(daemon.end(), 0, daemon.log())
        server = Server(daemon.store, os.path.join(daemon.folder, "gallery")).wait_until_serving()
        self.addCleanup(server.end)
        server.s2p("gallery", "add", "--dataset", os.path.join(work(), "data/target"), "--split",
                   "test")
        found = json.loads(server.s2p("eval", "--dataset", os.path.join(work(), "data/target"),
                                      "--json").stdout)
        self.assertAlmostEqual(found["rank1"], next(
            e["rank1"] for e in job["evaluations"]
            if (e["split"], e["direction"]) == ("test", "sketch-to-photo")))

    def hit(self, daemon, phase, job_id, chance):
        """Waits until the daemon is in the phase, then a little longer. False if the phase has passed."""
        resume = os.path.join(daemon.state, "jobs", job_id, "resume")
        conditions = {
            "training": lambda: "reading the data" in daemon.log(),
            "new epoch": lambda: "epoch=" in daemon.log(),
            "resume": lambda: os.path.exists(resume + ".tmp"),
            "evaluating": lambda: "evaluating" in daemon.log(),
            "publishing": lambda: "publishing" in daemon.log(),
        }
        while not conditions[phase]():
            # The phase cannot come any more, because it has already passed.
            if "state=STATE_SUCCEEDED" in daemon.log():
                return False
            self.assertIsNone(daemon.process.poll(), daemon.log())
            time.sleep(0 if phase == "resume" else 0.001)
        time.sleep(chance.random() * {"training": 0.8, "new epoch": 0.3, "resume": 0.01,
                                      "evaluating": 0.05, "publishing": 0.06}[phase])
        return True

    def test_killed_at_any_moment_the_job_ends_with_the_same_bits_and_one_version(self):
        whole = self.daemon()
        self.assertEqual(whole.finish(whole.submit())["publishedVersion"], "1")
        whole.end()
        want = whole.weights(1)
        chance = random.Random(SEED)
        daemon = self.daemon()
        hits, jobs = {}, 0
        # A job may die three times without a whole epoch in between, so the third kill waits for one.
        phases = ["training", "resume", "new epoch", "evaluating", "publishing", "resume"]
        while sum(hits.values()) < KILLS or len(hits) < 5:
            job_id = daemon.submit()
            jobs += 1
            for phase in phases:
                if self.hit(daemon, phase, job_id, chance):
                    daemon.kill()
                    hits[phase] = hits.get(phase, 0) + 1
                    daemon.start()
            job = daemon.finish(job_id)
            self.assertEqual(job["state"], "STATE_SUCCEEDED", job)
            self.assertEqual(int(job["publishedVersion"]), jobs)
            self.assertEqual(daemon.versions(), list(range(1, jobs + 1)), "one for each job")
            self.assertTrue(daemon.weights(jobs) == want, "other bits after %s" % hits)
        print("killed %d times in %d jobs: %s" % (sum(hits.values()), jobs, hits))
        kept = json.loads(daemon.s2p("list", "--json").stdout)["jobs"]
        self.assertEqual(len(kept), jobs, "nothing acknowledged is lost")

    def test_changed_data_are_trained_again_once_from_the_published_version(self):
        daemon = self.daemon("--watch-interval", "100ms")
        data = tempfile.mkdtemp(dir=work())
        target = os.path.join(data, "target")
        shutil.copytree(os.path.join(work(), "data/target"), target)
        first = daemon.submit("watch=true", "step2.epochs=1", "step1.epochs=0",
                              "target_dataset=" + os.path.relpath(target, work()))
        self.assertEqual(daemon.finish(first)["state"], "STATE_SUCCEEDED")
        lines = read_text(os.path.join(target, "dataset.jsonl")).splitlines(keepends=True)
        for count in range(1, 4):
            with open(os.path.join(target, "dataset.jsonl.new"), "w") as file:
                file.writelines(lines[:-2 * count])
            os.replace(os.path.join(target, "dataset.jsonl.new"),
                       os.path.join(target, "dataset.jsonl"))
        jobs = lambda: json.loads(daemon.s2p("list", "--json").stdout)["jobs"]
        daemon.wait(lambda: len(jobs()) == 2)
        again = daemon.finish(next(job["jobId"] for job in jobs() if job["jobId"] != first))
        self.assertEqual(again["state"], "STATE_SUCCEEDED", again)
        self.assertEqual(again["spec"]["initialVersion"], "1")
        manifest = json.loads(read_text(os.path.join(daemon.store, "2", "manifest.json")))
        self.assertEqual(manifest["provenance"]["parentVersion"], "1")
        self.assertEqual(len(jobs()), 2, "a burst of changes is one job")

    def test_running_job_is_cancelled(self):
        daemon = self.daemon()
        job_id = daemon.submit("step2.epochs=500")
        daemon.wait(lambda: "epoch" in daemon.log())
        daemon.s2p("cancel", job_id)
        self.assertEqual(daemon.finish(job_id)["state"], "STATE_CANCELLED")
        self.assertEqual(daemon.versions(), [])
        again = daemon.s2p("cancel", job_id, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("FAILED_PRECONDITION", again.stderr)
        self.assertIn("is queued again", daemon.s2p("retry", job_id).stdout)
        daemon.wait(lambda: "resuming from the last whole epoch" in daemon.log())
        daemon.s2p("cancel", job_id)
        self.assertEqual(daemon.finish(job_id)["state"], "STATE_CANCELLED")

    def test_job_whose_process_is_killed_is_continued_by_the_same_daemon(self):
        daemon = self.daemon()
        job_id = daemon.submit("step2.epochs=20")
        daemon.wait(lambda: "epoch=" in daemon.log())
        os.kill(daemon.job_process(), signal.SIGKILL)
        self.assertEqual(daemon.finish(job_id)["state"], "STATE_SUCCEEDED", daemon.log())
        self.assertIn("killed by signal 9 (SIGKILL)", daemon.log())
        self.assertIn("resuming from the last whole epoch", daemon.log())
        self.assertEqual(daemon.versions(), [1])

    def test_jobs_at_the_same_time_end_with_the_bits_of_jobs_one_after_the_other(self):
        ends = []
        for flags in ((), ("--max-running", "2")):
            daemon = self.daemon(*flags)
            ids = [daemon.submit("seed=%d" % seed) for seed in (1, 2)]
            jobs = [daemon.finish(job_id) for job_id in ids]
            ends.append([daemon.weights(int(job["publishedVersion"])) for job in jobs])
            daemon.end()
        self.assertTrue(ends[0] == ends[1])
        self.assertFalse(ends[0][0] == ends[0][1], "seeds make a difference")

    def test_second_daemon_on_the_folder_and_a_taken_port_are_refused(self):
        daemon = self.daemon()
        arguments = [program("s2p-trainer"), "serve", "--checkpoint-root", daemon.store,
                     "--data-root", work(), "--http", "127.0.0.1:0"]
        second = run(*arguments, "--state-dir", daemon.state, "--listen", "127.0.0.1:0",
                     check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(daemon.state, second.stderr)
        taken = run(*arguments, "--state-dir", tempfile.mkdtemp(dir=daemon.folder), "--listen",
                    daemon.address, check=False)
        self.assertEqual(taken.returncode, 1)
        self.assertIn(daemon.address, taken.stderr)

    def test_memory_does_not_grow_over_the_epochs(self):
        daemon = self.daemon()
        # One more epoch, because the work after the last one would distort the measurement.
        daemon.submit("step1.epochs=0", "step2.epochs=21")

        def resident_after(epoch):
            daemon.wait(lambda: "epoch=%d " % epoch in daemon.log(), pause=0.005)
            with open("/proc/%d/status" % daemon.job_process()) as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

        # Medians, because a sample may be taken while the state is being written.
        early, late = (statistics.median(resident_after(epoch) for epoch in epochs)
                       for epochs in ((2, 3, 4), (18, 19, 20)))
        print("resident: %d KiB after epoch 2, %d KiB after epoch 20" % (early, late))
        self.assertLessEqual(late, 1.05 * early)


if __name__ == "__main__":
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["TrainingDaemon." + name for name in sys.argv[3:]])
