#!/usr/bin/env python3
"""Refuses arrows between rooms, and third-party libraries outside their room.

Walks the #include lines and the link lines of the CMakeLists.txt files below a source root and
prints one line for each violation: FILE:LINE: problem. Exit code 0 without violations, 1 with
some, 2 for wrong usage. The rules are the tables below; docs/architecture.md explains them.

  check_architecture.py [ROOT]
  check_architecture.py --dot [ROOT]    prints rooms and arrows for Graphviz instead
"""
import collections
import fnmatch
import os
import re
import sys

ROOMS = ("base", "proto", "daemon", "rpc", "image", "model", "trainer", "server", "client", "tests")

# The rooms that each room may include and link, apart from itself. A pattern is a path in the tree;
# a more specific rule in `FILE_ARROWS` wins.
ARROWS = {
    "base": [],
    "proto": [],
    "daemon": ["base/*"],
    "rpc": ["base/*", "daemon/*"],
    "image": ["s2p/v1/checkpoint.pb.h", "base/*"],
    "model": ["s2p/v1/checkpoint.pb.h", "base/*", "image/*"],
    "trainer": ["s2p/v1/*", "base/*", "image/*", "model/*", "daemon/*"],
    "server": ["s2p/v1/*", "base/*", "image/*", "model/*", "daemon/*"],
    "client": ["s2p/v1/*", "base/*"],
    "tests": ["*"],
}
FILE_ARROWS = {
    # The gateway is a long-running program, so it needs daemon/, and it uses the client's stub.
    "client/web/*": ["s2p/v1/*", "base/*", "daemon/*", "client/*"],
    # gRPC's side of the two daemons.
    **{pattern: ["s2p/v1/*", "base/*", "image/*", "model/*", "daemon/*", "rpc/*"]
       for pattern in ("trainer/jobs/*", "trainer/main.cc", "server/rpc/*", "server/main.cc")},
}

# Files that may include less of their own room than the rest of it may.
OWN_ROOM = {
    # The networks below the pooling know nothing of files, and of what is above them.
    "model/backbone/*": ["model/backbone/*", "model/torch_version.h"],
    # Programs without LibTorch link the table of networks.
    "model/backbone/architecture.*": ["model/backbone/architecture.h", "model/backbone/transformer_fields.h"],
}

# Rooms inside a room, and the neighbours that each may include. There are no cycles, which this
# script's test checks. Files next to their folders (main.cc) may include them all.
INNER_ARROWS = {
    "trainer": {
        "data": [],
        "spec": [],
        "import": ["data"],
        "pseudo": ["data"],
        "shoes": ["data"],
        "evaluation": ["data"],
        "optimization": [],
        "parallel": ["spec"],
        "start": ["data", "evaluation"],
        "ihda": ["data", "evaluation", "optimization", "parallel", "pseudo", "spec", "start"],
        "memory": ["data", "ihda", "spec"],
        "pictures": [],
        "jobs": ["data", "spec"],
        "program": ["data", "evaluation", "ihda", "import", "jobs", "memory", "optimization", "parallel",
                    "pictures", "shoes", "spec"],
    },
    "server": {
        "decoder": [],
        "faults": [],
        "index": [],
        "storage": [],
        "gallery": ["faults", "index", "storage"],
        "feedback": ["faults", "gallery", "storage"],
        "versions": ["feedback", "gallery", "storage"],
        "search": ["decoder", "gallery"],
        "rpc": ["decoder", "faults", "feedback", "gallery", "search", "versions"],
    },
}
# The only files next to the rooms inside a room.
OUTSIDE_INNER_ROOMS = {"main.cc", "CMakeLists.txt"}

# The room of each target that our CMake files define, apart from s2p::NAME with NAME = room or
# room_something.
TARGET_ROOMS = {"checkpoint": "model"}
# The targets that a room may link from another, if it may not link all of them. A rule in
# `FILE_ARROWS` wins.
ROOM_TARGETS = {("image", "proto"): {"proto_checkpoint"},
                ("model", "proto"): {"proto_checkpoint"}}

