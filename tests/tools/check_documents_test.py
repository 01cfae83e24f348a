#!/usr/bin/env python3
"""Plants documents in a small tree, and demands that what they name wrongly is refused."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "check_documents.py")
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import check_documents  # noqa: E402  (found by the path above)


class CheckDocumentsTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.write("image/image.h", "struct ImageHeader;\n")
        for path in ("image/image.cc", "image/image_header.cc", "tools/build.sh"):
            self.write(path, "")
        self.write("tests/image/CMakeLists.txt", "s2p_test(image_test\n  SOURCES image_test.cc)\n")
        self.write("docs/api.md", "# API\n\n## Keys, and TLS\n\n```\n## No heading\n```\n")

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def assert_violation(self, path, text, wanted):
        """Checks `text` as the third line of document `path`; None: nothing is wrong with it."""
        self.write(path, "# A document\n\n%s\n" % text)
        expected = [] if wanted is None else ["%s:3: %s" % (path, wanted)]
        self.assertEqual(check_documents.Checker(self.root).check(), expected, text)
        os.remove(os.path.join(self.root, path))

    def test_links_in_any_document(self):
        for text, wanted in (
                ("[API](api.md), [image](../image/image.h), [web](https://example.com/x)", None),
                ("[API](api.md#keys-and-tls), [here](#a-document), `[no link](nowhere.md)`", None),
                ("[API](apis.md)", "the link apis.md leads nowhere"),
                ("![image](images/a.png)", "the link images/a.png leads nowhere"),
                ("[API](api.md#no-heading)", "the link api.md#no-heading: docs/api.md has no such heading")):
            self.assert_violation("docs/web.md", text, wanted)

    def test_tests_on_the_page_about_security(self):
        self.write("tests/image/image_test.cc", "TEST_F(ImageTest,\n       BadBytesAreRefused) {\n")
        self.write("tests/a_test.py", "class Hardening(Case):\n    def test_stack(self):\n")
        for text, wanted in (
                ("| `ImageTest.BadBytesAreRefused`, `Hardening.test_stack`, `image.h`", None),
                ("| `ImageTest.BadBytes`", "no test is named ImageTest.BadBytes"),
                ("| `Hardening.test_heap`", "no test is named Hardening.test_heap")):
            self.assert_violation("docs/security.md", text, wanted)

    def test_paths_in_a_howto(self):
        for text, wanted in (
                ("`image/image.h`, `image/image.{h,cc}`, `image_*.cc`, `image/`, `image/image_<part>.cc`", None),
                ("    tools/build.sh dev image_test && build/dev/tests/image_test --gtest_filter=A", None),
                ("words of image/nothing.h outside of backticks, `build/dev/x`, `data/photo`", None),
                ("`image/images.h`", "image/images.h does not exist"),
                ("`image/image.{h,proto}`", "image/image.proto does not exist"),
                ("`decoder.h`", "no file is named decoder.h"),
                ("`ImageHeader`, `ImportXTest`, `CountX`", None),
                ("`ImageFooter`", "no source has the name ImageFooter"),
                ("`image/decoder_<part>.cc`", "image/decoder_*.cc does not exist"),
                ("    build/dev/tests/model_test", "no test is named model_test"),
                ("    tools/test.sh", "tools/test.sh does not exist")):
            self.assert_violation("docs/howto/add.md", text, wanted)

    def test_paths_are_not_checked_elsewhere(self):
        self.assert_violation("docs/web.md", "`image/images.h`", None)

    def test_document_that_a_source_mentions(self):
        self.write("image/image.h", "// Formats: docs/api.md, docs/decisions/0008-images.md.\n")
        self.assertEqual(check_documents.Checker(self.root).check(),
                         ["image/image.h:1: docs/decisions/0008-images.md does not exist"])

    def test_program_exits_1_and_names_file_and_line(self):
        self.write("docs/web.md", "[API](apis.md)\n")
        result = subprocess.run([sys.executable, SCRIPT, self.root], stdout=subprocess.PIPE)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"docs/web.md:1: the link apis.md leads nowhere", result.stdout)

    def test_tree_without_documents_is_an_error(self):
        with tempfile.TemporaryDirectory() as empty:
            result = subprocess.run([sys.executable, SCRIPT, empty], stdout=subprocess.PIPE)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
