"""Abuses a server and a gateway in every way we know while others search, on what
end_to_end_test.py prepares.

usage: hostile_test.py BIN_DIR WORK_DIR TEST...     runs tests of Hostile by name

S2P_ACTS: number of abusive acts (each kind twice); S2P_SEED: their order (1). With S2P_ACTS=10000,
some ten minutes, it also compares the times of the good searches with and without the abuse, and
fails if the slow ones take more than twice as long: for a machine that does nothing else.
"""
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
import zlib

import end_to_end_test
from end_to_end_test import Server, png_header, program

try:
    import grpc
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)
    grpc = None

ACTS = int(os.environ.get("S2P_ACTS", "0"))
SEED = int(os.environ.get("S2P_SEED", "1"))
# Each program may keep this after the abuse: buffers, connections, the allocator's slack.
GROWTH_BYTES = 256 << 20
PASSWORD = "a password of the tests"
KEY = "a-key-of-the-tests-that-may-do-everything"
PATIENT_SECONDS = 86400
# The good searches of a run, at least, and by what factor abuse may slow their 99th percentile.
SEARCHES = 1000
SLOWER = 2
# Two visitors of the page, and the connections that one address may have there.
GREEDY, MODEST = "127.0.0.3", "127.0.0.2"
CONNECTIONS = 256
# A photo that the buffers of a connection cannot hold.
LARGE_PHOTO = "large"
# A program that says nothing to a raw socket for this long has failed the act.
SOCKET_SECONDS = 60

SEARCH = "/s2p.v1.SearchService/Search"
ADD = "/s2p.v1.GalleryService/AddPhotos"
DELETE = "/s2p.v1.GalleryService/DeletePhotos"
UPDATE = "/s2p.v1.GalleryService/UpdatePhotoMetadata"
GET = "/s2p.v1.GalleryService/GetPhoto"
LIST = "/s2p.v1.GalleryService/ListPhotos"
SERVE = "/s2p.v1.ModelService/SetServingVersion"


# Protobuf's wire format: https://protobuf.dev/programming-guides/encoding/
def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(number, value):
    value = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def number(field, value):
    return varint(field << 3) + varint(value)


