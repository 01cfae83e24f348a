#!/usr/bin/env python3
"""Writes the file that a service gets as --config: all flags, from what its --help says.

    settings.py BIN_DIR OUT 'PROGRAM [COMMAND]' [KEY=VALUE...]

Flags of KEY=VALUE are set; all others are commented out, with their defaults.
"""
import os
import re
import sys
import textwrap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True
import flag_tables  # noqa: E402

# Flags for one start, by hand.
NOT_SETTINGS = {"--health", "--set-aside-orphans"}
HEAD = """\
# Settings of {program}, which {unit}.service reads. Lines that are
# commented out show the defaults. After a change:
#
#     systemctl restart {unit}
"""


def value(kind, default, meaning):
    """The default as TOML."""
    if not kind:
        return "false"
    if "repeatable" in meaning:
        return "[]"
    if re.fullmatch(r"-?\d+(\.\d+)?", default) and kind in ("N", "NUMBER"):
        return default
    return '"%s"' % default


def settings(command, flags, chosen):
    program = command.split()[0]
    text = HEAD.format(program=command, unit=program)
    for flag, kind, default, meaning in flags:
        if flag in NOT_SETTINGS:
            continue
        key = flag[2:]
        text += "\n" + textwrap.fill(meaning, 96, initial_indent="# ", subsequent_indent="# ",
                                     break_long_words=False, break_on_hyphens=False) + "\n"
        if kind.count("|"):
            text += "# One of %s.\n" % kind.replace("|", ", ")
        if key in chosen:
            text += '%s = "%s"\n' % (key, chosen.pop(key))
        else:
            text += "#%s = %s\n" % (key, value(kind, default, meaning))
    if chosen:
        sys.exit("%s has no flag %s" % (command, ", ".join(chosen)))
    return text


def main(bin_dir, out, command, *chosen):
    program, *rest = command.split()
    flags = flag_tables.read_flags([os.path.join(bin_dir, program), *rest, "--help"])
    text = settings(" ".join([program, *rest]), flags, dict(pair.split("=", 1) for pair in chosen))
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