# includes: prefixes of the library's headers. targets: prefixes of its CMake targets. files: the
# files that may include it. headers: those of them that may be headers, so that its types leave a
# file. rooms: the rooms whose CMakeLists.txt may link it.
Library = collections.namedtuple("Library", "includes targets files headers rooms")
LIBRARIES = {
    "OpenCV": Library(
        ["opencv2/", "opencv/"], ["opencv", "s2p::opencv"],
        ["image/image_encoder.cc", "image/strokes.cc", "image/preprocessor.cc", "image/ground.cc",
         "image/dominant_colours.cc", "image/shown_part.cc",
         "image/illumination.*", "image/ink_tone.*", "image/ruling.*", "image/sheet.*", "image/specks.*",
         "trainer/pseudo/*", "trainer/shoes/*", "trainer/augmentation.*", "trainer/pictures/canvas.cc",
         "client/montage*.cc", "client/photo_thumbnail.cc"],
        ["image/illumination.h", "image/ink_tone.h", "image/ruling.h", "image/sheet.h", "image/specks.h", "trainer/pseudo/edge_strokes.h", "trainer/pseudo/line_maps.h",
         "trainer/pseudo/shown_object.h"], ["image", "trainer", "client"]),
    "libjpeg": Library(["jpeglib", "jerror"], ["jpeg"], ["image/jpeg_decoder.cc"], [], ["image"]),
    "libpng": Library(["png.h"], ["png"], ["image/png_decoder.cc"], [], ["image"]),
    "libwebp": Library(
        ["webp/"], ["pkgconfig::webp"], ["image/webp_decoder.cc"], [], ["image"]),
    "libseccomp": Library(
        ["seccomp.h"], ["pkgconfig::seccomp"], ["server/decoder/sandbox.cc"], [], ["server"]),
    "LibTorch": Library(
        ["torch/", "ATen/", "c10/", "caffe2/"], ["torch", "s2p::torch", "${TORCH_LIBRARIES}"],
        ["model/backbone/*", "model/backbone_weights.cc", "model/dual_encoder.*", "model/encoder*.cc",
         "model/checkpoint*.cc", "model/torch_*", "trainer/evaluation/*", "trainer/ihda/*", "trainer/memory/*",
         "trainer/optimization/*", "trainer/parallel/*", "trainer/program/*", "trainer/start/*"],
        ["model/backbone/*.h", "model/dual_encoder.h", "model/torch_*.h", "trainer/evaluation/*.h", "trainer/ihda/*.h",
         "trainer/optimization/*.h", "trainer/parallel/*.h", "trainer/start/*.h"],
        ["model", "trainer"]),
    "FAISS": Library(["faiss/"], ["faiss"], ["server/index/*.cc"], [], ["server"]),
    "SQLite": Library(
        ["sqlite3"], ["sqlite"], ["server/storage/sqlite_query.cc"], [],
        ["server"]),
    "gRPC": Library(
        ["grpcpp/", "grpc/", "grpc++/"], ["grpc"],
        ["rpc/*", "server/rpc/*", "server/main.cc", "trainer/jobs/*", "trainer/main.cc",
         "client/connection/feedback_client.*", "client/connection/search_client.*", "client/connection/training_client.*", "client/connection/grpc_channel.*",
         "client/web/*"],
        ["rpc/*", "server/*", "trainer/*", "client/*"],
        ["rpc", "server", "trainer", "client", "proto"]),
    "prometheus-cpp": Library(
        ["prometheus/"], ["prometheus"],
        ["rpc/rpc_metrics.*", "server/rpc/metrics.*", "trainer/jobs/trainer_metrics.*", "client/web/metrics.*"],
        [], ["rpc", "server", "trainer", "client"]),
    # Tests use it as a client.
    "cpp-httplib": Library(["httplib"], ["httplib", "pkgconfig::httplib"], [], [], []),
    "Boost": Library(
        ["boost/"], ["boost"], ["daemon/http/*", "daemon/health_check.cc"],
        ["daemon/http/http_wire.h", "daemon/http/http_connection.h"], ["daemon"]),
    "zlib": Library(["zlib"], ["zlib"], ["daemon/http/gzip.cc"], [], ["daemon"]),
    "spdlog": Library(["spdlog/"], ["spdlog"], ["daemon/*.cc"], [], ["daemon"]),
    "CLI11": Library(
        ["CLI/"], ["cli11"], ["daemon/*.cc", "client/*.cc", "client/commands/command_line.h"],
        ["client/commands/command_line.h"],
        ["daemon", "client"]),
    "matio": Library(
        ["matio"], ["matio", "pkgconfig::matio"], ["trainer/import/market_attributes.cc"], [],
        ["trainer"]),
    "ICU": Library(
        ["unicode/"], ["pkgconfig::icu"], ["trainer/import/canonical_name.cc"], [], ["trainer"]),
    "ISA-L": Library(
        ["isa-l"], ["pkgconfig::isal"], ["trainer/pictures/tfrecord.cc"], [], ["trainer"]),
    "nlohmann-json": Library(
        ["nlohmann/"], ["nlohmann"],
        ["model/safetensors*", "model/manifest_format.cc", "model/weights/weight_files.cc", "trainer/data/data_set*",
         "trainer/import/*", "client/*"], [],
        ["model", "trainer", "client"]),
}

