#!/usr/bin/python3
"""Tests tools/export_onnx.py with the models of export_models.py and the ONNX runtime that is installed.

usage: export_onnx_test.py BIN_DIR WORK_DIR [TEST...]
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    import torch
except ImportError as missing:
    print(f"SKIPPED: {missing.name} for Python is not installed")
    sys.exit(77)
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "export_onnx.py"
sys.path.insert(0, str(SCRIPT.parent))
import export_onnx
import s2p_model
from export_models import changed_manifest, checkpoint

WORK = None
torch.set_num_threads(1)


class ExportOnnxTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = os.path.join(self.folder, "out.onnx")

    def run_program(self, name, *arguments):
        return subprocess.run([sys.executable, str(SCRIPT), checkpoint(WORK, name), self.out, *arguments],
                              capture_output=True, text=True)

    def skip_without_every_operator(self):
        if export_onnx.choose_runtime() is export_onnx.OpenCv:
            self.skipTest("OpenCV runs ResNets only; install onnxruntime")

    def check(self, name, modality):
        """The embeddings are the trainer's and PyTorch's, for batches of several sizes."""
        model = s2p_model.load(checkpoint(WORK, name))
        export_onnx.export(model, modality, self.out)
        run = export_onnx.choose_runtime()(self.out)
        images = model.prepare([s2p_model.probe_picture(modality)], modality)
        outputs = ["embeddings", "attributes"]
        for count in (1, 2, 5):
            embeddings, attributes = run(images.repeat(count, 1, 1, 1).numpy(), outputs)
            self.assertEqual(embeddings.shape, (count, model.dimension))
            for row in embeddings:
                np.testing.assert_allclose(row, model.manifest["goldenProbe"][modality], rtol=0, atol=1e-5)
            with torch.no_grad():
                want = model.attribute_probabilities(model.unnormalised(images, modality))
            np.testing.assert_allclose(attributes, want.repeat(count, 1).numpy(), rtol=0, atol=1e-5)

    def test_residual_network(self):
        self.check("residual", "sketch")

    def test_caffe_network_whose_pool_rounds_up(self):
        self.check("caffe", "photo")

    def test_convnext(self):
        self.skip_without_every_operator()
        self.check("convnext", "photo")

    def test_transformer_whose_positions_are_resampled(self):
        self.skip_without_every_operator()
        self.check("transformer", "photo")

    def test_both_modalities_by_default_with_their_preparation(self):
        result = self.run_program("residual")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["out.photo.onnx", "out.sketch.onnx"])
        self.assertEqual(result.stdout.count("cosine similarity 1.0000"), 2, result.stdout)
        graph = onnx.load(os.path.join(self.folder, "out.sketch.onnx"))
        metadata = {entry.key: entry.value for entry in graph.metadata_props}
        self.assertEqual(metadata["s2p.modality"], "sketch")
        self.assertEqual(metadata["s2p.version"], "1")
        self.assertEqual(json.loads(metadata["s2p.preprocessing"])["thicken"], 1)
        self.assertIn("boots", json.loads(metadata["s2p.attributes"]))

    def test_file_that_exists_is_not_replaced(self):
        with open(self.out, "w", encoding="utf-8") as file:
            file.write("mine")
        result = self.run_program("residual", "--modality", "photo")
        self.assertEqual(result.returncode, 1)
        self.assertIn("exists already", result.stderr)
        with open(self.out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_graph_that_computes_something_else_gets_no_name(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        model.manifest["goldenProbe"]["photo"] = model.manifest["goldenProbe"]["sketch"]
        with self.assertRaisesRegex(ValueError, "goldenProbe.photo: .* cosine similarity"):
            export_onnx.export(model, "photo", self.out)
        self.assertEqual(os.listdir(self.folder), [])

    def test_runtime_that_differs_from_pytorch_is_noticed(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        network = s2p_model.SingleModality(model, "photo")

        def run(images, outputs):
            with torch.no_grad():
                embeddings, attributes = network(torch.from_numpy(images))
            return [embeddings.numpy(), attributes.numpy() + (len(images) == 3) * 1e-3]
        with self.assertRaisesRegex(ValueError, "differ from PyTorch's by 1.0e-03"):
            export_onnx.check(run, network, ["embeddings", "attributes"])

    def test_damaged_checkpoint_is_named(self):
        shutil.copytree(checkpoint(WORK, "residual"), os.path.join(self.folder, "1"))
        with changed_manifest(os.path.join(self.folder, "1")) as manifest:
            manifest["formatVersion"] = 4
        result = subprocess.run([sys.executable, str(SCRIPT), os.path.join(self.folder, "1"), self.out],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("1/manifest.json: formatVersion: 4 is newer than this program", result.stderr)
        self.assertEqual(os.listdir(self.folder), ["1"])


if __name__ == "__main__":
    WORK = sys.argv[2]
    try:
        export_onnx.choose_runtime()
    except ValueError as error:
        print(f"SKIPPED: {error}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
