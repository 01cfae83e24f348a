#!/usr/bin/env python3
"""Writes the table of all fields of a training spec into docs/training.md, from their definition.

    tools/spec_fields.py            writes
    tools/spec_fields.py --check    exit code 1 if what is written differs

Meanings are the comments of proto/s2p/v1/training.proto, values those of two presets.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROTO = os.path.join(ROOT, "proto/s2p/v1/training.proto")
DOC = os.path.join(ROOT, "docs/training.md")
PRESETS = ("shoes", "demo")
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"
# These are shown separately: the preset and paths.
FIELD = re.compile(r"(?:optional |repeated )?([\w.]+) (\w+) = \d+;")


def read_messages():
    """{message: [(type, name, comment)]} of TrainingSpec and the messages within it."""
    messages, stack, comment = {}, [], []
    for line in open(PROTO, encoding="utf-8"):
        text = line.strip()
        if text.startswith("//"):
            comment.append(text[2:].strip())
            continue
        opening = re.match(r"(message|enum|oneof|service) (\w+) \{", text)
        field = FIELD.match(text)
        if opening:
            stack.append(opening.group(2) if opening.group(1) == "message" else None)
        elif text == "}":
            stack.pop()
        elif field and stack and "TrainingSpec" in stack:
            owner = [name for name in stack if name][-1]
            messages.setdefault(owner, []).append(
                (field.group(1), field.group(2), " ".join(comment)))
        comment = []
    return messages


def read_preset(name):
    """{path: value} of a preset, merged into the base."""
    return {**read_values("base"), **read_values(name)}


def read_values(name):
    """{path: value} of a preset's file, as it is written."""
    text = open(os.path.join(ROOT, f"trainer/spec/presets/{name}.textproto"), encoding="utf-8").read()
    tokens = re.findall(r'"[^"]*"|[{}]|[\w.+-]+:?', re.sub(r"#.*", "", text))
    values, path, at = {}, [], 0
    while at < len(tokens):
        token = tokens[at]
        if token == "}":
            path.pop()
        elif token.endswith(":"):
            values[".".join(path + [token[:-1]])] = tokens[at + 1].strip('"')
            at += 1
        elif token != "{":
            path.append(token)
        at += 1
    return values


def short(value):
    return re.sub(r"^(RECIPE|POOLING|NECK|RETRIEVAL_FEATURE|RESIZE_FILTER|NORMALIZATION|PRECISION|"
                  r"POLICY)_", "", value)


def table():
    messages, presets = read_messages(), [read_preset(name) for name in PRESETS]
    rows = ["| field | " + " | ".join(f"`{name}`" for name in PRESETS) + " | meaning |",
            "|---|" + "---|" * len(PRESETS) + "---|"]

    def add(message, prefix):
        for kind, name, comment in messages[message]:
            path = f"{prefix}{name}"
            if kind in messages:
                # photo and sketch, step1 and step2 have the same fields.
                if name in ("sketch", "step2"):
                    continue
                add(kind, path + ".")
                continue
            shown = path.replace("photo.", "photo, sketch: ").replace("step1.", "step1, step2: ")
            cells = []
            for preset in presets:
                value = short(preset.get(path, "–"))
                for one, other in (("photo.", "sketch."), ("step1.", "step2.")):
                    twin = short(preset.get(path.replace(one, other), "–"))
                    if path.startswith(one) and twin != value:
                        value = f"{value}, {twin}"
                cells.append(value)
            rows.append(f"| `{shown}` | " + " | ".join(cells) + f" | {comment} |")

    add("TrainingSpec", "")
    return "\n".join(rows) + "\n"


def main():
    document = open(DOC, encoding="utf-8").read()
    if BEGIN not in document or END not in document:
        sys.exit(f"{DOC}: the marks around the table are missing")
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    wanted = before + BEGIN + table() + END + after
    if "--check" in sys.argv[1:]:
        if document != wanted:
            sys.exit(f"{DOC}: the table of fields is out of date: run tools/spec_fields.py")
        return
    with open(DOC, "w", encoding="utf-8") as out:
        out.write(wanted)


if __name__ == "__main__":
    main()
