#!/usr/bin/env python3
"""Writes the manual pages of a program and of its commands from what their --help says, with help2man.

    manual_pages.py BIN_DIR OUT_DIR VERSION PROGRAM

makes OUT_DIR/PROGRAM.1.gz, and OUT_DIR/PROGRAM-COMMAND.1.gz for each command, as git does. Without
help2man it says so, and makes an empty folder.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True
import compress  # noqa: E402
import flag_tables  # noqa: E402


def environment(bin_dir):
    """Without settings, which help would show as defaults, and the same in every language."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
    return dict(clean, PATH=os.path.abspath(bin_dir) + ":" + clean["PATH"], LC_ALL="C.UTF-8")


def commands_of(words, text):
    """The commands that the help `text` of the command `words` lists."""
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    names = re.findall(r"^  ([\w-]+)", listed.group(1), re.MULTILINE) if listed else []
    # Those that a program reads before its flags.
    other = [name.split()[1:] for name in flag_tables.COMMANDS if name.split()[:-1] == words]
    return sorted(set(names) | {rest[-1] for rest in other})


def all_help(words, environ):
    """[(words, help, commands)] of a program or command and of all commands below it."""
    text = subprocess.run(words + ["--help"], env=environ, stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    commands = commands_of(words, text)
    pages = [(words, text, commands)]
    for command in commands:
        pages += all_help(words + [command], environ)
    return pages


def summary(text):
    """The first sentence of a help text, as a manual page has it after the name."""
    first = re.split(r"[.;] |\.?\n", text.lstrip(), maxsplit=1)[0]
    return first if first[1:2].isupper() else first[0].lower() + first[1:]


def manual_page(words, text, related, version, environ):
    """The page as bytes. help2man runs a stand-in that prints `text`, so that each program runs once."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "-".join(words))
        with open(program + ".help", "w", encoding="utf-8") as file:
            file.write(text)
        with open(program, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nexec cat "$0.help"\n')
        os.chmod(program, 0o755)
        with open(program + ".h2m", "w", encoding="utf-8") as file:
            file.write("[SEE ALSO]\n" + ",\n".join(".BR %s (1)" % name for name in related) + "\n")
        return subprocess.run(
            ["help2man", "--no-info", "--section=1", "--source=sketch2photo " + version,
             "--version-string=" + version, "--manual=sketch2photo", "--name=" + summary(text),
             "--include=" + program + ".h2m", program],
            env=environ, stdout=subprocess.PIPE, check=True).stdout


def main(bin_dir, out, version, program):
    os.makedirs(out, exist_ok=True)
    if shutil.which("help2man") is None:
        print("manual_pages: help2man is not installed, so there are none", file=sys.stderr)
        return
    environ = environment(bin_dir)
    for words, text, commands in all_help([program], environ):
        parent = words[:-1] if len(words) > 1 else []
        related = (["-".join(parent)] if parent else []) + ["-".join(words + [name]) for name in commands]
        related += [other for other in ("s2p", "s2p-server", "s2p-trainer", "s2p-web")
                    if not parent and other != program]
        page = manual_page(words, text, related, version, environ)
        compress.compress(page, os.path.join(out, "-".join(words) + ".1.gz"))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
