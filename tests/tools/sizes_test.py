#!/usr/bin/env python3
"""Plants files, and demands that tools/sizes.py counts their lines, functions and comments."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True

import sizes  # noqa: E402  (found by the path above)

PLANTED = r'''// A file with one function of each kind; braces in comments { do not count.
#define BRACES { { {
namespace s2p {
struct Options {
  std::function<bool()> stop = [] { return false; };
  int Width() const { return width_; }
  int width_{1};
};
Thing::Thing(int size)
    : size_(size), table_({1, 2}), name_{"}"} {
  Fill();
}
template <typename T, std::enable_if_t<kSmall<T>, int> = 0>
absl::StatusOr<T> Read(absl::string_view path,
                       const Limits& limits = {},
                       const std::function<void(int)>& progress = {}) {
  auto each = [&](int at) {
    if (at > 1'000) { progress(at); }
  };
  const char quote = '"', brace = '{';
  return Parse(R"(}}}")");
}
constexpr int kSizes[] = {1, 2, 3};
bool operator==(const A& a, const A& b) { return a.x == b.x; }
}  // namespace s2p
'''


class FunctionsTest(unittest.TestCase):

    def test_each_kind_is_found_with_its_line_and_length(self):
        found = [(f.name, f.line, f.length) for f in sizes.functions(PLANTED)]
        self.assertEqual(found, [("Width", 6, 1), ("Thing::Thing", 9, 4), ("Read", 13, 10),
                                 ("operator==", 24, 1)])

    def test_control_statement_is_no_function(self):
        found = sizes.functions("void F() {\n  for (;;) {\n    if (a) {\n    }\n  }\n}\n")
        self.assertEqual([f.length for f in found], [6])


class TableTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        subprocess.run(["git", "init", "-q", self.root], check=True)
        self.write("room/a.h", "// A.\n\nint A();\n")
        self.write("room/a.cc", "int A() {\n%s}\n" % ("  Step();\n" * 40))
        self.write("room/b.cc", "int B() { return 1; }\n")
        self.write("tests/room/a_test.cc", "TEST(A, IsOne) {\n}\n")

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["git", "-C", self.root, "add", path], check=True)

    def test_row_of_a_room(self):
        self.assertEqual(sizes.Sizes(self.root).row("room", "room/"),
                         ["room", "3 / 3 (1)", "21 / 42 (2)", "2 / 2 (1)", "50.0 % (1 of 2; max 42)",
                          "0.50", "room 2", "46"])

    def test_untracked_file_does_not_count(self):
        with open(os.path.join(self.root, "room/c.cc"), "w", encoding="utf-8") as file:
            file.write("int C;\n")
        self.assertEqual(len(sizes.Sizes(self.root).sources), 3)

    def test_program_prints_a_row_for_each_room_and_the_longest_function(self):
        script = os.path.join(ROOT, "tools", "sizes.py")
        text = subprocess.run([sys.executable, script, self.root, "--functions", "1"],
                              stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
        self.assertIn("4 tracked files, 4 of them C++", text)
        self.assertIn("| room | 3 / 3 (1) |", text)
        self.assertIn("| 42 | `A` | room/a.cc:1 |", text)


if __name__ == "__main__":
    unittest.main()
