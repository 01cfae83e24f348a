"""Generates sketch2photo.v1 from the proto files when the package is built.

The generated modules are not in the repository: they follow from proto/, so they can never be out of date, and
each build uses the protoc that fits the installed protobuf.
"""
import os
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("checkpoint", "search", "gallery", "model", "feedback", "training")


def proto_folder():
    """The repository's proto/, or the copy in a source distribution."""
    for folder in (os.path.join(HERE, "proto"), os.path.join(HERE, "..", "..", "proto")):
        if os.path.isdir(os.path.join(folder, "s2p", "v1")):
            return folder
    raise SystemExit("setup.py: no proto/s2p/v1 in this folder or in the repository")


def generate(target):
    """Writes the modules of package s2p.v1 into `target` as modules of sketch2photo.v1."""
    protos = proto_folder()
    scratch = os.path.join(target, ".generated")
    os.makedirs(scratch)
    if shutil.which("protoc") is None:
        raise SystemExit("setup.py: protoc is missing: apt-get install protobuf-compiler")
    subprocess.run(["protoc", "-I", protos, "--python_out=" + scratch, "--pyi_out=" + scratch]
                   + [os.path.join(protos, "s2p", "v1", name + ".proto") for name in NAMES], check=True)
    for name in NAMES:
        for ending in ("_pb2.py", "_pb2.pyi"):
            with open(os.path.join(scratch, "s2p", "v1", name + ending), encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(target, name + ending), "w", encoding="utf-8") as file:
                file.write(re.sub(r"^from s2p\.v1 import", "from sketch2photo.v1 import", text, flags=re.MULTILINE))
    shutil.rmtree(scratch)


class BuildWithMessages(build_py):
    def run(self):
        super().run()
        target = os.path.join(self.build_lib, "sketch2photo", "v1")
        shutil.rmtree(os.path.join(target, ".generated"), ignore_errors=True)
        generate(target)


class SourceWithProtos(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        target = os.path.join(base_dir, "proto", "s2p", "v1")
        os.makedirs(target, exist_ok=True)
        for name in NAMES:
            shutil.copy(os.path.join(proto_folder(), "s2p", "v1", name + ".proto"), target)


setup(cmdclass={"build_py": BuildWithMessages, "sdist": SourceWithProtos})
