#!/usr/bin/env python3
"""Refuses documents that name what is not there.

Reads the Markdown files below a source root and prints one line for each violation: FILE:LINE: what is
wrong. Exit code 0 without violations, 1 with some, 2 for wrong usage.

  check_documents.py [ROOT]

In every document the target of a relative link must exist, and its #heading, too. Documents that a
source file mentions must exist. In docs/architecture.md and docs/howto/ every path and file name between
backticks or in a command must exist as well. There, `import_<format>.cc` stands for a file that the reader
adds: a file of that form must exist. `*` and `{h,cc}` mean what they mean to a shell.
`build/dev/tests/NAME` must be a test that a CMakeLists.txt defines, and a `CamelCase` name in docs/howto/
must occur in a source file, unless it ends in X (or XTest), which stands for a name that the reader chooses.
In docs/security.md every `Suite.Case` must be a test.
"""
import fnmatch
import glob
import os
import re
import sys

STRICT = ("docs/architecture.md", "docs/howto/*")
SOURCES = (".h", ".cc", ".proto", ".textproto", ".py", ".sh", ".js", ".mjs", ".yml", "CMakeLists.txt")
SKIPPED = {"build", ".git", "third_party", "node_modules"}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"\bdocs/[\w/-]+\.md\b")
CODE = re.compile(r"`([^`]+)`")
WORD = re.compile(r"[^\s`'\"();=]+")
TEST = re.compile(r"(?:\w*Test\.\w+|\w+\.test_\w+)$")
DEFINED_TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)|^class (\w+)\(|^    def (test_\w+)\(", re.MULTILINE)
CAMEL_CASE = re.compile(r"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\b")
FILE_NAME = re.compile(r"[\w.<>*{},-]+\.(?:h|cc|in|proto|textproto|py|sh|mjs|js|md|txt|cmake)$")


def expand(pattern):
    """`a.{h,cc}` as a.h and a.cc; `<word>` as `*`."""
    pattern = re.sub(r"<[^<>]*>", "*", pattern)
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if not braces:
        return [pattern]
    return [whole for part in braces.group(1).split(",")
            for whole in expand(pattern[:braces.start()] + part + pattern[braces.end():])]


def anchors(text):
    """The anchors of the headings in a document, in GitHub's form."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", re.sub(r"(?ms)^```.*?^```", "", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def cases(text):
    """The tests that a source file defines, as Suite.Case."""
    found, python_class = set(), ""
    for suite, case, name, method in DEFINED_TEST.findall(text):
        python_class = name or python_class
        if case or method:
            found.add("%s.%s" % (suite or python_class, case or method))
    return found


class Checker:
    """One walk over the documents below `root`. `violations` holds the lines to print."""

    def __init__(self, root):
        self.root = root
        self.violations = []
        self.documents = []
        self.sources = []
        self.names = set()
        for folder, inner, files in os.walk(root):
            inner[:] = sorted(name for name in inner if name not in SKIPPED)
            self.names.update(files)
            self.documents += [os.path.relpath(os.path.join(folder, name), root)
                               for name in sorted(files) if name.endswith(".md")]
            self.sources += [os.path.relpath(os.path.join(folder, name), root)
                             for name in sorted(files) if name.endswith(SOURCES)]
        self.identifiers = set()
        self.cases = set()
        for path in self.sources:
            text = self.read(path)
            self.identifiers.update(re.findall(r"\w+", text))
            self.cases.update(cases(text))
        self.tests = set()
        for path in glob.glob(os.path.join(root, "tests/**/CMakeLists.txt"), recursive=True):
            self.tests.update(re.findall(r"s2p_test\((\w+)", self.read(os.path.relpath(path, root))))
        self.rooms = {name for name in os.listdir(root)
                      if os.path.isdir(os.path.join(root, name)) and name not in SKIPPED}

    def check(self):
        for path in self.documents:
            strict = any(fnmatch.fnmatchcase(path, pattern) for pattern in STRICT)
            fenced = False
            for number, line in enumerate(self.read(path).split("\n"), 1):
                if line.startswith("```"):
                    fenced = not fenced
                    continue
                if not fenced:
                    for target in LINK.findall(CODE.sub("", line)):
                        self.check_link(path, number, target)
                if strict:
                    code = [line] if fenced or line.startswith("    ") else CODE.findall(line)
                    for word in WORD.findall(" ".join(code)):
                        self.check_word(path, number, word.rstrip(".,:"))
                if path == "docs/security.md":
                    for name in CODE.findall(line):
                        if TEST.search(name) and name not in self.cases:
                            self.refuse(path, number, "no test is named %s" % name)
                if path.startswith("docs/howto/"):
                    self.check_names(path, number, " ".join(CODE.findall(line)))
        for path in self.sources:
            # The test of this script names documents that are not there.
            if not path.endswith("check_documents_test.py"):
                self.check_mentions(path)
        return self.violations

    def check_mentions(self, path):
        for number, line in enumerate(self.read(path).split("\n"), 1):
            for mention in MENTION.findall(line):
                if not os.path.exists(os.path.join(self.root, mention)):
                    self.refuse(path, number, "%s does not exist" % mention)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def refuse(self, path, line, message):
        self.violations.append("%s:%d: %s" % (path, line, message))

    def check_names(self, path, number, code):
        for name in CAMEL_CASE.findall(code):
            if name not in self.identifiers and not re.search("X(Test)?$", name):
                self.refuse(path, number, "no source has the name %s" % name)

    def check_link(self, path, number, target):
        if re.match(r"\w+:", target):
            return
        file, _, anchor = target.partition("#")
        full = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(os.path.join(self.root, full)):
            self.refuse(path, number, "the link %s leads nowhere" % target)
        elif anchor and full.endswith(".md") and anchor not in anchors(self.read(full)):
            self.refuse(path, number, "the link %s: %s has no such heading" % (target, full))

    def check_word(self, path, number, word):
        test = re.match(r"build/\w+/tests/(\w+)$", word)
        if test and test.group(1) not in self.tests:
            self.refuse(path, number, "no test is named %s" % test.group(1))
        for pattern in expand(word):
            if pattern.split("/")[0] in self.rooms and "/" in pattern:
                if not glob.glob(os.path.join(self.root, pattern)):
                    self.refuse(path, number, "%s does not exist" % pattern)
            elif FILE_NAME.match(pattern) and not fnmatch.filter(self.names, pattern):
                self.refuse(path, number, "no file is named %s" % pattern)


def main(arguments):
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        print(__doc__.strip())
        return 0 if arguments in (["-h"], ["--help"]) else 2
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    checker = Checker(os.path.abspath(arguments[0] if arguments else default))
    violations = checker.check()
    for violation in violations:
        print(violation)
    if not checker.documents:
        print("no documents below %s" % checker.root)
        return 2
    print("%d documents, %d violations" % (len(checker.documents), len(violations)))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
