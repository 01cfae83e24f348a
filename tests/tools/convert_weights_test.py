#!/usr/bin/python3
"""Tests tools/convert_weights.py with files in both formats of torch.save, and in TorchScript's."""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("SKIPPED: python3-torch is not installed")
    sys.exit(77)

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "convert_weights.py"


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


class Half(torch.nn.Module):
    """Like OpenAI's archives: half-precision weights, and a number among the buffers."""

    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).half())
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, x):
        return x @ self.proj


class ConvertWeightsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.input = os.path.join(self.folder.name, "in.pth")
        self.output = os.path.join(self.folder.name, "out.safetensors")

    def convert(self):
        return subprocess.run([sys.executable, str(SCRIPT), self.input, self.output],
                              capture_output=True, text=True)

    def converted(self):
        with open(self.output, "rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(size))
            return header, file.read()

    def check_values(self, legacy):
        weight = torch.arange(6, dtype=torch.float32).reshape(2, 3).t()  # not contiguous
        torch.save({"module.fc.weight": weight, "fc.steps": torch.tensor(7),
                    "half": torch.tensor([1.5], dtype=torch.bfloat16)},
                   self.input, _use_new_zipfile_serialization=not legacy)
        result = self.convert()
        self.assertEqual(result.returncode, 0, result.stderr)
        header, data = self.converted()
        self.assertEqual(set(header), {"fc.weight", "fc.steps", "half"})
        self.assertEqual(header["fc.weight"]["shape"], [3, 2])
        begin, end = header["fc.weight"]["data_offsets"]
        self.assertEqual(struct.unpack("<6f", data[begin:end]), (0, 3, 1, 4, 2, 5))
        self.assertEqual(header["fc.steps"]["shape"], [])
        begin, end = header["fc.steps"]["data_offsets"]
        self.assertEqual(struct.unpack("<q", data[begin:end]), (7,))
        self.assertEqual(header["half"]["dtype"], "BF16")
        begin, end = header["half"]["data_offsets"]
        self.assertEqual(data[begin:end], b"\xc0\x3f")
        self.assertEqual(len(data), max(entry["data_offsets"][1] for entry in header.values()))

    def test_zip_format_keeps_every_value(self):
        self.check_values(legacy=False)

    def test_legacy_format_keeps_every_value(self):
        self.check_values(legacy=True)

    def test_nested_networks_are_joined_and_other_entries_named(self):
        torch.save({"Embed_net_1": {"module.base.w": torch.ones(1)}, "epoch": 3}, self.input,
                   _use_new_zipfile_serialization=False)
        result = self.convert()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(set(self.converted()[0]), {"Embed_net_1.base.w"})
        self.assertIn("left out, not tensors: epoch", result.stdout)

    def test_code_in_the_file_is_not_run(self):
        planted = os.path.join(self.folder.name, "planted")
        torch.save({"w": torch.ones(1), "x": RunsCode(planted)}, self.input)
        result = self.convert()
        self.assertEqual(result.returncode, 1)
        self.assertIn("If you trust those who made the file", result.stderr)
        self.assertIn(self.input, result.stderr)
        self.assertFalse(os.path.exists(planted))
        self.assertFalse(os.path.exists(self.output))

    def test_torchscript_archive_keeps_every_value_and_type(self):
        torch.jit.save(torch.jit.script(Half()), self.input)
        result = self.convert()
        self.assertEqual(result.returncode, 0, result.stderr)
        header, data = self.converted()
        self.assertEqual({name: (entry["dtype"], entry["shape"]) for name, entry in header.items()},
                         {"proj": ("F16", [2, 2]), "input_resolution": ("I64", [])})
        begin, end = header["proj"]["data_offsets"]
        self.assertEqual(struct.unpack("<4e", data[begin:end]), (1, 2, 3, 4))

    def test_file_that_exists_is_not_replaced(self):
        torch.save({"w": torch.ones(1)}, self.input)
        with open(self.output, "w", encoding="utf-8") as file:
            file.write("mine")
        result = self.convert()
        self.assertEqual(result.returncode, 1)
        self.assertIn("exists already", result.stderr)
        with open(self.output, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_file_without_weights_is_refused_by_name(self):
        with open(self.input, "wb") as file:
            file.write(b"no weights")
        result = self.convert()
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.input, result.stderr)
        self.assertEqual(os.listdir(self.folder.name), ["in.pth"])

    def test_dictionary_without_tensors_is_refused(self):
        torch.save({"epoch": 3}, self.input)
        result = self.convert()
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no tensor in it", result.stderr)


if __name__ == "__main__":
    unittest.main()
