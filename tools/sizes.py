#!/usr/bin/env python3
"""Prints how long the files and functions of this tree are, as a Markdown table.

    tools/sizes.py [ROOT] [--functions N]

ROOT is a checkout; only files that git tracks count. --functions N also names the N longest functions.

How it counts:
  headers, .cc   C++ outside tests/; tests: files named *_test.cc. Lines are all lines of a file.
  prose          share of a header's lines, without empty ones, that are comments; the median of a room.
  functions      of .h and .cc outside tests/. Braces are counted after comments, literals and
                 preprocessor lines are blanked. A brace that follows a parameter list, directly inside a
                 namespace or class, opens a function; its lines are those from the first of its
                 signature to its closing brace. Lambdas and local classes belong to the function
                 around them.
  flat folder    units directly in one folder outside tests/; a.h and a.cc are one unit.
"""
import argparse
import collections
import os
import re
import statistics
import subprocess
import sys

LONG = 40
# Rooms that are large enough to be shown by their inner folders, too.
SPLIT = ("client", "server", "trainer")

TOKEN = re.compile(r"""
    //[^\n]*                                          # comments
  | /\*.*?\*/
  | R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"      # raw strings
  | "(?:\\.|[^"\\\n])*"                               # strings
  | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'               # characters, but not the ' of 1'000
  | ^[ \t]*\#(?:\\\n|[^\n])*                          # preprocessor lines
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
# This may stand between a parameter list and the brace of a body.
TAIL = re.compile(r"""\) \s* (?: const | noexcept (?:\([^()]*\))? | override | final | mutable | & | &&
                      | [A-Z][A-Z0-9_]+ (?:\([^()]*\))? | -> [^;{}()=]+ | \s )* $""", re.VERBOSE)
TYPE = re.compile(r"(?:^|[^\w.>])(?:class|struct|union|enum|namespace)\b(?![^<]*>)")

Function = collections.namedtuple("Function", "length path line name")


def blank(text):
    """`text` without comments, literals and preprocessor lines; every line keeps its number."""
    def empty(match):
        kept = '""' if match.group()[0] in "\"'R" else " "
        return kept + "\n" * match.group().count("\n")
    return TOKEN.sub(empty, text)


def initialisers_begin(head):
    """Where the member initialisers of a constructor begin; the end of `head` without any."""
    depth = 0
    for at, char in enumerate(head):
        depth += (char == "(") - (char == ")")
        if char == ":" and depth == 0 and "::" not in head[at - 1:at + 2] and TAIL.search(head[:at]):
            return at
    return len(head)


def parameters_begin(head):
    """Where the parameter list opens in the head of a function; None if it is not one."""
    head = head[:initialisers_begin(head)]
    tail = TAIL.search(head)
    depth = 0
    for at in range(tail.start() if tail else -1, -1, -1):
        depth += (head[at] == ")") - (head[at] == "(")
        if depth == 0:
            return at
    return None


def opened_scope(scopes, head):
    """What a brace behind `head` opens: "outer" (a namespace or class), "body" (a function), "value" (a
    part of the head itself, such as a default argument) or "inner" (all else)."""
    if any(scope != "outer" for scope in scopes):
        return "inner"
    if head.count("(") > head.count(")"):
        return "value"
    begin = parameters_begin(head)
    if begin is not None:
        if initialisers_begin(head) < len(head) and re.search(r"[\w>]\s*$", head):
            return "value"  # A member initialiser `: value_{1}`.
        before = re.sub(r"template\s*<[^()]*>|operator\s*\S+|\([^()]*\)", "", head[:begin])
        return "inner" if "=" in before else "body"
    return "outer" if TYPE.search(head) or re.search(r'extern\s*""\s*$', head) else "inner"


def functions(text, path=""):
    """The functions that `text` defines, in order."""
    found, scopes, head, first, line = [], [], "", 1, 1
    for char in blank(text):
        if char == "{":
            scopes.append(opened_scope(scopes, head))
            if scopes[-1] == "body":
                name = re.search(r"(operator\s*[^\s(]+|[\w:~]+)\s*$", head[:parameters_begin(head)])
                found.append([first, None, name.group(1) if name else "?"])
            # A value stays part of the head, in parentheses.
            head = head + "(" if "value" in scopes else ""
        elif char == "}":
            closed = scopes.pop() if scopes else "inner"
            if closed == "body":
                found[-1][1] = line
            head = head + ")" if "value" in scopes or closed == "value" else ""
        elif char == ";" and "value" not in scopes:
            head = ""
        else:
            if not head.strip():
                first = line
            head += char
        if char == "\n":
            line += 1
    return [Function(end - start + 1, path, start, name) for start, end, name in found if end]


def prose_share(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return sum(line.lstrip().startswith("//") for line in lines) / max(1, len(lines))


class Sizes:
    """One reading of the tracked files below `root`."""

    def __init__(self, root):
        listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], stdout=subprocess.PIPE,
                                check=True).stdout.decode("utf-8").split("\0")
        self.paths = [path for path in listed if path]
        # The index may name a file that was just deleted.
        self.texts = {}
        for path in self.paths:
            full = os.path.join(root, path)
            if path.endswith((".h", ".cc")) and os.path.isfile(full):
                with open(full, encoding="utf-8") as file:
                    self.texts[path] = file.read()
        self.sources = [path for path in self.texts if not path.startswith("tests/")]
        self.functions = [function for path in self.sources
                          for function in functions(self.texts[path], path)]

    def lines(self, paths):
        return [self.texts[path].count("\n") for path in paths]

    def rooms(self):
        """[(name, prefix)] of the whole, each room, and the folders inside large rooms."""
        found = {path.split("/")[0] for path in self.sources if "/" in path}
        inner = {"/".join(path.split("/")[:2]) for path in self.sources
                 if path.split("/")[0] in SPLIT and path.count("/") > 1}
        return [("all", "")] + [(name, name + "/") for name in sorted(found | inner)]

    def row(self, name, prefix):
        sources = [path for path in self.sources if path.startswith(prefix)]
        headers = [path for path in sources if path.endswith(".h")]
        tests = [path for path in self.texts
                 if path.startswith("tests/" + prefix) and path.endswith("_test.cc")]
        lengths = [f.length for f in self.functions if f.path.startswith(prefix)]
        folder, units = largest_folder(sources)
        return [name, spread(self.lines(headers)),
                spread(self.lines(path for path in sources if path.endswith(".cc"))),
                spread(self.lines(tests)), long_share(lengths),
                "%.2f" % statistics.median(prose_share(self.texts[path]) for path in headers)
                if headers else "",
                "%s %d" % (folder, units), format(sum(self.lines(sources)), ",")]

    def table(self):
        rows = [["room", "headers", ".cc", "tests", "functions > %d lines" % LONG, "prose",
                 "largest flat folder (units)", "lines of C++ without tests"]]
        rows += [["---"] * len(rows[0])] + [self.row(*room) for room in self.rooms()]
        text = "".join("| " + " | ".join(row) + " |\n" for row in rows)
        return ("Lines as median / p90 (number of files). %s tracked files, %s of them C++.\n\n%s"
                % (format(len(self.paths), ","), format(len(self.texts), ","), text))


def spread(values):
    """Median / p90 (n)."""
    if not values:
        return ""
    values = sorted(values)
    return "%d / %d (%d)" % (statistics.median(values), values[(len(values) * 9 - 1) // 10],
                             len(values))


def long_share(lengths):
    if not lengths:
        return ""
    long = sum(length > LONG for length in lengths)
    return "%.1f %% (%s of %s; max %d)" % (100 * long / len(lengths), long,
                                           format(len(lengths), ","), max(lengths))


def largest_folder(paths):
    units = collections.defaultdict(set)
    for path in paths:
        units[os.path.dirname(path)].add(os.path.splitext(path)[0])
    return max(((folder, len(names)) for folder, names in units.items()),
               key=lambda found: (found[1], found[0]))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", metavar="ROOT",
                        default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--functions", type=int, default=0, metavar="N")
    given = parser.parse_args(arguments)
    sizes = Sizes(given.root)
    if not sizes.sources:
        sys.exit("%s: no tracked C++ files" % given.root)
    print(sizes.table(), end="")
    if given.functions:
        print("\n| lines | function | |\n|---|---|---|")
        for function in sorted(sizes.functions, reverse=True)[:given.functions]:
            print("| %d | `%s` | %s:%d |" % (function.length, function.name, function.path, function.line))


if __name__ == "__main__":
    main(sys.argv[1:])
