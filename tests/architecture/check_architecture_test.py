#!/usr/bin/env python3
"""Plants violations in small trees, and checks that each is refused with its file and line."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "check_architecture.py")
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import check_architecture  # noqa: E402  (found by the path above)


class CheckArchitectureTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def check(self, exceptions=()):
        return check_architecture.Checker(self.root, exceptions).check()

    def assert_include(self, path, header, refused):
        """Checks whether `path` may include `header`, which is in line 3."""
        self.write(path, "// A file.\n#include <string>\n#include %s\n" % header)
        self.assert_line(path, 3, header.strip('<>"'), refused)

    def assert_link(self, path, target, refused):
        """Checks whether `path` may link `target`, which is in line 4."""
        self.write(path, "# s2p::server\ns2p_library(x\n  SOURCES a.cc\n  DEPS %s)\n" % target)
        self.assert_line(path, 4, target, refused)

    def assert_line(self, path, line, what, refused):
        found = self.check()
        os.remove(os.path.join(self.root, path))
        if refused:
            self.assertEqual(len(found), 1, "%s with %s: %s" % (path, what, found))
            self.assertTrue(found[0].startswith("%s:%d: " % (path, line)), found)
            self.assertIn(what, found[0])
        else:
            self.assertEqual(found, [], "%s with %s" % (path, what))

    def test_interval_by_the_date(self):
        for path, line, refused in (
                ("rpc/a.cc", "const absl::Time now = absl::Now();", True),
                ("server/search/a.h", "std::function<absl::Time()> now = absl::Now;", True),
                ("daemon/a.cc", "mutex_.AwaitWithTimeout(done, pause);", True),
                ("rpc/a.cc", "// absl::Now() would follow the date.", False),
                ("rpc/a.cc", "const auto now = SteadyTime::Now();", False),
                ("server/gallery/new_item.cc", "created_at = absl::Now();", False),
                ("client/a.cc", "const absl::Time now = absl::Now();", True),
                ("model/a.cc", "const absl::Time start = absl::Now();", True),
                ("trainer/jobs/a.cc", "stop_.WaitForNotificationWithTimeout(pause);", True),
                ("trainer/ihda/a.cc", "const auto start = std::time(nullptr);", True),
                ("image/a.cc", "clock_gettime(CLOCK_REALTIME, &now);", True),
                ("tests/a.cc", "const absl::Time now = absl::Now();", False)):
            self.write(path, "%s\n" % line)
            self.assert_line(path, 1, "steady_time", refused)

    def test_wrong_arrow_of_an_include(self):
        for path, header in (
                ("client/a.cc", "image/image.h"), ("client/a.cc", "daemon/log.h"),
                ("client/a.cc", "server/gallery/gallery.h"), ("client/web/a.cc", "image/image.h"),
                ("server/rpc/a.cc", "trainer/optimization/losses.h"), ("server/rpc/a.cc", "client/report.h"),
                ("trainer/program/a.cc", "server/gallery/gallery.h"), ("trainer/program/a.h", "client/report.h"),
                ("model/a.cc", "s2p/v1/search.pb.h"), ("model/a.cc", "daemon/log.h"),
                ("model/a.cc", "trainer/optimization/losses.h"), ("daemon/a.cc", "s2p/v1/checkpoint.pb.h"),
                ("daemon/a.h", "image/image.h"), ("image/a.cc", "model/file.h"), ("server/rpc/a.cc", "tests/testing/temp_dir.h"),
                ("daemon/a.cc", "tests/testing/temp_dir.h"), ("daemon/a.cc", "rpc/api_keys.h"),
                ("rpc/a.cc", "model/file.h"), ("rpc/a.cc", "s2p/v1/search.pb.h"),
                ("model/a.cc", "rpc/api_keys.h"), ("client/web/a.cc", "rpc/api_keys.h"),
                ("model/backbone/a.cc", "model/safetensors.h"),
                ("model/backbone/architecture.cc", "model/backbone/backbone.h"),
                ("server/search/a.cc", "rpc/api_keys.h"), ("trainer/ihda/a.cc", "rpc/api_keys.h"), ("server/rpc/a.cc", "../image/image.h")):
            self.assert_include(path, '"%s"' % header, refused=True)

    def test_right_arrow_of_an_include(self):
        for path, header in (
                ("client/a.cc", "s2p/v1/search.pb.h"), ("client/web/a.cc", "daemon/log.h"),
                ("client/a.cc", "base/text_file.h"),
                ("client/web/a.cc", "client/connection/search_client.h"), ("server/rpc/a.cc", "image/image.h"),
                ("server/rpc/a.h", "daemon/log.h"), ("trainer/program/a.cc", "model/encoder.h"),
                ("trainer/program/a.cc", "daemon/log.h"), ("model/a.h", "s2p/v1/checkpoint.pb.h"),
                ("model/a.cc", "image/image.h"), ("model/a.cc", "model/backbone/backbone.h"),
                ("model/backbone/a.cc", "model/torch_version.h"), ("model/backbone/a.cc", "base/check.h"),
                ("tests/server/a.cc", "server/gallery/gallery.h"), ("daemon/a.cc", "absl/time/time.h"),
                ("rpc/a.cc", "daemon/log.h"), ("server/rpc/a.h", "rpc/call_log.h"),
                ("server/main.cc", "rpc/call_log.h"), ("trainer/jobs/a.cc", "rpc/call_log.h")):
            self.assert_include(path, '"%s"' % header, refused=False)

    def test_arrow_between_rooms_inside_a_room(self):
        for path, header, refused in (
                ("trainer/jobs/a.cc", "trainer/optimization/losses.h", True),
                ("trainer/data/a.h", "trainer/jobs/job_file.h", True),
                ("server/gallery/a.cc", "server/search/batcher.h", True),
                ("trainer/ihda/a.cc", "trainer/data/sampler.h", False),
                ("trainer/main.cc", "trainer/program/commands.h", False),
                ("tests/trainer/jobs/a.cc", "trainer/optimization/losses.h", False)):
            self.assert_include(path, '"%s"' % header, refused)
        self.assert_link("trainer/jobs/CMakeLists.txt", "s2p::trainer_ihda", refused=True)
        self.assert_link("trainer/ihda/CMakeLists.txt", "s2p::trainer_data", refused=False)

    def test_file_next_to_the_rooms(self):
        self.write("trainer/util.h", "// A file.\n")
        self.assertEqual(self.check(), ["trainer/util.h:1: belongs in one of the rooms of trainer"])

    def test_no_room_is_above_itself(self):
        for rooms in check_architecture.INNER_ARROWS.values():
            left = dict(rooms)
            while left:
                ground = [room for room, knows in left.items() if not set(knows) & set(left)]
                self.assertTrue(ground, "a circle among %s" % sorted(left))
                for room in ground:
                    del left[room]

    def test_picture_is_of_this_tree(self):
        root = os.path.join(HERE, "..", "..")
        with open(os.path.join(root, "docs/images/rooms.dot"), encoding="utf-8") as file:
            drawn = file.read()
        checker = check_architecture.Checker(root)
        checker.check()
        self.assertEqual(drawn, check_architecture.dot(checker.arrows) + "\n",
                         "run tools/architecture_picture.sh")

    def test_library_outside_its_room(self):
        for path, header in (
                ("server/rpc/a.cc", "opencv2/core.hpp"), ("model/file.cc", "opencv2/core.hpp"),
                ("server/rpc/a.cc", "torch/torch.h"), ("image/image.cc", "ATen/ATen.h"),
                ("client/a.cc", "c10/util/Half.h"), ("model/a.cc", "faiss/IndexFlat.h"),
                ("server/gallery/gallery.cc", "faiss/IndexFlat.h"), ("trainer/program/a.cc", "sqlite3.h"),
                ("server/gallery/catalogue.cc", "sqlite3.h"), ("server/gallery/gallery.cc", "grpcpp/grpcpp.h"),
                ("model/a.cc", "grpcpp/grpcpp.h"), ("daemon/log.cc", "grpcpp/grpcpp.h"),
                ("server/gallery/gallery.cc", "prometheus/counter.h"), ("client/web/a.cc", "httplib.h"),
                ("client/web/a.cc", "boost/asio.hpp"), ("daemon/log.cc", "boost/asio.hpp"),
                ("server/rpc/a.cc", "spdlog/spdlog.h"), ("client/a.cc", "spdlog/spdlog.h"),
                ("server/rpc/a.cc", "CLI/CLI.hpp"), ("server/rpc/a.cc", "nlohmann/json.hpp"),
                ("daemon/a.cc", "nlohmann/json.hpp"), ("daemon/grpc_a.cc", "grpcpp/grpcpp.h"),
                ("image/image.cc", "nlohmann/json.hpp"), ("image/image.cc", "opencv2/core.hpp"),
                ("server/decoder/main.cc", "seccomp.h")):
            self.assert_include(path, "<%s>" % header, refused=True)

    def test_library_in_its_room(self):
        for path, header in (
                ("image/image_encoder.cc", "opencv2/core.hpp"), ("server/decoder/sandbox.cc", "seccomp.h"),
                ("client/montage.cc", "opencv2/core.hpp"),
                ("model/backbone/backbone.h", "torch/torch.h"), ("trainer/program/a.cc", "ATen/Parallel.h"),
                ("server/index/index.cc", "faiss/IndexFlat.h"), ("server/storage/sqlite_query.cc", "sqlite3.h"),
                ("server/rpc/search_service.h", "grpcpp/grpcpp.h"), ("rpc/a.h", "grpcpp/grpcpp.h"),
                ("daemon/log.cc", "spdlog/fmt.h"),
                ("server/rpc/metrics.cc", "prometheus/counter.h"),
                ("daemon/http/http_wire.h", "boost/asio/buffer.hpp"),
                ("daemon/http/a.cc", "boost/asio.hpp"), ("client/main.cc", "CLI/CLI.hpp"),
                ("tests/client/web/a.cc", "httplib.h"),
                ("model/safetensors.cc", "nlohmann/json.hpp"),
                ("tests/server/a.cc", "sqlite3.h")):
            self.assert_include(path, "<%s>" % header, refused=False)

    def test_class_of_a_name_that_another_header_has(self):
        self.write("rpc/a.h", "class Share {\n};\nstruct Other;\n")
        self.write("daemon/http/a.h", "struct Other {\n};\n")
        self.assertEqual(self.check(), [])
        self.write("daemon/http/b.h", "class Share final {\n};\n")
        found = self.check()
        self.assertEqual(len(found), 1, found)
        self.assertIn("has a class Share, too", found[0])

    def test_library_in_a_header_of_its_room(self):
        for path, header in (
                ("daemon/log.h", "spdlog/spdlog.h"), ("daemon/options.h", "CLI/CLI.hpp"),
                ("daemon/http/http_server.h", "boost/asio.hpp"), ("client/commands/commands.h", "CLI/CLI.hpp"),
                ("server/storage/sqlite_query.h", "sqlite3.h"), ("server/rpc/metrics.h", "prometheus/counter.h"),
                ("image/preprocessor.h", "torch/torch.h"), ("model/safetensors.h",
                                                            "nlohmann/json.hpp"),
                ("trainer/data/augmentation.h", "opencv2/core.hpp")):
            self.assert_include(path, "<%s>" % header, refused=True)

    def test_wrong_link(self):
        for path, target in (
                ("client/CMakeLists.txt", "s2p::model"), ("client/CMakeLists.txt", "s2p::image"),
                ("client/CMakeLists.txt", "s2p::daemon"), ("server/CMakeLists.txt", "s2p::client"),
                ("server/CMakeLists.txt", "s2p::trainer_core"),
                ("trainer/CMakeLists.txt", "s2p::server_gallery"),
                ("client/CMakeLists.txt", "s2p::rpc"), ("model/CMakeLists.txt", "s2p::daemon"), ("base/CMakeLists.txt", "s2p::proto"),
                ("model/CMakeLists.txt", "s2p::proto"), ("model/CMakeLists.txt", "s2p_proto"),
                ("daemon/CMakeLists.txt", "s2p::checkpoint"), ("daemon/CMakeLists.txt", "s2p::rpc"),
                ("rpc/CMakeLists.txt", "s2p::proto"), ("server/search/CMakeLists.txt", "s2p::rpc"),
                ("proto/CMakeLists.txt", "s2p::daemon"), ("model/CMakeLists.txt", "s2p::elsewhere"),
                ("server/CMakeLists.txt", "s2p::torch"), ("daemon/CMakeLists.txt", "s2p::opencv"),
                ("trainer/CMakeLists.txt", "faiss"), ("model/CMakeLists.txt", "SQLite::SQLite3"),
                ("model/CMakeLists.txt", "gRPC::grpc++"), ("daemon/CMakeLists.txt", "gRPC::grpc++"), ("server/CMakeLists.txt", "CLI11::CLI11"),
                ("daemon/CMakeLists.txt", "PkgConfig::httplib"),
                ("client/web/CMakeLists.txt", "Boost::headers"),
                ("model/CMakeLists.txt", "prometheus-cpp::core"),
                ("server/CMakeLists.txt", "spdlog::spdlog"),
                ("server/CMakeLists.txt", "nlohmann_json::nlohmann_json")):
            self.assert_link(path, target, refused=True)

    def test_right_link(self):
        for path, target in (
                ("client/CMakeLists.txt", "s2p::proto"), ("client/web/CMakeLists.txt",
                                                          "s2p::daemon"),
                ("server/CMakeLists.txt", "s2p::model"), ("trainer/CMakeLists.txt", "s2p::image"),
                ("model/CMakeLists.txt", "s2p::proto_checkpoint"),
                ("client/CMakeLists.txt", "s2p::base"), ("model/CMakeLists.txt", "s2p::base"), ("trainer/CMakeLists.txt", "s2p::base_message"),
                ("tests/server/CMakeLists.txt", "s2p::trainer_core"),
                ("server/CMakeLists.txt", "faiss"), ("daemon/CMakeLists.txt", "CLI11::CLI11")):
            self.assert_link(path, target, refused=False)

    def test_comment_is_not_an_include(self):
        self.write("server/rpc/a.cc", '/*\n#include "trainer/optimization/losses.h"\n*/\n// #include <httplib.h>\n')
        self.assertEqual(self.check(), [])

    def test_build_folder_is_skipped(self):
        self.write("server/build/a.cc", '#include "trainer/optimization/losses.h"\n')
        self.assertEqual(self.check(), [])

    def test_exception_allows_only_its_file_and_library(self):
        self.write("server/rpc/a.cc", "#include <httplib.h>\n")
        self.write("server/rpc/b.cc", "#include <httplib.h>\n")
        found = self.check([("server/rpc/a.cc", "cpp-httplib", "a test")])
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("server/rpc/b.cc:1: "), found)

    def test_unneeded_exception_is_refused(self):
        found = self.check([("server/rpc/a.cc", "cpp-httplib", "a test")])
        self.assertEqual(found,
                         ["server/rpc/a.cc: the exception for cpp-httplib is no longer needed"])

    def test_program_exits_1_and_names_file_and_line(self):
        self.write("server/rpc/a.cc", '\n#include "trainer/optimization/losses.h"\n')
        result = subprocess.run([sys.executable, SCRIPT, self.root], capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("server/rpc/a.cc:2: server must not include 'trainer/optimization/losses.h'", result.stdout)

    def test_tree_without_sources_is_an_error(self):
        result = subprocess.run([sys.executable, SCRIPT, self.root], capture_output=True, text=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no source files", result.stdout)


if __name__ == "__main__":
    unittest.main()