# Exceptions from the tables: (file pattern, library or room, reason). Each records a decision. An
# exception that no file needs is an error, so that the list shrinks automatically.
EXCEPTIONS = [
    ("trainer/program/evaluation_report.cc", "nlohmann-json",
     "evaluate --json prints one object that is no message of the API"),
    ("trainer/program/evaluation_file.cc", "nlohmann-json",
     "reads what evaluate --json and cross-validate --json print"),
    ("trainer/ihda/resume_state.cc", "nlohmann-json",
     "the header of a resume checkpoint is a JSON object, private to the trainer"),
]

# The files that may ask for the date, and the deadline that gRPC takes as one. Everywhere else
# intervals and deadlines follow base/steady_time.h: a change of the system's time must not stop or
# hurry them.
DATES = ["client/connection/grpc_channel.cc", "daemon/http/http_connection.cc", "model/checkpoint_store.cc", "rpc/call_gate.cc", "rpc/credentials.cc",
         "server/faults/faults.h", "server/feedback/feedback_collection.h", "server/gallery/gallery_folder.cc",
         "server/gallery/new_item.cc", "tests/*", "trainer/data/data_set_digest.cc", "trainer/jobs/job_scheduler.h", "trainer/jobs/job_store.cc",
         "trainer/pictures/event_log.cc"]
DATE = re.compile(r"\babsl::Now\b|\bsystem_clock::now\b|\btime\((nullptr|NULL|0)\)|\bgettimeofday\b|"
                  r"\bCLOCK_REALTIME\b|\.(Await|Wait)\w*With(Timeout|Deadline)\(")

CLASS = re.compile(r"^(?:class|struct|enum class) (\w+)\b[^;(]*\{")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMAND = re.compile(r"(?<![\w-])(s2p_library|s2p_program|s2p_test|target_link_libraries|"
                     r"add_dependencies)\s*\(", re.IGNORECASE)
SKIPPED = {"build", ".git", "third_party", "node_modules"}


def inner_room(path):
    """The room inside a room that `path` lies in, as ("trainer", "ihda"); None if there is none."""
    parts = path.split("/")
    if len(parts) > 2 and parts[1] in INNER_ARROWS.get(parts[0], ()):
        return parts[0], parts[1]
    return None


def drawn_room(path):
    """The box of a file or a header in the picture; None for tests and libraries."""
    if path.startswith("s2p/v1/"):
        return "proto"
    for room in ("client/web", "model/backbone"):
        if path.startswith(room + "/"):
            return room
    room = path.split("/")[0]
    if room == "tests" or room not in ROOMS:
        return None
    return "/".join(inner_room(path) or (room,))


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def strip_block_comments(text):
    """Removes /* */ comments and keeps line numbers."""
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)