def float32(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def image_example(image):
    return text(1, text(1, image))


def drawing(strokes, width=100, height=100):
    return text(1, text(2, number(1, width) + number(2, height) + strokes))


def stroke(*points):
    return text(3, b"".join(text(1, float32(1, x) + float32(2, y)) for x, y in points))


def photo_request(photo_id, image):
    return text(1, photo_id) + text(2, image)


def png(width, height, seed):
    """A picture of noise, small when it is one colour."""
    rows = random.Random(seed).randbytes(width * height * 3)
    raw = b"".join(b"\0" + rows[y * width * 3:(y + 1) * width * 3] for y in range(height))

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(
            ">I", zlib.crc32(name + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))


# Words of eight bytes that are UTF-8, as are their partners.
WORDS = [bytes.fromhex(word) for word in (
    "4c367029c5912928 2b412978f281b5b8 326d6a3ac692d2bc 3b522a782363262c 3d63795adb8acbb9 deba6e4aca853224 "
    "712c2b77f285b0a9 d9917247d98dc4bf 78402476f38590a6 7c657e29d198d1ad 55567030d294c797 2930247924612928 "
    "7226286df38c89bc").split()]


def colliding_keys():
    """Texts of one hash under MurmurHash64A, which is libstdc++'s std::hash, for every seed: a word and its
    partner differ in the top bit once they are mixed, and an even number of such differences cancels out."""
    factor = 0xC6A4A7935BD1E995
    mask = (1 << 64) - 1
    inverse = pow(factor, -1, 1 << 64)

    def mixed(word):
        word = word * factor & mask
        return (word ^ word >> 47) * factor & mask

    def unmixed(word):
        word = word * inverse & mask
        return (word ^ word >> 47) * inverse & mask

    pairs = [(word, unmixed(mixed(int.from_bytes(word, "little")) ^ 1 << 63).to_bytes(8, "little"))
             for word in WORDS]
    return [b"".join(pair[choice >> i & 1] for i, pair in enumerate(pairs)).decode()
            for choice in range(1 << len(pairs)) if bin(choice).count("1") % 2 == 0]


COLLIDING_KEYS = colliding_keys()


def make_certificates(folder):
    """An authority, a server's certificate of it, and three of clients: good, expired, and of nobody."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for authority in ("authority", "nobody"):
        openssl("req", "-x509", *curve, "-keyout", authority + ".key", "-out", authority + ".pem",
                "-subj", "/CN=" + authority, "-days", "2")
    with open(os.path.join(folder, "names"), "w") as names:
        names.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, days in (("server", "2"), ("client", "2"), ("expired", "-1")):
        openssl("req", *curve, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "authority.pem", "-CAkey", "authority.key",
                "-CAcreateserial", "-days", days, "-extfile", "names", "-out", name + ".pem")


def connect(address):
    """A connection of its own: what one does to it must not reach the others'."""
    return grpc.insecure_channel(address, options=[
        ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.use_local_subchannel_pool", 1)])


def plain_socket(address, source=None):
    """A connection, from this address of the machine if one is given."""
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=SOCKET_SECONDS,
                                    source_address=(source, 0) if source else None)


def resident_bytes(process):
    with open("/proc/%d/status" % process.pid) as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Victims:
    """What the acts are done to, and what they need."""

    def __init__(self, server, web, sketch, folder, tls_server, keys, former_session):
        self.server = server
        self.web = web
        self.sketch = sketch
        self.folder = folder
        # A server that wants certificates of its clients.
        self.tls_server = tls_server
        # By role.
        self.keys = keys
        # The cookie of an operator who has logged out.
        self.former_session = former_session
        self.channel = connect(server.address)
        self.held = []
        # Connections that get a byte a second, and which.
        self.drips = []
        self.over = threading.Event()
        self.dripper = threading.Thread(target=self.feed_drips)
        self.dripper.start()

    def call(self, method, body, key=KEY, timeout=PATIENT_SECONDS, metadata=(), channel=None, **options):
        """The status code of one call with these bytes."""
        headers = list(metadata) + ([("authorization", "Bearer " + key)] if key else [])
        call = (channel or self.channel).unary_unary(method)
        try:
            call(body, timeout=timeout, metadata=headers, **options)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def call_alone(self, *arguments, **options):
        """As `call`, on a connection of its own, because the server may close it."""
        with connect(self.server.address) as channel:
            return self.call(*arguments, channel=channel, **options)

    def stream(self, method, bodies, key=KEY, timeout=PATIENT_SECONDS):
        call = self.channel.stream_stream(method)
        try:
            for _ in call(iter(bodies), timeout=timeout, metadata=[("authorization", "Bearer " + key)]):
                pass
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def server_stream(self, method, body, key=KEY):
        call = self.channel.unary_stream(method)
        try:
            for _ in call(body, timeout=PATIENT_SECONDS, metadata=[("authorization", "Bearer " + key)]):
                pass
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def raw(self, address, *pieces, end=False, source=None):
        """Sends bytes as they are and returns what came back until the other side closed."""
        with plain_socket(address, source) as peer:
            try:
                for piece in pieces:
                    peer.sendall(piece)
                if end:
                    peer.shutdown(socket.SHUT_WR)
                reply = b""
                while True:
                    got = peer.recv(65536)
                    if not got:
                        return reply
                    reply += got
            except (ConnectionResetError, BrokenPipeError):
                return b""

    def http(self, *pieces, address=None, end=True):
        """The status of the reply to these bytes; "closed" without one."""
        reply = self.raw(address or self.web, *pieces, end=end)
        return reply.split(b" ")[1].decode() if reply.startswith(b"HTTP/1.1 ") else "closed"

    def hold(self, address, opening):
        """Leaves a connection open after these bytes, until the end of the test."""
        peer = plain_socket(address)
        self.held.append(peer)
        peer.sendall(opening)
        return "held"

    def drip(self, address, opening, byte):
        """Leaves a connection open that gets another byte each second until the other side closes it."""
        outcome = self.hold(address, opening)
        self.drips.append((self.held[-1], byte))
        return outcome

    def feed_drips(self):
        while not self.over.wait(1):
            for drip in list(self.drips):
                try:
                    drip[0].sendall(drip[1])
                except OSError:
                    self.drips.remove(drip)

    def call_over_tls(self, client):
        """The status code of a call with this client's certificate; None: without one."""
        def read(name):
            return end_to_end_test.read_bytes(os.path.join(self.folder, name))

        pair = (read(client + ".key"), read(client + ".pem")) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(read("authority.pem"), *pair)
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.tls_server.address, credentials, options) as channel:
            return self.call(LIST, b"", channel=channel)

    def frames_twice(self, frames):
        """Sends recorded frames of one call twice over one connection."""
        return closed(self.raw(self.server.address, PREFACE + SETTINGS + frames + frames, end=True))

    def get(self, path, *lines, body=b"", method="GET", host=None, end=True):
        head = "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n" % (method, path, host or self.web)
        head += "".join(line + "\r\n" for line in lines)
        if body:
            head += "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        return self.http(head.encode() + b"\r\n" + body, end=end)

    def post(self, path, value, *lines, end=True):
        """With `end` the client closes its side, which cancels what the page has asked a server."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.get(path, *lines, body=body, method="POST", end=end)

    def crowd(self, path, wanted, await_answers=False):
        """The status of what a modest visitor gets while a greedy one asks for a path over as many
        connections as it may have, and reads nothing, or the first byte of each answer."""
        def request(path, connection):
            return ("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n" % (
                path, self.web, connection)).encode()

        with contextlib.ExitStack() as opened:
            peers = [opened.enter_context(plain_socket(self.web, GREEDY)) for _ in range(CONNECTIONS)]
            for peer in peers:
                # The page closes what is left of an earlier crowd a little later.
                with contextlib.suppress(ConnectionError):
                    peer.sendall(request(path, "keep-alive"))
            for peer in peers if await_answers else ():
                with contextlib.suppress(ConnectionError):
                    peer.recv(1)
            reply = self.raw(self.web, request(wanted, "close"), source=MODEST)
        return reply.split(b" ")[1].decode() if reply.startswith(b"HTTP/1.1 ") else "closed"

    def close(self):
        self.over.set()
        self.dripper.join()
        for peer in self.held:
            peer.close()
        self.channel.close()


BAD = "INVALID_ARGUMENT"
# Where a program refuses before it has read all, the rest may reset the connection: "closed".
NOISE = ("400", "414", "431", "closed")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind, flags, stream, body):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


# Kind of act: (what it does, the outcomes that are right).
def acts():
    nan = float("nan")
    yield "search without a key", lambda v, r: v.call(SEARCH, image_example(v.sketch), key=""), "UNAUTHENTICATED"
    yield "search with a wrong key", lambda v, r: v.call(
        SEARCH, image_example(v.sketch), key="k" * r.randint(16, 400)), "UNAUTHENTICATED"
    yield "16 MiB without a key", lambda v, r: v.call(
        SEARCH, b"\x0a\0" * (8 << 20), key=""), ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED")
    yield "delete without a key", lambda v, r: v.call(DELETE, text(1, "a"), key=""), "UNAUTHENTICATED"
    yield "delete with a key for searches", lambda v, r: v.call(
        DELETE, text(1, "a"), key=v.keys["search"]), "PERMISSION_DENIED"
    yield "photos with a key for searches", lambda v, r: v.stream(
        ADD, [photo_request("x", v.sketch)], key=v.keys["search"]), "PERMISSION_DENIED"
    yield "search with a key for writing", lambda v, r: v.call(
        SEARCH, image_example(v.sketch), key=v.keys["write"]), "PERMISSION_DENIED"
    yield "version with a key for writing", lambda v, r: v.call(
        SERVE, number(1, 1), key=v.keys["write"]), "PERMISSION_DENIED"
    yield "deletion with a key for training", lambda v, r: v.call(
        DELETE, text(1, "a"), key=v.keys["train"]), "PERMISSION_DENIED"
    yield "expired certificate", lambda v, r: v.call_over_tls("expired"), "UNAVAILABLE"
    yield "certificate of nobody", lambda v, r: v.call_over_tls("nobody"), "UNAVAILABLE"
    yield "no certificate", lambda v, r: v.call_over_tls(None), "UNAVAILABLE"
    yield "plain text to a port of TLS", lambda v, r: closed(v.raw(
        v.tls_server.address, PREFACE + SETTINGS, end=True)), "closed"
    yield "replayed deletion", lambda v, r: v.call(DELETE, text(1, "deleted long ago")), "OK"
    yield "replayed frames of a call", lambda v, r: v.frames_twice(
        frame(1, 4, 1, b"\x83\x86\x84\x41\x01a") + frame(0, 1, 1, b"\0\0\0\0\0")), "closed"
    yield "map of colliding keys", lambda v, r: v.call(UPDATE, text(1, "a") + b"".join(
        text(2, text(1, key) + text(2, "v")) for key in COLLIDING_KEYS[:500])), BAD
    yield "truncated message", lambda v, r: v.call(
        SEARCH, image_example(v.sketch)[:r.randint(1, len(v.sketch) - 1)]), BAD
    yield "random bytes", lambda v, r: v.call(SEARCH, r.randbytes(r.randint(1, 4096))), BAD
    yield "empty search", lambda v, r: v.call(SEARCH, b""), BAD
    yield "17 examples", lambda v, r: v.call(SEARCH, text(1, text(3, "a")) * 17), BAD
    yield "a million examples", lambda v, r: v.call(SEARCH, b"\x0a\0" * 1000000), BAD
    yield "empty strokes without end", lambda v, r: v.call(SEARCH, drawing(b"\x1a\0" * 1000000)), BAD
    yield "points without end", lambda v, r: v.call(SEARCH, drawing(text(3, b"\x0a\0" * 500000))), BAD
    yield "strokes that are not numbers", lambda v, r: v.call(SEARCH, drawing(stroke((nan, 1), (2, nan)))), BAD
    yield "canvas without end", lambda v, r: v.call(
        SEARCH, drawing(stroke((1, 1)), width=0xFFFFFFFF, height=0xFFFFFFFF)), BAD
    yield "text that is not UTF-8", lambda v, r: v.call(SEARCH, text(1, text(3, b"\xff\xfe"))), BAD
    yield "unknown photo", lambda v, r: v.call(SEARCH, text(1, text(3, "no such photo"))), "NOT_FOUND"
    yield "four billion matches", lambda v, r: v.call(
        SEARCH, image_example(v.sketch) + number(2, 0xFFFFFFFF)), BAD
    yield "limit that is not a number", lambda v, r: v.call(SEARCH, image_example(v.sketch) + float32(3, nan)), BAD
    yield "excluded photos without end", lambda v, r: v.call(
        SEARCH, image_example(v.sketch) + text(4, text(4, "a") * 100000)), BAD
    yield "filter of a strange attribute", lambda v, r: v.call(
        SEARCH, image_example(v.sketch) + text(4, text(2, text(1, "a" * r.randint(1, 20000))))), (
            "FAILED_PRECONDITION", BAD)
    yield "nested groups", lambda v, r: v.call(SEARCH, b"\x0b" * 50000 + b"\x0c" * 50000), BAD
    yield "noise for an image", lambda v, r: v.call(SEARCH, image_example(r.randbytes(2000))), BAD
    yield "cut image", lambda v, r: v.call(SEARCH, image_example(v.sketch[:r.randint(1, len(v.sketch) - 30)])), BAD
    yield "changed image", lambda v, r: v.call(SEARCH, image_example(
        v.sketch[:50] + r.randbytes(8) + v.sketch[58:])), BAD
    yield "image of a billion pixels", lambda v, r: v.call(SEARCH, image_example(png_header(40000, 40000))), BAD
    yield "other formats", lambda v, r: v.call(SEARCH, image_example(r.choice(
        [b"GIF89a" + bytes(50), b"%PDF-1.7\n" + bytes(50), b"\0\0\0\x18ftypheic" + bytes(50),
         b"II*\0" + bytes(50), b"<svg xmlns='http://www.w3.org/2000/svg'/>"]))), BAD
    yield "scans without end", lambda v, r: v.call(SEARCH, image_example(scans(1000))), BAD
    yield "message of 20 MiB", lambda v, r: v.call(SEARCH, bytes(20 << 20)), "RESOURCE_EXHAUSTED"
    yield "compressed zeros", lambda v, r: v.call(
        SEARCH, text(1, text(1, bytes(64 << 20))), compression=grpc.Compression.Gzip), (
            "RESOURCE_EXHAUSTED", BAD)
    yield "unknown method", lambda v, r: v.call("/s2p.v1.SearchService/" + "A" * r.randint(1, 200), b""), (
        "UNIMPLEMENTED")
    yield "unknown service", lambda v, r: v.call("/x/y", b""), "UNIMPLEMENTED"
    yield "deadline that has passed", lambda v, r: v.call(
        SEARCH, image_example(v.sketch), timeout=1e-6), "DEADLINE_EXCEEDED"
    yield "headers without end", lambda v, r: v.call_alone(
        SEARCH, b"", metadata=[("x-%d" % i, "v" * 4000) for i in range(20)]), (
            "RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL")
    yield "delete of a thousand and one", lambda v, r: v.call(DELETE, text(1, "a") * 1001), BAD
    yield "delete of nothing", lambda v, r: v.call(DELETE, b""), BAD
    yield "metadata without end", lambda v, r: v.call(UPDATE, text(1, "a") + b"".join(
        text(2, text(1, "k%d" % i) + text(2, "v")) for i in range(5000))), (BAD, "NOT_FOUND")
    yield "path for an id", lambda v, r: v.server_stream(
        GET, text(1, r.choice(["../gallery.db", "/etc/passwd", "..%2f..", "a/../../b"])) + number(2, 3)), "NOT_FOUND"
    yield "forged page", lambda v, r: v.call(LIST, text(2, r.randbytes(40).hex())), (BAD, "OK")
    yield "page of four billion", lambda v, r: v.call(LIST, number(1, 0xFFFFFFFF)), BAD
    yield "version that is not there", lambda v, r: v.call(SERVE, number(1, r.randint(1000, 1 << 40))), "NOT_FOUND"
    yield "photos that are noise", lambda v, r: v.stream(ADD, [photo_request("x", r.randbytes(500))] * 3), "OK"
    yield "stream of random bytes", lambda v, r: v.stream(ADD, [b"\xff" * 100]), BAD
    yield "stream that sends nothing", lambda v, r: v.stream(ADD, []), "OK"
    # Against the gRPC port itself.
    yield "HTTP/1 to the gRPC port", lambda v, r: v.http(
        b"GET / HTTP/1.1\r\n\r\n", address=v.server.address), ("closed", "400", "505")
    yield "noise to the gRPC port", lambda v, r: closed(v.raw(v.server.address, r.randbytes(5000), end=True)), "closed"
    yield "frames of noise", lambda v, r: closed(v.raw(
        v.server.address, PREFACE + SETTINGS + frame(r.randint(0, 9), r.randint(0, 255), r.randint(0, 9), r.randbytes(100)),
        end=True)), "closed"
    yield "frame of 16 MiB", lambda v, r: closed(v.raw(
        v.server.address, PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1", end=True)), "closed"
    yield "pings without end", lambda v, r: closed(v.raw(
        v.server.address, PREFACE + SETTINGS + frame(6, 0, 0, bytes(8)) * 5000, end=True)), "closed"
    yield "resets without end", lambda v, r: closed(v.raw(
        v.server.address, PREFACE + SETTINGS + b"".join(
            frame(1, 4, 2 * i + 1, b"\x83\x86\x84\x41\1a") + frame(3, 0, 2 * i + 1, bytes(4))
            for i in range(1000)), end=True)), "closed"
    yield "headers that never end", lambda v, r: v.hold(
        v.server.address, PREFACE + SETTINGS + frame(1, 0, 1, b"\0\1a\x7f\xff\x0f") + frame(9, 0, 1, b"x" * 1000)), "held"
    yield "half-open gRPC connection", lambda v, r: v.hold(v.server.address, b"P"), "held"
    yield "frames that drip", lambda v, r: v.drip(
        v.server.address, PREFACE + SETTINGS + b"\0\x40\0\1\4\0\0\0\1", b"x"), "held"
    yield "message that drips", lambda v, r: v.drip(
        v.server.address, PREFACE + SETTINGS + frame(1, 4, 1, add_headers(v)) + b"\0\x40\0\0\0\0\0\0\1" +
        b"\0\0\x10\0\0", b"\x0a"), "held"
    # Against HTTP.
    yield "request line without end", lambda v, r: v.http(b"GET /" + b"a" * (1 << 20)), ("414", "closed")
    yield "headers without end over HTTP", lambda v, r: v.http(
        b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 100000), ("431", "closed")
    yield "header of a mebibyte", lambda v, r: v.http(b"GET / HTTP/1.1\r\nX: " + b"y" * (1 << 20)), ("431", "closed")
    yield "two lengths", lambda v, r: v.get("/api/search", "Content-Length: 5", "Content-Length: 6",
                                            method="POST"), "400"
    yield "length and chunks", lambda v, r: v.get(
        "/api/search", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST"), "400"
    yield "negative length", lambda v, r: v.get("/api/search", "Content-Length: -1", method="POST"), "400"
    yield "length without end", lambda v, r: v.get(
        "/api/search", "Content-Length: 99999999999999999999", method="POST"), "400"
    yield "body that is cut", lambda v, r: v.http(
        b"POST /api/search HTTP/1.1\r\nHost: " + v.web.encode() +
        b"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"), "closed"
    yield "path out of the page", lambda v, r: v.get(r.choice(
        ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%00", "//etc/passwd", "/\\..\\x"])), ("400", "404")
    yield "noise to the page", lambda v, r: v.http(r.randbytes(3000) + b"\r\n\r\n"), NOISE
    yield "deep JSON", lambda v, r: v.post("/api/search", b"[" * 100000), "400"
    yield "JSON of many strokes", lambda v, r: v.post(
        "/api/search", b'{"examples":[{"strokes":{"strokes":[' + b"{}," * 500000 + b"{}]}}]}"), "400"
    yield "JSON of many equal keys", lambda v, r: v.post(
        "/api/search", b"{" + b",".join(b'"k%d":1' % (i % 50) for i in range(50000)) + b"}"), "400"
    yield "JSON of colliding keys", lambda v, r: v.post("/api/search", {
        "examples": [{"photoId": "a"}], "filter": {"metadata": {key: "v" for key in COLLIDING_KEYS}}},
        end=False), "400"
    yield "fields of colliding names", lambda v, r: v.post(
        "/api/search", {key: 1 for key in COLLIDING_KEYS}, end=False), "400"
    yield "head that drips", lambda v, r: v.drip(v.web, b"GET / HTTP/1.1\r\nX: ", b"y"), "held"
    yield "body that drips", lambda v, r: v.drip(
        v.web, b"POST /api/search HTTP/1.1\r\nHost: " + v.web.encode() +
        b"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{", b" "), "held"
    yield "chunks that drip", lambda v, r: v.drip(
        v.web, b"POST /api/search HTTP/1.1\r\nHost: " + v.web.encode() +
        b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n{", b" "), "held"
    yield "metrics that drip", lambda v, r: v.drip(
        v.server.http, b"GET /metrics HTTP/1.1\r\nX: ", b"y"), "held"
    yield "replayed change of an operator who has left", lambda v, r: v.post(
        "/api/photos/delete", {"photoIds": ["a"]}, "Origin: http://" + v.web, "Cookie: " + v.former_session), "401"
    yield "JSON with a lone surrogate", lambda v, r: v.post(
        "/api/search", b'{"examples":[{"photoId":"\\ud800"}]}'), "400"
    yield "strange method", lambda v, r: v.get("/api/search", method="BREW"), "404"
    yield "strange host", lambda v, r: v.get("/", host="evil.example"), "403"
    yield "request from another site", lambda v, r: v.post(
        "/api/photos/delete", {"photoIds": ["a"]}, "Origin: http://evil.example"), "403"
    yield "deletion without a login", lambda v, r: v.post(
        "/api/photos/delete", {"photoIds": ["a"]}, "Origin: http://" + v.web), "401"
    yield "wrong password", lambda v, r: v.post(
        "/api/login", {"password": "x" * r.randint(1, 3000)}, "Origin: http://" + v.web), ("401", "429")
    yield "originals that nobody reads", lambda v, r: v.crowd(
        "/api/photo/original?id=" + LARGE_PHOTO,
        "/api/photo/%s?id=%s" % (r.choice(["original", "thumbnail"]), LARGE_PHOTO), await_answers=True), "200"
    yield "requests that fill the threads of the page", lambda v, r: v.crowd("/api/photos", "/api/photos"), "200"
    yield "page for a socket that sleeps", lambda v, r: v.hold(v.web, b"GET / HT"), "held"
    yield "metrics for a socket that sleeps", lambda v, r: v.hold(v.server.http, b"GET /metr"), "held"
    yield "noise to the metrics", lambda v, r: v.http(
        r.randbytes(3000) + b"\r\n\r\n", address=v.server.http), NOISE


def add_headers(victims):
    """The headers of AddPhotos, with the key, without compression: RFC 7541, 6.2.2."""
    def header(name, value):
        # A length of 127 and more takes a second byte.
        def string(text):
            size = len(text)
            return (bytes([size]) if size < 127 else b"\x7f" + varint(size - 127)) + text.encode()

        return b"\0" + string(name) + string(value)

    return (header(":method", "POST") + header(":scheme", "http") + header(":path", ADD)
            + header(":authority", victims.server.address) + header("te", "trailers")
            + header("content-type", "application/grpc") + header("authorization", "Bearer " + KEY))


def closed(reply):
    """The outcome of a connection that gRPC closed: it may say goodbye, but send no body."""
    if reply.startswith(b"HTTP/1.1 2"):
        return "answered"
    # Frames of HTTP/2; type 0 is DATA.
    while len(reply) >= 9:
        if reply[3] == 0:
            return "answered"
        reply = reply[9 + int.from_bytes(reply[:3], "big"):]
    return "closed"


def scans(count):
    """A progressive JPEG whose last scan is repeated."""
    start = (b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64 + b"\xff\xc2\0\x0b\x08\0\x08\0\x08\1\1\x11\0"
             + b"\xff\xc4\0\x14\0\1" + bytes(15) + b"\0")
    return start + b"\xff\xda\0\x08\1\1\0\0\0\0\0" * count + b"\xff\xd9"


def search_until_stopped(address, sketch, stopped, count, outcome):
    """Searches over and over; sends the times in seconds, or the first failure as text."""
    body = image_example(sketch)
    call = connect(address).unary_unary(SEARCH)
    seconds = []
    while not stopped.is_set():
        begin = time.monotonic()
        try:
            reply = call(body, timeout=PATIENT_SECONDS, metadata=[("authorization", "Bearer " + KEY)])
        except grpc.RpcError as error:
            return outcome.send("%s: %s" % (error.code().name, error.details()))
        if not reply.startswith(b"\x0a"):
            return outcome.send("a search found nothing")
        seconds.append(time.monotonic() - begin)
        count.value = len(seconds)
    outcome.send(seconds)


class Searcher:
    """A process that searches until `end`, so that what the acts cost their own process does not
    count. It has found something before the constructor returns."""

    def __init__(self, victims):
        context = multiprocessing.get_context("spawn")
        self.stopped = context.Event()
        self.count = context.Value("l", 0)
        self.outcome, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=search_until_stopped, daemon=True,
            args=(victims.server.address, victims.sketch, self.stopped, self.count, theirs))
        self.process.start()
        theirs.close()
        self.wait_for(1)

    def wait_for(self, searches):
        while self.count.value < searches and self.process.is_alive():
            time.sleep(0.01)

    def end(self):
        self.stopped.set()
        outcome = self.outcome.recv()
        self.process.join()
        if isinstance(outcome, str):
            raise AssertionError(outcome)
        return sorted(outcome)


def work_as_if_elsewhere():
    """Strangers' own work is done on their machines; here it gets what the programs leave over."""
    for thread in os.listdir("/proc/self/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), 19)


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


@unittest.skipIf(grpc is None, "python3-grpcio is not installed: tools/setup.sh installs it")
class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=end_to_end_test.WORK)
        keys = self.write("keys", KEY + "\n")
        roles = {role: end_to_end_test.run(
            program("s2p"), "keys", "new", "--file", keys, "--name", role, "--role", role).stdout.strip()
            for role in ("search", "write", "train")}
        self.server = Server(os.path.join(end_to_end_test.WORK, "checkpoints"),
                             os.path.join(self.folder, "server"), "--api-key-file", keys)
        self.addCleanup(lambda: self.server.end(signal.SIGKILL))
        self.server.wait_until_serving()
        photos = os.path.join(end_to_end_test.WORK, "data/target/photo")
        large = self.write(LARGE_PHOTO + ".png", png(1400, 1400, SEED))
        self.server.s2p("--api-key", KEY, "gallery", "add", photos, large)
        make_certificates(self.folder)
        self.tls_server = Server(
            os.path.join(end_to_end_test.WORK, "checkpoints"), os.path.join(self.folder, "tls"),
            "--tls-cert", os.path.join(self.folder, "server.pem"),
            "--tls-key", os.path.join(self.folder, "server.key"),
            "--tls-client-ca", os.path.join(self.folder, "authority.pem"))
        self.addCleanup(lambda: self.tls_server.end(signal.SIGKILL))
        address_file = os.path.join(self.folder, "web")
        self.web = subprocess.Popen(
            [program("s2p-web"), "--server", self.server.address, "--api-key", KEY, "--listen", "127.0.0.1:0",
             "--address-file", address_file, "--operator-password-file",
             self.write("password", PASSWORD + "\n")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.end_web)
        while not os.path.exists(address_file):
            self.assertIsNone(self.web.poll())
            time.sleep(0.05)
        sketches = os.path.join(end_to_end_test.WORK, "data/target/sketch")
        name = sorted(os.listdir(sketches))[0]
        web = end_to_end_test.read_text(address_file).strip()
        self.victims = Victims(self.server, web, end_to_end_test.read_bytes(os.path.join(sketches, name)),
                               self.folder, self.tls_server, roles, self.log_in_and_out(web))
        self.addCleanup(self.victims.close)
        # With a good certificate the calls of the acts are answered.
        self.assertEqual(self.victims.call_over_tls("client"), "OK")

    def log_in_and_out(self, web):
        def post(path, body, cookie):
            request = urllib.request.Request("http://%s%s" % (web, path), body.encode(), {
                "Origin": "http://" + web, "Content-Type": "application/json", "Cookie": cookie})
            with urllib.request.urlopen(request) as reply:
                return reply.headers.get("Set-Cookie", "").split(";")[0]

        cookie = post("/api/login", json.dumps({"password": PASSWORD}), "")
        self.assertTrue(cookie)
        post("/api/logout", "{}", cookie)
        return cookie

    def end_web(self):
        self.web.kill()
        self.web.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, 0o600)
        return path

    def outcome_of(self, name, act, chance):
        try:
            outcome = act(self.victims, chance)
        except OSError as error:
            outcome = "%s: %s" % (type(error).__name__, error)
        for process, who in ((self.server.process, "s2p-server"), (self.web, "s2p-web"),
                             (self.tls_server.process, "s2p-server with TLS")):
            self.assertIsNone(process.poll(), "%s ended after the act '%s': %s" % (who, name, outcome))
        return outcome

    def times_without_abuse(self):
        searcher = Searcher(self.victims)
        searcher.wait_for(SEARCHES)
        return searcher.end()

    def test_every_search_is_answered_while_strangers_abuse_the_ports(self):
        kinds = list(acts())
        self.assertGreaterEqual(len(kinds), 40)
        chance = random.Random(SEED)
        todo = kinds * max(2, -(-ACTS // len(kinds)))
        chance.shuffle(todo)
        quiet = self.times_without_abuse() if ACTS else []
        programs = {"s2p-server": self.server.process, "s2p-web": self.web}
        before = {name: resident_bytes(process) for name, process in programs.items()}
        searcher = Searcher(self.victims)
        # Only where times are taken: among other tests the acts would wait for ever for a core.
        if ACTS:
            work_as_if_elsewhere()
        wrong = {}
        try:
            for name, act, right in todo:
                outcome = self.outcome_of(name, act, chance)
                if outcome not in ((right,) if isinstance(right, str) else right):
                    wrong.setdefault(name, []).append(outcome)
            searcher.wait_for(SEARCHES)
        finally:
            seconds = searcher.end()
        growth = {name: resident_bytes(process) - before[name] for name, process in programs.items()}
        print("%d acts of %d kinds, %d searches meanwhile, memory grew by %s" % (
            len(todo), len(kinds), len(seconds),
            ", ".join("%d MiB (%s)" % (grown >> 20, name) for name, grown in growth.items())))
        if quiet:
            print("searches: p50 %.1f ms, p99 %.1f ms; without the abuse %.1f ms, %.1f ms" % tuple(
                1000 * percentile(times, share) for times in (seconds, quiet) for share in (0.5, 0.99)))
        self.assertEqual(wrong, {})
        # A failed search has ended the searcher, and the test with it.
        self.assertGreaterEqual(len(seconds), SEARCHES)
        for name, grown in growth.items():
            self.assertLess(grown, GROWTH_BYTES, name)
        # Sockets that sleep are there still.
        self.assertEqual(self.server.http_get("/healthz")[0], 200)
        self.assertEqual(self.victims.get("/"), "200")
        self.assertEqual(self.server.json("--api-key", KEY, "gallery", "stats")["photoCount"],
                         str(len(os.listdir(os.path.join(end_to_end_test.WORK, "data/target/photo"))) + 1))
        # Not in a test run, where other programs take the time.
        if quiet:
            self.assertLessEqual(percentile(seconds, 0.99), SLOWER * percentile(quiet, 0.99))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end_to_end_test.BIN, end_to_end_test.WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0]] + ["Hostile." + name for name in sys.argv[3:]])
