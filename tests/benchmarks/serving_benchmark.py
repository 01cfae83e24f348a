"""Measures s2p-server as it is used, with the real programs, and prints rows of a Markdown table.

usage: serving_benchmark.py BUILD_DIR WORK_DIR [PART...]

Parts: pipeline batching load alone swap start (all of these); soak, which takes S2P_SOAK_SECONDS (600). BUILD_DIR has bin/ and benchmarks/. The model
is ResNet-18 to its third stage on 96 x 96 pixels with weights as they are drawn: speed does not
depend on what was learned. Sketches and photos are drawn, 256 x 256 pixels.
"""
import json
import os
import random
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib

PHOTOS = 10000
SECONDS = 8
CONCURRENCY = 32


def png(rows, colour_type):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(
            ">I", zlib.crc32(name + body))
    size = len(rows)
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, colour_type, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
            + chunk(b"IEND", b""))


def sketch(seed, size=256):
    """Black strokes on a transparent background, as a canvas exports them."""
    draw = random.Random(seed)
    rows = [bytearray(4 * size) for _ in range(size)]
    for _ in range(12):
        x, y = draw.uniform(0.1, 0.9) * size, draw.uniform(0.1, 0.9) * size
        dx, dy = draw.uniform(-1, 1), draw.uniform(-1, 1)
        for _ in range(150):
            dx, dy = dx + draw.uniform(-0.2, 0.2), dy + draw.uniform(-0.2, 0.2)
            x, y = x + max(-1, min(1, dx)), y + max(-1, min(1, dy))
            for oy in (0, 1):
                for ox in (0, 1):
                    column, row = int(x) + ox, int(y) + oy
                    if 0 <= column < size and 0 <= row < size:
                        rows[row][4 * column + 3] = 255
    return png(rows, 6)