class Checker:
    """One walk over one tree. `violations` holds the lines to print."""

    def __init__(self, root, exceptions=tuple(EXCEPTIONS)):
        self.root = root
        self.exceptions = exceptions
        self.used = set()
        # (from, to) -> number of includes between the boxes of the picture.
        self.arrows = collections.Counter()
        self.violations = []
        # Name of a class at the start of a line of a header -> the header.
        self.classes = {}
        self.files = 0

    def check(self):
        for folder, names, files in os.walk(self.root):
            names[:] = sorted(n for n in names if n not in SKIPPED)
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), self.root)
                room = path.split(os.sep)[0]
                if room not in ROOMS:
                    continue
                if (room in INNER_ARROWS and inner_room(path) is None
                        and name not in OUTSIDE_INNER_ROOMS):
                    self.refuse(path, 1, "place", "belongs in one of the rooms of %s" % room)
                if name.endswith((".h", ".cc", ".cc.in", ".h.in", ".cpp", ".hpp", ".inc")):
                    self.check_source(path, room)
                elif name == "CMakeLists.txt":
                    self.check_cmake(path, room)
        for index, (pattern, what, _) in enumerate(self.exceptions):
            if index not in self.used:
                self.violations.append("%s: the exception for %s is no longer needed"
                                       % (pattern, what))
        return self.violations

    def refuse(self, path, line, what, message):
        for index, (pattern, excepted, _) in enumerate(self.exceptions):
            if excepted == what and fnmatch.fnmatchcase(path, pattern):
                self.used.add(index)
                return
        self.violations.append("%s:%d: %s" % (path, line, message))

    def read(self, path):
        self.files += 1
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def check_class(self, path, number, line):
        """Two classes of one name that one program links are one to the linker."""
        found = CLASS.match(line)
        if not found or path.startswith("tests"):
            return
        other = self.classes.setdefault(found.group(1), path)
        if other != path:
            self.refuse(path, number, "class", "%s has a class %s, too" % (other, found.group(1)))

    def check_source(self, path, room):
        for number, line in enumerate(strip_block_comments(self.read(path)).split("\n"), 1):
            if path.endswith(".h"):
                self.check_class(path, number, line)
            include = INCLUDE.match(line)
            if include:
                self.check_include(path, room, number, include.group(2))
            if DATE.search(line.split("//")[0]) and not matches(path, DATES):
                self.refuse(path, number, "date", "follows the system's time: use base/steady_time.h")

    def check_include(self, path, room, number, header):
        if header.startswith((".", "/")):
            self.refuse(path, number, "path", "includes '%s': paths start at the root" % header)
            return
        target_room = "proto" if header.startswith("s2p/v1/") else header.split("/")[0]
        for pattern, allowed in OWN_ROOM.items():
            if (target_room == room and fnmatch.fnmatchcase(path, pattern)
                    and not matches(header, allowed)):
                self.refuse(path, number, target_room, "must not include '%s': %s may not"
                            % (header, pattern))
        if target_room in ROOMS and target_room != room:
            allowed = ARROWS[room]
            for pattern, special in FILE_ARROWS.items():
                if fnmatch.fnmatchcase(path, pattern):
                    allowed = special
            if not matches(header, allowed):
                self.refuse(path, number, target_room,
                            "%s must not include '%s': no arrow from %s to %s"
                            % (room, header, room, target_room))
        self.check_inner_arrow(path, number, header, "must not include '%s'" % header)
        self.count_arrow(path, header)
        if room == "tests":
            return
        for name, library in LIBRARIES.items():
            if not any(header.startswith(begin) for begin in library.includes):
                continue
            if not matches(path, library.files):
                self.refuse(path, number, name, "<%s>: %s is not for this file" % (header, name))
            elif path.endswith((".h", ".hpp", ".h.in")) and not matches(path, library.headers):
                self.refuse(path, number, name,
                            "<%s>: %s is for the .cc only, not for a header" % (header, name))

    def check_inner_arrow(self, path, number, target, wrong):
        """Refuses with the message `wrong` if the room of `path` may not include that of `target`."""
        start, end = inner_room(path), inner_room(target)
        if not start or not end or start[0] != end[0] or start == end:
            return
        if end[1] not in INNER_ARROWS[start[0]][start[1]]:
            self.refuse(path, number, end[1], "%s %s: no arrow from %s to %s"
                        % ("/".join(start), wrong, "/".join(start), "/".join(end)))

    def count_arrow(self, path, header):
        start, end = drawn_room(path), drawn_room(header)
        if start and end and start != end:
            self.arrows[start, end] += 1

    def check_cmake(self, path, room):
        text = re.sub(r"#[^\n]*", "", self.read(path))
        for command in COMMAND.finditer(text):
            end = text.find(")", command.end())
            for word in re.finditer(r"[^\s()\"]+", text[command.end():end]):
                number = text.count("\n", 0, command.end() + word.start()) + 1
                self.check_link(path, room, number, word.group())

    def check_link(self, path, room, number, target):
        ours = re.match(r"s2p(?:::|_)(\w+)$", target)
        if ours and ours.group(1) not in ("opencv", "torch"):
            name = ours.group(1)
            target_room = TARGET_ROOMS.get(name, name.split("_")[0])
            if target_room not in ROOMS:
                if "::" in target:
                    self.refuse(path, number, "target", "%s: which room is it of?" % target)
                return
            if target_room != room and room != "tests":
                self.check_arrow(path, room, number, target, target_room, name)
            elif "_" in name:
                self.check_inner_arrow(path, number, name.replace("_", "/", 1) + "/",
                                       "must not link %s" % target)
            return
        if room == "tests":
            return
        for name, library in LIBRARIES.items():
            if (any(target.lower().startswith(begin.lower()) for begin in library.targets)
                    and room not in library.rooms and not target.endswith((".cc", ".h"))):
                self.refuse(path, number, name, "%s: %s must not link %s" % (target, room, name))

    def check_arrow(self, path, room, number, target, target_room, name):
        allowed = {pattern.split("/")[0].replace("s2p", "proto") for pattern in ARROWS[room]}
        targets = ROOM_TARGETS.get((room, target_room))
        for pattern, special in FILE_ARROWS.items():
            if fnmatch.fnmatchcase(path, pattern):
                allowed = {p.split("/")[0].replace("s2p", "proto") for p in special}
                targets = None
        wrong = target_room not in allowed or (targets is not None and name not in targets)
        if wrong:
            self.refuse(path, number, target_room, "%s must not link %s: no arrow from %s to %s"
                        % (room, target, room, target_room))


