"""The flags of the built programs, and what containers set them to."""
import os
import re
import subprocess
import sys
import unittest

from manifests import image_of

# The program of each image.
PROGRAMS = {"server": "s2p-server", "trainer": "s2p-trainer", "web": "s2p-web", "demo": "s2p"}


def seconds(text):
    """The seconds of a duration such as 1m30s."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smh]?)", text))


class Flags:
    """The flags of the built programs, from their --help. Asks each program once."""

    def __init__(self, folder):
        self.folder = folder
        self.known = {}

    def of(self, *command):
        """{flag: (takes a value, default)} of a program and its subcommand."""
        if command not in self.known:
            words = [os.path.join(self.folder, command[0])] + list(command[1:]) + ["--help"]
            text = subprocess.run(words, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
            found = re.findall(r"^ +(?:-\w,)?--([a-z0-9-]+)(?: (\S+))?", text, re.MULTILINE)
            self.known[command] = {flag: (bool(value), value.partition("=")[2]) for flag, value in found}
        return self.known[command]

    def of_container(self, container):
        command = [PROGRAMS[image_of(container)]]
        if command[0] == "s2p-trainer":
            command.append(container["args"][0])
        return self.of(*command)


def given_flags(container):
    """[(flag, value or None)] of the container's args, in order."""
    words = [word for word in container.get("args", []) if word.startswith("-")]
    return [(flag.lstrip("-"), value if equals else None)
            for flag, equals, value in (word.partition("=") for word in words)]


def setting(container, name):
    """The value of a flag: from the args, or its default."""
    return dict(given_flags(container)).get(name) or FLAGS.of_container(container)[name][1]


# Those of the folder that main() was told.
FLAGS = Flags("")


def main():
    """Runs the tests of a file: FILE BIN_DIR [CLASS.TEST...]."""
    FLAGS.folder = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
