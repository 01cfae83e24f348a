#!/usr/bin/env python3
"""Trains one model by several processes, on tiny data, and compares it with one process's.

  data_parallel_test.py PROGRAMS TRAIN_RANK [TEST]
"""
import array
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

# The variables by which launchers say what they have started.
LAUNCHERS = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS", "SLURM_PROCID",
             "SLURM_LOCALID", "JOB_COMPLETION_INDEX", "TORCHELASTIC_USE_AGENT_STORE",
             "TORCHELASTIC_RESTART_COUNT", "GLOO_SOCKET_IFNAME")
# Adam divides a gradient by its size: where it is almost 0, the rounding of its sum decides the direction of a
# step, whose length is the rate. With these rates that is below the tolerance, and a wrong gradient above it.
FIELDS = ["device=cpu", "photo.height=32", "photo.width=32", "sketch.height=32", "sketch.width=32",
          "embedding.grid=1", "embedding.dimension=16", "step1.epochs=1", "step2.epochs=2",
          "step1.batch_size=16", "step2.batch_size=24", "step1.images_per_identity=2",
          "step1.learning_rate=0.00001", "step2.learning_rate=0.00001", "loss.identity=1",
          "loss.triplet=1", "workers=0", "validation.fraction=0.2", "validation.every_epochs=1"]
# The most that a weight may differ from one process's.
TOLERANCE = 1e-5