def dot(arrows):
    """Rooms and arrows for Graphviz: programs at the top, the rooms that all share at the bottom."""
    lines = ["// Written by tools/architecture_picture.sh.", "digraph rooms {",
             "  rankdir=TB; nodesep=0.25; ranksep=0.6;",
             "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];",
             "  edge [color=\"#555555\"];"]
    rooms = sorted({room for arrow in arrows for room in arrow})
    for top, inner in INNER_ARROWS.items():
        lines.append("  subgraph cluster_%s {" % top)
        lines.append("    label=\"%s/\"; fontname=\"sans-serif\"; style=filled; color=\"#eeeeee\";" % top)
        if top in rooms:
            lines.append("    \"%s\" [label=\"main.cc\"];" % top)
        lines.extend("    \"%s/%s\" [label=\"%s\"];" % (top, name, name) for name in inner)
        lines.append("  }")
    for start, end in sorted(arrows):
        # Nearly every room uses these; pale arrows keep the others readable.
        pale = " [color=\"#cccccc\"]" if end in ("base", "proto", "model", "daemon") else ""
        lines.append("  \"%s\" -> \"%s\"%s;" % (start, end, pale))
    return "\n".join(lines + ["}"])


def main(arguments):
    draw = arguments[:1] == ["--dot"]
    arguments = arguments[1:] if draw else arguments
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        print(__doc__.strip())
        return 0 if arguments in (["-h"], ["--help"]) else 2
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    checker = Checker(os.path.abspath(arguments[0] if arguments else default))
    violations = checker.check()
    if draw:
        print(dot(checker.arrows))
        return 0
    for violation in violations:
        print(violation)
    if checker.files == 0:
        print("no source files below %s" % checker.root)
        return 2
    print("%d files, %d violations" % (checker.files, len(checker.violations)))
    return 1 if checker.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