def photo(seed, size=256):
    draw = random.Random(seed)
    blocks = [[bytes(draw.randrange(256) for _ in range(3)) * 16 for _ in range(size // 16)]
              for _ in range(size // 16)]
    return png([b"".join(blocks[y // 16]) for y in range(size)], 2)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
    return path


class Bench:
    def __init__(self, build, work):
        self.build, self.work = os.path.abspath(build), os.path.abspath(work)
        os.makedirs(self.work, exist_ok=True)
        self.store = os.path.join(self.work, "checkpoints")
        self.rows = []
        self.sketches = [write(os.path.join(self.work, "sketch%d.png" % i), sketch(i))
                         for i in range(20)]
        self.photos = [write(os.path.join(self.work, "photo%d.png" % i), photo(i))
                       for i in range(200)]
        if not os.path.isdir(os.path.join(self.store, "1")):
            self.publish(self.store, 1)

    def program(self, name):
        folder = "bin" if name.startswith("s2p") else "benchmarks"
        return os.path.join(self.build, folder, name)

    def run(self, *arguments):
        result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                universal_newlines=True)
        if result.returncode != 0:
            raise SystemExit("%s\n%s\n%s" % (" ".join(arguments[:4]), result.stdout, result.stderr))
        return result.stdout

    def publish(self, store, seed):
        data = os.path.join(self.work, "data")
        if not os.path.isdir(data):
            self.run(self.program("s2p-trainer"), "synthesize", "--out", data, "--identities", "40",
                     "--seed", "1")
        self.run(self.program("s2p-trainer"), "run", "--preset", "shoes-resnet18", "--device", "cpu",
                 "--set", "target_dataset=" + os.path.join(data, "target"),
                 "--set", "step2.epochs=0", "--set", "workers=0", "--set", "seed=%d" % seed,
                 "--set", "photo.height=96", "--set", "photo.width=96",
                 "--set", "sketch.height=96", "--set", "sketch.width=96",
                 "--set", "embedding.pooling=POOLING_GLOBAL", "--set", "embedding.dimension=512",
                 "--checkpoint-root", store,
                 "--state-dir", os.path.join(self.work, "state%d-%d" % (seed, time.time_ns())))

    def gallery(self, name, count):
        folder = os.path.join(self.work, name)
        if not os.path.isdir(folder):
            self.run(self.program("fill_gallery"), os.path.join(self.store, "1"), folder + ".tmp",
                     str(count), *self.photos)
            os.rename(folder + ".tmp", folder)
        return folder

    def serve(self, data_dir, *flags, store=None):
        return Server(self, store or self.store, data_dir, *flags)

    def row(self, what, result, goal=""):
        print("| %s | %s | %s |" % (what, result, goal), flush=True)

    # The parts.

    def pipeline(self):
        gallery = self.gallery("gallery", PHOTOS)
        alone, served = [], []
        for _ in range(3):
            copy = os.path.join(self.work, "gallery-copy")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(gallery, copy)
            alone.append(float(self.run(self.program("pipeline_benchmark"), self.store, copy,
                                        str(SECONDS), *self.sketches)))
            with self.serve(gallery) as server:
                served.append(server.bench("--concurrency", str(CONCURRENCY))["qps"])
        a, s = statistics.median(alone), statistics.median(served)
        self.row("In process, full batches, searches/s", "%.1f" % a)
        self.row("gRPC at concurrency 32, searches/s", "%.1f" % s)
        self.row("gRPC / in process", "%.2f" % (s / a), ">= 0.90")

    def batching(self):
        gallery = self.gallery("gallery", PHOTOS)
        batched, single = [], []
        for _ in range(3):
            with self.serve(gallery) as server:
                batched.append(server.bench("--concurrency", str(CONCURRENCY))["qps"])
            with self.serve(gallery, "--max-batch", "1") as server:
                single.append(server.bench("--concurrency", str(CONCURRENCY))["qps"])
        b, s = statistics.median(batched), statistics.median(single)
        self.row("Batches of up to 32 / of 1, at concurrency 32",
                 "%.1f / %.1f = %.2f" % (b, s, b / s))

    def load(self):
        with self.serve(self.gallery("gallery", PHOTOS)) as server:
            capacity = server.bench("--concurrency", str(CONCURRENCY))["qps"]
            for share in (0.5, 0.8):
                result = server.bench("--rate", "%.1f" % (share * capacity), seconds=2 * SECONDS)
                self.row("Open loop at %d %% of capacity (%.0f/s): p50, p95, p99 in ms" %
                         (100 * share, share * capacity),
                         "%.1f, %.1f, %.1f; %d errors" % (
                             result["p50_ms"], result["p95_ms"], result["p99_ms"],
                             result["errors"]), "0 errors")

    def alone(self):
        """Searches one by one, then the same while photos are added, with and without the waits."""
        for flags in ((), ("--max-delay", "0"), ("--max-add-time", "1h")):
            copy = os.path.join(self.work, "gallery-alone")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.gallery("gallery", PHOTOS), copy)
            with self.serve(copy, *flags) as server:
                idle = server.bench("--concurrency", "1")
                full = server.bench("--concurrency", str(CONCURRENCY))
                with Adding(server, self.photos) as adding:
                    busy = server.bench("--concurrency", "1")
            self.row("One search at a time, %s: p50, p95; searches/s at concurrency %d" % (
                " ".join(flags) or "default flags", CONCURRENCY),
                     "%.1f, %.1f ms; %.1f" % (idle["p50_ms"], idle["p95_ms"], full["qps"]))
            self.row("the same while photos are added: p50, p95; photos/s",
                     "%.1f, %.1f ms; %.1f" % (busy["p50_ms"], busy["p95_ms"], adding.rate))

    def swap(self):
        copy = os.path.join(self.work, "gallery-swap")
        store = os.path.join(self.work, "checkpoints-swap")
        for folder, source in ((copy, self.gallery("gallery", PHOTOS)), (store, self.store)):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
        with self.serve(copy, store=store) as server:
            capacity = server.bench("--concurrency", str(CONCURRENCY))["qps"]
            rate = "%.1f" % (0.5 * capacity)
            steady = server.bench("--rate", rate, seconds=2 * SECONDS)
            self.publish(store, 2)
            begin = time.monotonic()
            server.wait(lambda: server.state(2) == "STATE_EMBEDDING")
            # Only windows entirely within the embedding count; each has half the length of the
            # steady one.
            during, full = [], []
            while True:
                for results, flags in ((during, ("--rate", rate)),
                                       (full, ("--concurrency", str(CONCURRENCY)))):
                    result = server.bench(*flags)
                    if server.state(2) == "STATE_EMBEDDING":
                        results.append(result)
                if server.state(2) != "STATE_EMBEDDING":
                    break
            server.wait(lambda: server.state(2) in ("STATE_SERVING", "STATE_FAILED"))
            self.row("Version 2 is %s after" % server.state(2),
                     "%.0f s" % (time.monotonic() - begin))
        if not during:
            return self.row("The embedding was over before anything was measured", "", "")
        p99 = max(result["p99_ms"] for result in during)
        self.row("p99 while re-embedding (worst window) / steady, at 50 % load",
                 "%.1f / %.1f ms = %.2f" % (p99, steady["p99_ms"], p99 / steady["p99_ms"]), "<= 2")
        if full:
            qps = statistics.median(result["qps"] for result in full)
            self.row("Throughput while re-embedding / steady, concurrency 32",
                     "%.1f / %.1f = %.2f" % (qps, capacity, qps / capacity), ">= 0.7")
        self.row("Failed searches meanwhile",
                 str(sum(result["errors"] for result in during + full)), "0")

    def start(self):
        gallery = self.gallery("gallery-100000", 100000)
        weights = os.path.getsize(os.path.join(self.store, "1", "weights.safetensors"))
        needed = 100000 * 512 * 4 + weights
        empty = os.path.join(self.work, "gallery-empty")
        shutil.rmtree(empty, ignore_errors=True)
        with self.serve(empty) as server:
            without = server.resident_bytes()
        self.row("Resident with the model and an empty gallery", "%d MiB" % (without >> 20))
        for kind in ("Flat", "IVF1024,Flat"):
            if kind != "Flat":
                # The server trains the index once and keeps it.
                self.serve(gallery, "--index", kind).end()
            with self.serve(gallery, "--index", kind) as server:
                resident = server.resident_bytes()
                self.row("Start with 100,000 photos, %s" % kind, "%.1f s" % server.start_seconds,
                         "<= 10 s")
                self.row("Resident, %s / (vectors + weights)" % kind,
                         "%d / %d MiB = %.2f; less the empty server %.2f" % (
                             resident >> 20, needed >> 20, resident / needed,
                             (resident - without + weights) / needed), "<= 1.4")


    def soak(self):
        seconds = int(os.environ.get("S2P_SOAK_SECONDS", "600"))
        copy = os.path.join(self.work, "gallery-soak")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.gallery("gallery", PHOTOS), copy)
        with self.serve(copy) as server:
            capacity = server.bench("--concurrency", str(CONCURRENCY))["qps"]
            load = subprocess.Popen(
                [self.program("s2p"), "--server", server.address, "bench", "--json", "--rate",
                 "%.1f" % (0.8 * capacity), "--duration", str(seconds)] + self.sketches,
                stdout=subprocess.PIPE, universal_newlines=True)
            begin, resident, turn = time.monotonic(), [], 0
            while load.poll() is None:
                # Meanwhile photos are added and removed, one per second.
                photo_file = self.photos[turn % len(self.photos)]
                server.s2p("gallery", "add", photo_file)
                server.s2p("gallery", "rm", os.path.splitext(os.path.basename(photo_file))[0])
                resident.append((time.monotonic() - begin, server.resident_bytes()))
                turn += 1
                time.sleep(1)
            result = json.loads(load.stdout.read())
        early = [size for at, size in resident if abs(at - 0.2 * seconds) <= 0.05 * seconds]
        late = [size for at, size in resident if at >= 0.95 * seconds]
        first, last = statistics.mean(early), statistics.mean(late)
        self.row("Soak of %d s at 80 %% of capacity (%.0f/s), %d adds and deletes: resident memory at "
                 "the end / after a fifth" % (seconds, 0.8 * capacity, 2 * turn),
                 "%.1f / %.1f MiB = %.3f" % (last / 2**20, first / 2**20, last / first), "<= 1.05")
        self.row("Searches of the soak, and how many failed",
                 "%d, %d; p99 %.1f ms" % (result["requests"], result["errors"], result["p99_ms"]), "0")


class Adding:
    """Adds photos and removes them again, from the start of the block to its end."""

    def __init__(self, server, photos):
        self.server, self.photos = server, photos
        self.ids = [os.path.splitext(os.path.basename(path))[0] for path in photos]
        # Photos, and the time that adding them took, without their removal.
        self.added, self.seconds, self.rate = 0, 0.0, 0.0
        self.error = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            while not self.stopping.is_set():
                begin = time.monotonic()
                self.server.s2p("gallery", "add", *self.photos)
                self.seconds += time.monotonic() - begin
                self.added += len(self.photos)
                self.server.s2p("gallery", "rm", *self.ids)
        except BaseException as error:  # __exit__ raises it on the thread of the block.
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        self.thread.join()
        if self.error is not None and kind is None:
            raise self.error
        if self.seconds > 0:
            self.rate = self.added / self.seconds


class Server:
    """A running s2p-server that is stopped at the end of the block."""

    def __init__(self, bench, store, data_dir, *flags):
        self.bench_of = bench
        files = os.path.join(bench.work, "server")
        shutil.rmtree(files, ignore_errors=True)
        os.makedirs(files)
        self.log_path = os.path.join(files, "log")
        begin = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [bench.program("s2p-server"), "--checkpoint-root", store, "--data-dir", data_dir,
                 "--device", "cpu", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                 "--address-file", os.path.join(files, "address"),
                 "--http-address-file", os.path.join(files, "http")] + list(flags),
                stdout=log, stderr=log)
        self.wait(lambda: os.path.exists(os.path.join(files, "http")))
        with open(os.path.join(files, "address")) as file:
            self.address = file.read().strip()
        with open(os.path.join(files, "http")) as file:
            self.http = file.read().strip()
        self.wait(self.ready)
        self.start_seconds = time.monotonic() - begin

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def wait(self, condition):
        while not condition():
            if self.process.poll() is not None:
                with open(self.log_path) as log:
                    raise SystemExit("the server ended:\n" + log.read())
            time.sleep(0.02)

    def get(self, path):
        with urllib.request.urlopen("http://%s%s" % (self.http, path)) as reply:
            return reply.read().decode()

    def ready(self):
        try:
            self.get("/readyz")
            return True
        except urllib.error.URLError:
            return False

    def s2p(self, *arguments):
        return self.bench_of.run(self.bench_of.program("s2p"), "--server", self.address, *arguments)

    def bench(self, *flags, seconds=SECONDS):
        return json.loads(self.s2p("bench", "--json", "--duration", str(seconds), *flags,
                                   *self.bench_of.sketches))

    def state(self, version):
        for known in json.loads(self.s2p("model", "status", "--json"))["versions"]:
            if known["version"] == str(version):
                return known["state"]
        return ""

    def resident_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    bench = Bench(sys.argv[1], sys.argv[2])
    parts = sys.argv[3:] or ["pipeline", "batching", "load", "alone", "swap", "start"]
    print("| what | result | goal |\n|---|---|---|", flush=True)
    for part in parts:
        getattr(bench, part)()


if __name__ == "__main__":
    main()