def free_port():
    """A port that no program listens on, nor gets by listening on port 0 or by connecting."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def read_weights(path):
    """The tensors of a safetensors file: name -> list of numbers."""
    with open(path, "rb") as file:
        content = file.read()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    weights = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        numbers = array.array({"F32": "f", "I64": "q"}[tensor["dtype"]])
        numbers.frombytes(content[8 + size + begin:8 + size + end])
        weights[name] = numbers
    return weights


def largest_difference(a, b):
    assert a.keys() == b.keys()
    return max(abs(x - y) for name in a for x, y in zip(a[name], b[name]))


class DataParallelTest(unittest.TestCase):
    programs = train_rank = None

    @classmethod
    def setUpClass(cls):
        cls.data = tempfile.TemporaryDirectory()
        subprocess.run([os.path.join(cls.programs, "s2p-trainer"), "synthesize", "--out", cls.data.name + "/shoes",
                        "--identities", "24", "--seed", "3"], check=True, stdout=subprocess.DEVNULL)
        cls.fields = FIELDS + ["%s_dataset=%s/shoes/%s" % (part, cls.data.name, part) for part in ("source", "target")]

    @classmethod
    def tearDownClass(cls):
        cls.data.cleanup()

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, count, command, variables=None):
        """Starts the ranks; `variables` gives those of a rank, torchrun's unless it is named."""
        port = free_port()
        ranks = []
        for rank in range(count):
            environment = {k: v for k, v in os.environ.items() if k not in LAUNCHERS}
            environment["OMP_NUM_THREADS"] = "1"
            environment.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
            environment.update(variables(rank, count) if variables else
                               {"RANK": str(rank), "WORLD_SIZE": str(count)})
            process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            self.addCleanup(self.end, process)
            ranks.append(process)
        return ranks

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, ranks):
        """[(exit code, stdout, stderr)] of the ranks, all of which end."""
        results = []
        for process in ranks:
            out, errors = process.communicate()
            results.append((process.returncode, out, errors))
        return results

    def train(self, count, *options, fields=(), variables=None, succeeds=True):
        """The weights after a run of train_rank, or the results of its processes."""
        weights = os.path.join(self.folder, "weights-%d" % len(os.listdir(self.folder)))
        command = [self.train_rank, weights, *options, *self.fields, *fields]
        results = self.finish(self.start(count, command, variables))
        if not succeeds:
            return results
        for code, _, errors in results:
            self.assertEqual(code, 0, errors)
        return read_weights(weights)

    def trainer(self, *options):
        command = [os.path.join(self.programs, "s2p-trainer"), "run", "--preset", "demo", "--threads", "1",
                   "--rank-host", "127.0.0.1", "--rank-timeout", "5m"]
        for field in self.fields:
            command += ["--set", field]
        return command + list(options)

    def test_two_and_four_processes_have_the_weights_of_one(self):
        one = self.train(1)
        for count in (2, 4):
            self.assertLess(largest_difference(one, self.train(count)), TOLERANCE, count)

    def test_without_synchronised_batch_norm_the_weights_differ(self):
        local = self.train(2, "--local-statistics")
        self.assertGreater(largest_difference(self.train(1), local), 10 * TOLERANCE)

    def test_rows_that_cannot_be_shared_evenly_change_nothing(self):
        # Sums over unequal parts round more differently. Where a gradient is almost 0, Adam's first steps
        # are as long as the rate, in either direction.
        fields = ["step1.learning_rate=0.000001", "step2.learning_rate=0.000001"]
        one, three = self.train(1, fields=fields), self.train(3, fields=fields)
        self.assertLess(largest_difference(one, three), TOLERANCE)
        local = self.train(3, "--local-statistics", fields=fields)
        self.assertGreater(largest_difference(one, local), TOLERANCE)

    def test_accumulated_gradients_are_those_of_one_process(self):
        fields = ["step2.accumulate=2", "step2.gradient_clip=1"]
        one = self.train(1, fields=fields)
        self.assertLess(largest_difference(one, self.train(2, fields=fields)), TOLERANCE)

    def test_meta_gradients_are_those_of_one_process(self):
        fields = ["loss.photo_neighbours.weight=1", "loss.photo_neighbours.meta_step=true"]
        one = self.train(1, fields=fields)
        self.assertLess(largest_difference(one, self.train(2, fields=fields)), TOLERANCE)

    def test_averages_and_best_epochs_are_those_of_one_process(self):
        fields = ["averaging.runs=2", "validation.keep_best=true"]
        one = self.train(1, fields=fields)
        self.assertLess(largest_difference(one, self.train(2, fields=fields)), TOLERANCE)

    def test_another_number_of_processes_resumes(self):
        state = os.path.join(self.folder, "state")
        for code, _, errors in self.train(2, "--state", state, "--stop-after", "2", succeeds=False):
            self.assertNotEqual(code, 0)
            self.assertIn("whole epochs are kept", errors)
        weights = os.path.join(self.folder, "resumed")
        results = self.finish(self.start(4, [self.train_rank, weights, "--state", state, *self.fields]))
        self.assertEqual([code for code, _, _ in results], [0, 0, 0, 0], results)
        self.assertEqual(results[0][1], "resumed\n")
        self.assertLess(largest_difference(self.train(1), read_weights(weights)), TOLERANCE)

    def test_slurm_and_an_indexed_job_say_the_same(self):
        one = self.train(1)
        slurm = self.train(2, variables=lambda rank, count: {"SLURM_PROCID": str(rank), "SLURM_NTASKS": str(count)})
        job = self.train(2, variables=lambda rank, count: {"JOB_COMPLETION_INDEX": str(rank),
                                                           "WORLD_SIZE": str(count)})
        self.assertEqual(slurm, job)
        self.assertLess(largest_difference(one, slurm), TOLERANCE)

    def test_a_rank_with_another_run_ends_all_of_them(self):
        weights = os.path.join(self.folder, "weights")
        # Each rank has a seed of its own, which a shell expands.
        command = ["sh", "-c", 'exec "$0" "$@" seed=$((RANK + 5))', self.train_rank, weights, *self.fields]
        results = self.finish(self.start(2, command))
        self.assertNotEqual(results[0][0], 0)
        self.assertNotEqual(results[1][0], 0)
        self.assertIn("rank 1 is to train another run than rank 0", results[1][2])
        self.assertIn("rank 1 of 2 has ended: rank 1 is to train another run", results[0][2])

    def kill_in_training(self, count, victim):
        """Kills a rank after the first epoch; the results of all."""
        ranks = self.start(count, self.trainer("--set", "step1.epochs=100000", "--set",
                                                 "step1.batch_size=24"))
        line = ranks[0].stdout.readline()
        while line and "epoch 1/" not in line:
            line = ranks[0].stdout.readline()
        self.assertIn("epoch 1/", line)
        ranks[victim].send_signal(signal.SIGKILL)
        return self.finish(ranks)

    def test_a_killed_rank_ends_all_and_is_named(self):
        results = self.kill_in_training(3, victim=1)
        self.assertEqual(results[1][0], -signal.SIGKILL)
        for rank in (0, 2):
            code, _, errors = results[rank]
            self.assertEqual(code, 1, errors)
            self.assertIn("rank 1 of 3 is lost", errors)
            self.assertIn("UNAVAILABLE", errors)

    def test_a_killed_rank_0_ends_all_and_is_named(self):
        results = self.kill_in_training(2, victim=0)
        self.assertEqual(results[1][0], 1, results[1][2])
        self.assertIn("rank 0 of 2 is lost", results[1][2])

    def test_rank_0_alone_keeps_and_publishes(self):
        # A folder of state and a store for each rank, by the shell.
        ranks = self.start(2, ["sh", "-c", 'mkdir -p "$0/$RANK" && exec "$@" --state-dir "$0/$RANK/state" '
                               '--checkpoint-root "$0/$RANK/store"', self.folder, *self.trainer()])
        results = self.finish(ranks)
        for code, _, errors in results:
            self.assertEqual(code, 0, errors)
        self.assertEqual(os.listdir(os.path.join(self.folder, "0", "store")), ["1"])
        self.assertTrue(os.path.isdir(os.path.join(self.folder, "0", "state", "jobs")))
        self.assertEqual(os.listdir(os.path.join(self.folder, "1")), [])
        self.assertIn("training with 2 processes", results[0][1])
        self.assertEqual(results[1][1], "")

    def test_batches_that_cannot_be_divided_are_refused(self):
        results = self.finish(self.start(3, self.trainer("--set", "step1.batch_size=16", "--set",
                                                         "step2.batch_size=25")))
        for code, _, errors in results:
            self.assertEqual(code, 1)
            self.assertIn("step1.batch_size: 16 is not a multiple of WORLD_SIZE, 3", errors)
            self.assertIn("step2.batch_size: 25 is not a multiple of WORLD_SIZE, 3", errors)
            self.assertIn("INVALID_ARGUMENT", errors)


if __name__ == "__main__":
    DataParallelTest.programs, DataParallelTest.train_rank = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + ["DataParallelTest." + name for name in sys.argv[3:]])
