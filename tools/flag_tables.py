#!/usr/bin/env python3
"""Writes docs/flags.md, the flags of the long-running programs, from what their --help says.

    tools/flag_tables.py BIN_DIR            writes
    tools/flag_tables.py BIN_DIR --check    exit code 1 if what is written differs
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOC = os.path.join(ROOT, "docs/flags.md")
COMMANDS = ("s2p-server", "s2p-server backup", "s2p-server check", "s2p-server restore",
            "s2p-trainer serve", "s2p-web")
# Flags that every program has.
COMMON = {"--help", "--version", "--config"}
HEAD = """# Flags

Flags of the long-running programs and of the commands that maintain their folders, written by
tools/flag_tables.py from what `--help` says. Each flag can also stand in the environment (`--max-batch` is
`S2P_MAX_BATCH`) or in the TOML file that `--config` names (`max-batch = 16`). The command line wins over the
environment, and that over the file.

Addresses (`--server`, `--trainer`, `--listen`, `--http`) are checked for their form when a program starts, and
an empty one is refused. The word after a flag is its value unless it begins with `--`, which is taken for a
forgotten value; write `--flag=--value` if it is meant. `--version` prints the version and ends.
"""


def read_flags(command):
    """[(flag, kind, default, meaning)], in the order of the help."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment,
                          universal_newlines=True).stdout
    flags = []
    for line in text.splitlines():
        start = re.match(r"  (?:-\w,)?(--[\w-]+)(?: (\S+))?(?:  +(.*)| (.*))?$", line)
        if start:
            kind, _, default = (start.group(2) or "").partition("=")
            flags.append([start.group(1), kind, default, start.group(3) or start.group(4) or ""])
        elif flags and line.startswith(" " * 20):
            flags[-1][3] = (flags[-1][3] + " " + line.strip()).strip()
    return [flag for flag in flags if flag[0] not in COMMON]


def table(bin_dir, name):
    program, *rest = name.split()
    rows = ["", "## " + name, "", "| flag | value | default | what |", "|---|---|---|---|"]
    for flag, kind, default, meaning in read_flags([os.path.join(bin_dir, program), *rest, "--help"]):
        cells = [f"`{flag}`", kind.lower(), f"`{default}`" if default else "", meaning]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def main(arguments):
    if not arguments or arguments[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    text = HEAD + "".join(table(arguments[0], name) for name in COMMANDS)
    if len(arguments) == 1:
        with open(DOC, "w", encoding="utf-8") as file:
            file.write(text)
    elif open(DOC, encoding="utf-8").read() != text:
        sys.exit(f"{DOC}: is out of date: run tools/flag_tables.py {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
